//! Any bytes as a file of the kernel cache, and as a compiled kernel inside one.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| dacapo::fuzz_kernel_cache(bytes));
