#![allow(unsafe_code, reason = "compiled without bounds checks")]

use dacapo::Wgsl;

/// A kernel of this folder.
pub(super) fn trusted(text: String) -> Wgsl {
    // SAFETY: all of them end, compare what they index with lengths of buffers, and read what they have written of
    // workgroup memory.
    unsafe { Wgsl::new(text).trusted() }
}
