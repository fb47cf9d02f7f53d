//! What encoding costs on Metal: nanoseconds a dispatch through dacapo, with the tracker on, and by hand with the same calls
//! of Metal. The difference is dacapo's own share. On Linux Metal's part is that of the double, which must not run
//! what is encoded:
//!
//! `METAL_DOUBLE_EXECUTE=off cargo bench -p dacapo --bench metal` (after `source metal-double/env`)

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]
#![allow(unsafe_code, reason = "the calls by hand are as unsafe as Metal's are")]

#[cfg(any(target_vendor = "apple", dacapo_metal_double))]
#[path = "metal/by_hand.rs"]
mod by_hand;

fn main() {
    #[cfg(any(target_vendor = "apple", dacapo_metal_double))]
    by_hand::compare();
    #[cfg(not(any(target_vendor = "apple", dacapo_metal_double)))]
    println!(
        "Metal is there on Apple's systems alone, and its double after `source metal-double/env`"
    );
}
