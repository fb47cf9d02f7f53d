//! The functions that give devices.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::OnceLock;

use objc2::rc::Retained;
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSArray;
use objc2_metal::MTLDevice;

use super::{Device, DeviceIvars};
use crate::ledger::{Class, Live};
use crate::object::make;
use crate::settings::{Feature, has};

/// The device of this number, made at its first use; it lives as long as the process, as a real one does.
pub(crate) fn device(number: u32) -> Retained<Device> {
    static DEVICES: [OnceLock<Retained<Device>>; 2] = [OnceLock::new(), OnceLock::new()];
    let number = number.min(1);
    DEVICES[number as usize]
        .get_or_init(|| {
            make::<Device>(DeviceIvars {
                number,
                accounts: Arc::default(),
                _live: Live::new(Class::Device),
            })
        })
        .clone()
}

/// The device that a program uses if it does not choose; nil if there is none.
#[unsafe(no_mangle)]
extern "C-unwind" fn MTLCreateSystemDefaultDevice() -> *mut c_void {
    if !has(Feature::Device) {
        return std::ptr::null_mut();
    }
    Retained::into_raw(device(0)).cast()
}

/// Every device.
#[unsafe(no_mangle)]
extern "C-unwind" fn MTLCopyAllDevices() -> *mut c_void {
    let devices: Vec<Retained<ProtocolObject<dyn MTLDevice>>> = if has(Feature::Device) {
        vec![ProtocolObject::from_retained(device(0))]
    } else {
        Vec::new()
    };
    Retained::into_raw(NSArray::from_retained_slice(&devices)).cast()
}
