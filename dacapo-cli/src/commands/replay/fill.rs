//! What buffers begin with that have no contents in the file.

use dacapo::{BufferOptions, BufferView, Device, Error as RuntimeError, GraphFile, MemoryKind};

use crate::error::Result;

/// Numbers that are written at a time.
const PIECE: usize = 1 << 18;

/// Bytes below which a buffer is left as it is: token ids and positions, which must be small integers.
const SMALL: u64 = 64;

/// Buffers for those of the file that it has no contents of, with their places, filled from a seed; none where zeros
/// will do.
pub(super) fn buffers(
    file: &GraphFile<'_>,
    device: &Device,
    seed: Option<u64>,
) -> Result<Vec<(usize, BufferView)>> {
    let Some(seed) = seed else {
        return Ok(Vec::new());
    };
    check(file, device)?;
    let empty = file.buffers().iter().enumerate();
    let empty = empty.filter(|(_, buffer)| !buffer.stored && buffer.size >= SMALL);
    let filled = empty.map(|(index, buffer)| {
        let view = device.buffer_with(&BufferOptions {
            len: buffer.size,
            kind: buffer.kind,
            label: buffer.label,
        })?;
        let mut numbers = Numbers(seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut at = 0;
        while at < view.len() {
            let len = (view.len() - at).min(4 * PIECE as u64);
            let bytes: Vec<u8> = (0..len.div_ceil(4))
                .flat_map(|_| numbers.next().to_le_bytes())
                .take(len as usize)
                .collect();
            view.slice(at..at + len)?.write(&bytes)?;
            at += len;
        }
        Ok((index, (*view).clone()))
    });
    filled.collect()
}

/// Refuses a file that asks for more memory than there is, before any is taken.
fn check(file: &GraphFile<'_>, device: &Device) -> Result<()> {
    let sizes = file.buffers().iter().map(|buffer| buffer.size);
    let asked = sizes.fold(0, u64::saturating_add);
    let memory = device.memory_budget();
    match asked <= memory.budget.saturating_sub(memory.used) {
        true => Ok(()),
        false => Err(RuntimeError::OverBudget {
            asked,
            kind: MemoryKind::DeviceLocal,
            used: memory.used,
            budget: memory.budget,
        }
        .into()),
    }
}

/// Numbers from -1 to 1 (SplitMix64), the same on every machine. Their lower halves are zero, so that they are ordinary
/// numbers whether the bytes are read as f32, bf16 or f16, or as blocks with such scales.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        f32::from_bits(number.to_bits() & 0xffff_0000)
    }
}
