//! What tests tell the double and ask of it, from Rust and, for programs that only link to it, from C.

use std::ffi::{CStr, c_char, c_void};

use objc2::rc::Retained;

use crate::{counts, device, executor, faults, ledger, rules, settings};

pub use crate::counts::reset as reset_counts;

pub use crate::faults::{Call, CommandBufferFault};
pub use crate::rules::{collect, take_failures};
pub use crate::settings::{set_execute, set_feature, set_hazards, set_order, set_working_set};

/// Makes the next `times` calls fail.
pub fn fail_next(call: Call, times: u32) {
    faults::fail_next(call, times);
}

/// Makes the next command buffer that is committed end with this error.
pub fn fail_next_command_buffer(code: usize, text: &str) {
    faults::fail_next_command_buffer(CommandBufferFault {
        code,
        text: text.to_owned(),
    });
}

/// Forgets what was to fail.
pub fn clear_faults() {
    faults::clear();
}

/// # Safety
/// `text` must be nil or a C string.
unsafe fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default()
}

/// A count by its name in [`counts::NAMES`]; `UINT64_MAX` for an unknown name.
///
/// # Safety
/// `name` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn metal_double_count(name: *const c_char) -> u64 {
    // SAFETY: as promised by the caller.
    counts::get(unsafe { text(name) }).unwrap_or(u64::MAX)
}

/// Sets every count to zero.
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_reset_counts() {
    counts::reset();
}

/// Live objects of a class (a name in [`ledger::NAMES`]); `UINT64_MAX` for an unknown name.
///
/// # Safety
/// `class` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn metal_double_live(class: *const c_char) -> u64 {
    // SAFETY: as promised by the caller.
    ledger::live(unsafe { text(class) }).unwrap_or(u64::MAX)
}

/// Keeps failures instead of aborting, or stops doing so.
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_collect(on: bool) {
    rules::collect(on);
}

/// Writes the failures kept since the last call, one a line and with a nul byte at the end, and forgets them. Returns the
/// bytes of the text without the nul byte; what has no room is cut off.
///
/// # Safety
/// `buffer` must have room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn metal_double_failures(buffer: *mut c_char, capacity: usize) -> usize {
    let all = rules::take_failures().join("\n");
    if capacity > 0 {
        let n = all.len().min(capacity - 1);
        // SAFETY: as promised by the caller.
        unsafe {
            buffer
                .cast::<u8>()
                .copy_from_nonoverlapping(all.as_ptr(), n);
            buffer.add(n).write(0);
        }
    }
    all.len()
}

/// Makes the next command buffer that is committed end with an `MTLCommandBufferError` and this description.
///
/// # Safety
/// `description` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn metal_double_fail_next_command_buffer(
    code: u64,
    description: *const c_char,
) {
    // SAFETY: as promised by the caller.
    fail_next_command_buffer(usize::try_from(code).unwrap_or(usize::MAX), unsafe {
        text(description)
    });
}

/// Makes the next `times` calls of a kind fail: `buffer`, `library`, `pipeline`, `residency`, `queue`, `command_buffer`,
/// `counters`, `icb` or `archive`. False for another name.
///
/// # Safety
/// `name` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn metal_double_fail_next(name: *const c_char, times: u32) -> bool {
    // SAFETY: as promised by the caller.
    match faults::call_named(unsafe { text(name) }) {
        Some(call) => {
            faults::fail_next(call, times);
            true
        }
        None => false,
    }
}

/// Forgets what was to fail.
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_clear_faults() {
    faults::clear();
}

/// Gives or takes a feature (a name in [`settings::FEATURES`]); false for another name.
///
/// # Safety
/// `name` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn metal_double_feature(name: *const c_char, present: bool) -> bool {
    // SAFETY: as promised by the caller.
    settings::set_feature(unsafe { text(name) }, present)
}

/// Chooses the order of dispatches without a barrier between them: `program`, `reverse` or `shuffle`. False for another name.
///
/// # Safety
/// `name` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn metal_double_order(name: *const c_char) -> bool {
    // SAFETY: as promised by the caller.
    settings::order_named(unsafe { text(name) })
        .map(settings::set_order)
        .is_some()
}

/// Watches accesses of kernels, or not (faster).
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_hazards(on: bool) {
    settings::set_hazards(on);
}

/// Runs commands, or only pretends to.
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_execute(on: bool) {
    settings::set_execute(on);
}

/// Keeps every queue from starting command buffers, or lets them go on.
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_hold(on: bool) {
    executor::hold(on);
}

/// Sets `recommendedMaxWorkingSetSize`; buffers are refused (nil) beyond twice as many bytes.
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_working_set(bytes: u64) {
    settings::set_working_set(bytes);
}

/// A device by number (0 is the default one, 1 another one); the caller owns a reference.
#[unsafe(no_mangle)]
pub extern "C" fn metal_double_device(number: u32) -> *mut c_void {
    Retained::into_raw(device::device(number)).cast()
}

/// Keeps every queue from starting command buffers, or lets them go on.
pub fn hold(on: bool) {
    executor::hold(on);
}
