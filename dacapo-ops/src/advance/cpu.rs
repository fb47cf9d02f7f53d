//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let ids = group.read::<u32>(0);
    // SAFETY: there is one workgroup, and written bindings do not overlap.
    let (tokens, positions) = unsafe {
        (
            group.write::<u32>(1, 0..ids.len()),
            group.write::<u32>(2, 0..ids.len()),
        )
    };
    tokens.copy_from_slice(ids);
    for position in positions {
        *position = position.saturating_add(1);
    }
    Ok(())
}
