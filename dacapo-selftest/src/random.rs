//! Numbers that are the same on every machine.

use dacapo_ops::dtype::DType;
use half::{bf16, f16};

/// A small generator (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly between -1 and 1.
    pub(crate) fn even(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// So many values between `-amplitude` and `amplitude`.
pub(crate) fn noise(seed: u64, length: usize, amplitude: f32) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..length).map(|_| random.even() * amplitude).collect()
}

/// Random weights in blocks of `dtype`, most of them between `-amplitude` and `amplitude`, with a mean of about zero.
pub(crate) fn weights(
    random: &mut Random,
    dtype: DType,
    elements: usize,
    amplitude: f32,
) -> Vec<u8> {
    let mut bytes = vec![0; elements / dtype.block_len() * dtype.block_bytes()];
    random.fill(&mut bytes);
    for block in bytes.chunks_exact_mut(dtype.block_bytes()) {
        let mut half = |at: usize, value: f32| {
            // A quarter more or less, so that scales differ.
            let value = f16::from_f32(value * (1.0 + 0.25 * random.even()));
            block[at..at + 2].copy_from_slice(&value.to_le_bytes());
        };
        match dtype {
            DType::Q8_0 => half(0, amplitude / 128.0),
            DType::Q4_0 => half(0, amplitude / 8.0),
            DType::Q4_1 => {
                half(0, amplitude / 7.5);
                half(2, -amplitude);
            }
            // Of 6-bit scales and offsets half are used on average, of nibbles too.
            DType::Q4K => {
                half(0, amplitude / (32.0 * 7.5));
                half(2, amplitude / 32.0);
            }
            DType::Q6K => half(208, amplitude / (64.0 * 32.0)),
            DType::F16 => {
                let value = f16::from_f32(random.even() * amplitude);
                block.copy_from_slice(&value.to_le_bytes());
            }
            DType::BF16 => {
                let value = bf16::from_f32(random.even() * amplitude);
                block.copy_from_slice(&value.to_le_bytes());
            }
            DType::F32 => block.copy_from_slice(&(random.even() * amplitude).to_le_bytes()),
            DType::U32 => {}
        }
    }
    bytes
}
