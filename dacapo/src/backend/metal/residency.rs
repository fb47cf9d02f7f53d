//! The set of allocations that stay resident.
#![allow(unsafe_code, reason = "shares a set that is changed under a lock")]

use std::collections::HashMap;
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
    set: Option<Mutex<Members>>,
    /// Whether members have come or gone since the last commit.
    staged: AtomicBool,
}

struct Members {
    set: Resident,
    /// How often each is included, by its address: the set holds it.
    counts: HashMap<usize, usize>,
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
                let counts = HashMap::new();
                Residency {
                    set: Some(Mutex::new(Members { set, counts })),
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

    /// Makes a buffer a member, until it was excluded as often as it was included.
    pub(super) fn include(&self, buffer: &ProtocolObject<dyn MTLBuffer>) {
        if let Some(members) = &self.set {
            let Members { set, counts } = &mut *members.lock();
            let count = counts.entry(address(buffer)).or_default();
            *count += 1;
            if *count == 1 {
                set.addAllocation(ProtocolObject::from_ref(buffer));
                self.staged.store(true, Ordering::Release);
            }
        }
    }

    pub(super) fn exclude(&self, buffer: &ProtocolObject<dyn MTLBuffer>) {
        if let Some(members) = &self.set {
            let Members { set, counts } = &mut *members.lock();
            let Some(count) = counts.get_mut(&address(buffer)) else {
                return;
            };
            *count -= 1;
            if *count == 0 {
                counts.remove(&address(buffer));
                set.removeAllocation(ProtocolObject::from_ref(buffer));
                self.staged.store(true, Ordering::Release);
            }
        }
    }

    /// Makes what was staged count, for what is committed from now on.
    pub(super) fn commit(&self) {
        if let Some(members) = &self.set
            && self.staged.swap(false, Ordering::Acquire)
        {
            let set = &members.lock().set;
            set.commit();
            set.requestResidency();
        }
    }
}

fn address(buffer: &ProtocolObject<dyn MTLBuffer>) -> usize {
    core::ptr::from_ref(buffer).addr()
}
