#![allow(unsafe_code, reason = "writes its part of a buffer")]

use dacapo::{KernelFault, Workgroup};

/// `y = x + amount`; nothing for an amount of 0.
pub(super) fn step(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let amount = group.inline::<u32>();
    if amount != 0 && group.id()[0] == 0 {
        let x = group.read::<u32>(0)[0];
        // SAFETY: one workgroup writes.
        let y = unsafe { group.write::<u32>(1, 0..1) };
        y[0] = x.wrapping_add(amount);
    }
    Ok(())
}
