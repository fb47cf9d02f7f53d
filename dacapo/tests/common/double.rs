//! What the double of Metal has found fault with, where it stands in for Metal.
#![cfg_attr(
    all(dacapo_metal_double, not(target_vendor = "apple")),
    allow(unsafe_code, reason = "calls the double's controls")
)]

/// Runs something during which the double reports races instead of ending the process; gives the reports. Elsewhere
/// nobody reports any.
#[cfg(all(dacapo_metal_double, not(target_vendor = "apple")))]
pub(crate) fn reported<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    use core::ffi::c_char;

    unsafe extern "C" {
        fn metal_double_collect(on: bool);
        fn metal_double_failures(buffer: *mut c_char, capacity: usize) -> usize;
    }
    // SAFETY: it has no preconditions.
    unsafe { metal_double_collect(true) };
    let result = work();
    let mut text = vec![0u8; 64 << 10];
    // SAFETY: the buffer has so many bytes.
    let len = unsafe {
        let len = metal_double_failures(text.as_mut_ptr().cast(), text.len());
        metal_double_collect(false);
        len
    };
    text.truncate(len.min(text.len() - 1));
    let lines = String::from_utf8_lossy(&text);
    (result, lines.lines().map(str::to_owned).collect())
}

#[cfg(not(all(dacapo_metal_double, not(target_vendor = "apple"))))]
pub(crate) fn reported<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    (work(), Vec::new())
}
