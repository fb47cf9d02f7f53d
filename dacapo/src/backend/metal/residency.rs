//! The set of allocations that stay resident.
#![allow(unsafe_code, reason = "shares a set that is changed under a lock")]

use std::sync::atomic::{AtomicBool, Ordering};

use objc2::runtime::ProtocolObject;
use objc2_foundation::NSString;
use objc2_metal::{
    MTLBuffer, MTLCommandQueue, MTLDevice, MTLResidencySet, MTLResidencySetDescriptor,
};
use parking_lot::Mutex;

use crate::backend::metal::fault;
use crate::backend::metal::object::{Resident, Shared};

/// One set for the device, attached to its queue: `None` before macOS 15 and iOS 18.
pub(super) struct Residency {
    set: Option<Mutex<Resident>>,
    /// Whether members have come or gone since the last commit.
    staged: AtomicBool,
}

impl Residency {
    /// No set: Metal makes resident what is bound.
    pub(super) fn none() -> Residency {
        Residency {
            set: None,
            staged: AtomicBool::new(false),
        }
    }

    /// An empty set, if the device has them.
    pub(super) fn new(
        device: &ProtocolObject<dyn MTLDevice>,
        queue: &ProtocolObject<dyn MTLCommandQueue>,
    ) -> Residency {
        let descriptor = MTLResidencySetDescriptor::new();
        descriptor.setLabel(Some(&NSString::from_str("dacapo")));
        match device.newResidencySetWithDescriptor_error(&descriptor) {
            Ok(set) => {
                queue.addResidencySet(&set);
                // SAFETY: the set is changed under a lock.
                let set = unsafe { Shared::new(set) };
                Residency {
                    set: Some(Mutex::new(set)),
                    staged: AtomicBool::new(false),
                }
            }
            Err(error) => {
                tracing::warn!(reason = fault::text(&error), "no residency set");
                Residency::none()
            }
        }
    }

    /// Whether there is a set, so that its members need not be named by whoever uses them.
    pub(super) fn is_there(&self) -> bool {
        self.set.is_some()
    }

    pub(super) fn include(&self, buffer: &ProtocolObject<dyn MTLBuffer>) {
        if let Some(set) = &self.set {
            set.lock().addAllocation(ProtocolObject::from_ref(buffer));
            self.staged.store(true, Ordering::Release);
        }
    }

    pub(super) fn exclude(&self, buffer: &ProtocolObject<dyn MTLBuffer>) {
        if let Some(set) = &self.set {
            set.lock()
                .removeAllocation(ProtocolObject::from_ref(buffer));
            self.staged.store(true, Ordering::Release);
        }
    }

    /// Makes what was staged count, for what is committed from now on.
    pub(super) fn commit(&self) {
        if let Some(set) = &self.set
            && self.staged.swap(false, Ordering::Acquire)
        {
            let set = set.lock();
            set.commit();
            set.requestResidency();
        }
    }
}
