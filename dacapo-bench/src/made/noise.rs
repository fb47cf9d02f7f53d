//! Random weights in the formats of files.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// The types that weights are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    Bf16,
    F16,
    #[value(name = "q8_0")]
    Q8_0,
    #[value(name = "q4_0")]
    Q4_0,
    #[value(name = "q4_1")]
    Q4_1,
    #[value(name = "q4_k")]
    #[serde(rename = "q4_k")]
    Q4K,
}

/// Bytes after which the noise of a matrix repeats. What an engine reads and computes does not depend on the values.
const PERIOD: usize = 1 << 20;

impl Dtype {
    /// The name that users give.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Bf16 => "bf16",
            Dtype::F16 => "f16",
            Dtype::Q8_0 => "q8_0",
            Dtype::Q4_0 => "q4_0",
            Dtype::Q4_1 => "q4_1",
            Dtype::Q4K => "q4_k",
        }
    }

    /// ggml's number of the type.
    pub fn id(self) -> u32 {
        match self {
            Dtype::F16 => 1,
            Dtype::Q4_0 => 2,
            Dtype::Q4_1 => 3,
            Dtype::Q8_0 => 8,
            Dtype::Q4K => 12,
            Dtype::Bf16 => 30,
        }
    }

    /// Elements and bytes of a block.
    fn block(self) -> (usize, usize) {
        match self {
            Dtype::Bf16 | Dtype::F16 => (1, 2),
            Dtype::Q8_0 => (32, 34),
            Dtype::Q4_0 => (32, 18),
            Dtype::Q4_1 => (32, 20),
            Dtype::Q4K => (256, 144),
        }
    }

    /// Bytes of a matrix whose rows are whole blocks.
    pub fn bytes(self, rows: usize, cols: usize) -> usize {
        let (len, bytes) = self.block();
        rows * cols / len * bytes
    }

    /// Noise for a matrix of so many columns: blocks whose elements are uniform with mean 0, or nearly, and a standard
    /// deviation of 0.6 / sqrt(cols), so that activations neither grow nor vanish.
    pub fn noise(self, cols: usize) -> Vec<u8> {
        let most = 0.6 * (3.0 / cols as f32).sqrt();
        let half = |value: f32| f16::from_f32(value).to_le_bytes();
        let (_, size) = self.block();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut noise = vec![0; PERIOD / size * size];
        for block in noise.chunks_exact_mut(size) {
            match self {
                Dtype::Bf16 => {
                    let value = bf16::from_f32(most * random.between_ones());
                    block.copy_from_slice(&value.to_le_bytes());
                    continue;
                }
                Dtype::F16 => {
                    block.copy_from_slice(&half(most * random.between_ones()));
                    continue;
                }
                Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4_1 | Dtype::Q4K => random.fill(block),
            }
            match self {
                Dtype::Q8_0 => block[..2].copy_from_slice(&half(most / 127.0)),
                Dtype::Q4_0 => block[..2].copy_from_slice(&half(most / 8.0)),
                Dtype::Q4_1 => {
                    block[..2].copy_from_slice(&half(most / 7.5));
                    block[2..4].copy_from_slice(&half(-most));
                }
                Dtype::Q4K => {
                    // All scales and minimums of the super-block are 32.
                    block[..2].copy_from_slice(&half(most / 7.5 / 32.0));
                    block[2..4].copy_from_slice(&half(most / 32.0));
                    block[4..12].fill(0xa0);
                    block[12..16].fill(0);
                }
                Dtype::Bf16 | Dtype::F16 => {}
            }
        }
        noise
    }
}

/// splitmix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn between_ones(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]);
        }
    }
}
