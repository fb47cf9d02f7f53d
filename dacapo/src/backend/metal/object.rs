//! Metal objects that several threads use.
#![allow(
    unsafe_code,
    reason = "vouches for objects that Metal's headers do not mark"
)]

use core::ops::Deref;

use objc2::rc::Retained;
use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLBuffer, MTLCommandBuffer, MTLComputePipelineState, MTLResidencySet};

/// An object that any thread may use, one at a time where it is changed.
pub(super) struct Shared<T: ?Sized>(Retained<T>);

pub(super) type Buffer = Shared<ProtocolObject<dyn MTLBuffer>>;
pub(super) type Commands = Shared<ProtocolObject<dyn MTLCommandBuffer>>;
pub(super) type PipelineState = Shared<ProtocolObject<dyn MTLComputePipelineState>>;
pub(super) type Resident = Shared<ProtocolObject<dyn MTLResidencySet>>;

impl<T: ?Sized> Shared<T> {
    /// # Safety
    /// Metal lets any thread use the object, and whoever changes it is alone with it.
    pub(super) unsafe fn new(object: Retained<T>) -> Shared<T> {
        Shared(object)
    }

    /// The object itself, for one more who keeps it.
    pub(super) fn retained(&self) -> Retained<T>
    where
        Retained<T>: Clone,
    {
        self.0.clone()
    }
}

// SAFETY: whoever made it has promised so. Reference counts of objects are atomic.
unsafe impl<T: ?Sized> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Shared<T> {}

impl<T: ?Sized> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> AsRef<T> for Shared<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Shared<T>
where
    Retained<T>: Clone,
{
    fn clone(&self) -> Shared<T> {
        Shared(self.0.clone())
    }
}
