//! On the GPU.
#![allow(unsafe_code, reason = "compiled without bounds checks")]

use dacapo::Wgsl;

pub(super) fn wgsl() -> Wgsl {
    // SAFETY: only elements below the number of ids, of buffers that the host checks to be as long.
    unsafe { Wgsl::new(include_str!("advance.wgsl")).trusted() }
}
