//! Functions of a library.

use std::cell::RefCell;
use std::sync::Arc;

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{DefinedClass, define_class};
use objc2_foundation::NSString;
use objc2_metal::{MTLDevice, MTLFunction, MTLFunctionType};

use crate::device::Device;
use crate::ledger::Live;
use crate::msl;
use crate::object::Owned;
use crate::root::Root;

#[derive(Debug)]
pub(crate) struct FunctionIvars {
    pub(crate) compiled: Arc<msl::Function>,
    pub(crate) name: String,
    pub(crate) device: Retained<Device>,
    /// Of the library, the name and the constants.
    pub(crate) key: u64,
    pub(super) label: RefCell<String>,
    pub(super) _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLFunction"]
    #[ivars = FunctionIvars]
    #[derive(Debug)]
    pub(crate) struct Function;

    unsafe impl NSObjectProtocol for Function {}

    unsafe impl MTLFunction for Function {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.borrow()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.borrow_mut() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method(functionType))]
        fn function_type(&self) -> MTLFunctionType {
            MTLFunctionType::Kernel
        }

        #[unsafe(method_id(name))]
        fn name(&self) -> Retained<NSString> {
            NSString::from_str(&self.ivars().name)
        }
    }
);

// SAFETY: nothing changes but the label, which a program sets before it shares the function.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}
