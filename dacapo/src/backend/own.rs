//! From what backends share back to what one of them made.
#![allow(
    unsafe_code,
    reason = "asking for the type would cost more than all else that is done with a binding"
)]

use core::any::Any;

/// Something as what it is known to be. Debug builds ask.
///
/// # Safety
/// It is a `T`: whoever encodes for a device has checked that buffers and kernels are that device's.
#[inline]
pub(super) unsafe fn known<T: Any>(it: &dyn Any) -> &T {
    debug_assert!(it.is::<T>(), "it was made by another backend");
    // SAFETY: as above.
    unsafe { &*core::ptr::from_ref(it).cast::<T>() }
}
