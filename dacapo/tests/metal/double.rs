//! The double's controls. They are of the whole process: one test at a time uses them.

use core::ffi::{CStr, c_char};
use std::sync::{Mutex, MutexGuard};

unsafe extern "C" {
    fn metal_double_count(name: *const c_char) -> u64;
    fn metal_double_live(class: *const c_char) -> u64;
    fn metal_double_fail_next(call: *const c_char, times: u32) -> bool;
    fn metal_double_fail_next_command_buffer(code: u64, description: *const c_char);
    fn metal_double_clear_faults();
}

/// Keeps other tests away.
pub(crate) struct Alone(#[allow(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Drop for Alone {
    fn drop(&mut self) {
        // SAFETY: it has no preconditions.
        unsafe { metal_double_clear_faults() };
    }
}

pub(crate) fn alone() -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    Alone(ALONE.lock().unwrap_or_else(|broken| broken.into_inner()))
}

/// How often something was done so far.
pub(crate) fn count(name: &CStr) -> u64 {
    // SAFETY: the name ends with a zero.
    let count = unsafe { metal_double_count(name.as_ptr()) };
    assert_ne!(count, u64::MAX, "{name:?} is counted");
    count
}

/// Objects of a class that are there.
pub(crate) fn live(class: &CStr) -> u64 {
    // SAFETY: as above.
    let live = unsafe { metal_double_live(class.as_ptr()) };
    assert_ne!(live, u64::MAX, "{class:?} is a class");
    live
}

/// Makes the next calls of this kind fail.
pub(crate) fn fail_next(call: &CStr, times: u32) {
    // SAFETY: as above.
    assert!(unsafe { metal_double_fail_next(call.as_ptr(), times) });
}

/// Makes the next command buffer that is committed end with an error of Metal's.
pub(crate) fn fail_next_command_buffer(code: u64, description: &CStr) {
    // SAFETY: as above.
    unsafe { metal_double_fail_next_command_buffer(code, description.as_ptr()) };
}
