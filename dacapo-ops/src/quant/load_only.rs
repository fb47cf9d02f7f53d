//! Quantised types that files use but no kernel multiplies with: they become Q8_0 or F16 when a model is loaded.

use half::f16;

use super::blocks::{Q8_0, Scales, half_to_f32};
use crate::dtype::DType;
use crate::error::{Error, check_length};

/// A quantised type that is only read at load. Layouts as in ggml's `ggml-common.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadOnly {
    /// 32 five-bit values with one scale: `d * (q - 16)`.
    Q5_0,
    /// 32 five-bit values with a scale and an offset: `d * q + m`.
    Q5_1,
    /// 256 two-bit values in sixteen sub-blocks with 4-bit scales and offsets.
    Q2K,
    /// 256 three-bit values in sixteen sub-blocks with 6-bit scales.
    Q3K,
    /// 256 five-bit values in eight sub-blocks with 6-bit scales and offsets.
    Q5K,
    /// 32 nibbles that choose from sixteen fixed values, with one scale.
    Iq4Nl,
    /// 256 nibbles that choose from sixteen fixed values, in eight sub-blocks with 6-bit scales.
    Iq4Xs,
}

/// What the nibbles of IQ4_NL and IQ4_XS stand for.
const IQ4_VALUES: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

impl LoadOnly {
    /// Every such type.
    pub const ALL: [Self; 7] = [
        Self::Q5_0,
        Self::Q5_1,
        Self::Q2K,
        Self::Q3K,
        Self::Q5K,
        Self::Iq4Nl,
        Self::Iq4Xs,
    ];

    /// The name as users know it, as in `Q5_K`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q5K => "Q5_K",
            Self::Iq4Nl => "IQ4_NL",
            Self::Iq4Xs => "IQ4_XS",
        }
    }

    /// Elements in one block.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::Q5_0 | Self::Q5_1 | Self::Iq4Nl => 32,
            Self::Q2K | Self::Q3K | Self::Q5K | Self::Iq4Xs => 256,
        }
    }

    /// Bytes of one block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q5K => 176,
            Self::Iq4Nl => 18,
            Self::Iq4Xs => 136,
        }
    }

    /// Bytes of a row of `elements`, or `None` if that is no whole number of blocks or overflows.
    #[must_use]
    pub const fn row_bytes(self, elements: usize) -> Option<usize> {
        if elements.is_multiple_of(self.block_len()) {
            (elements / self.block_len()).checked_mul(self.block_bytes())
        } else {
            None
        }
    }

    /// Writes the elements of consecutive blocks to `out`.
    ///
    /// # Errors
    /// [`Error::Length`] if `bytes` are not exactly the blocks of `out.len()` elements.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) -> Result<(), Error> {
        self.check(bytes, out.len())?;
        self.blocks(bytes, out.chunks_exact_mut(self.block_len()));
        Ok(())
    }

    /// Writes the elements of consecutive blocks to `out` as F16, rounded to nearest even; what is beyond the range of
    /// F16 becomes infinite.
    ///
    /// # Errors
    /// [`Error::Length`] if `bytes` are not exactly the blocks of `out.len()` elements.
    pub fn dequantize_to_f16(self, bytes: &[u8], out: &mut [f16]) -> Result<(), Error> {
        self.check(bytes, out.len())?;
        let mut block = [0.0; 256];
        let block = &mut block[..self.block_len()];
        for (source, out) in bytes
            .chunks_exact(self.block_bytes())
            .zip(out.chunks_exact_mut(self.block_len()))
        {
            self.blocks(source, std::iter::once(&mut *block));
            for (y, &x) in out.iter_mut().zip(&*block) {
                *y = f16::from_f32(x);
            }
        }
        Ok(())
    }

    /// The type that [`LoadOnly::convert`] gives.
    #[must_use]
    pub const fn converts_to(self) -> DType {
        match self {
            Self::Q5_0 | Self::Iq4Nl => DType::Q8_0,
            _ => DType::F16,
        }
    }

    /// The same elements in a type that kernels take: Q8_0 where it holds them exactly, otherwise F16 as from
    /// [`LoadOnly::dequantize_to_f16`].
    ///
    /// # Errors
    /// [`Error::Length`] if `bytes` are not exactly the blocks of `elements`.
    pub fn convert(self, bytes: &[u8], elements: usize) -> Result<Vec<u8>, Error> {
        self.check(bytes, elements)?;
        match self {
            Self::Q5_0 => Ok(to_q8_0(bytes, |block: &[u8; 22]| {
                five_bits(&block[2..6], &block[6..]).map(|q| q as i8 - 16)
            })),
            Self::Iq4Nl => Ok(to_q8_0(bytes, iq4_values)),
            _ => {
                let (mut block, mut out) = ([0.0; 256], Vec::with_capacity(2 * elements));
                let block = &mut block[..self.block_len()];
                for source in bytes.chunks_exact(self.block_bytes()) {
                    self.blocks(source, std::iter::once(&mut *block));
                    out.extend(block.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()));
                }
                Ok(out)
            }
        }
    }

    fn check(self, bytes: &[u8], elements: usize) -> Result<(), Error> {
        let blocks = elements.div_ceil(self.block_len());
        check_length("out (elements)", elements, blocks * self.block_len())?;
        let wanted = blocks.saturating_mul(self.block_bytes());
        check_length("quantised blocks (bytes)", bytes.len(), wanted)
    }

    fn blocks<'a>(self, bytes: &[u8], out: impl Iterator<Item = &'a mut [f32]>) {
        match self {
            Self::Q5_0 => each(bytes, out, q5_0),
            Self::Q5_1 => each(bytes, out, q5_1),
            Self::Q2K => each(bytes, out, q2_k),
            Self::Q3K => each(bytes, out, q3_k),
            Self::Q5K => each(bytes, out, q5_k),
            Self::Iq4Nl => each(bytes, out, iq4_nl),
            Self::Iq4Xs => each(bytes, out, iq4_xs),
        }
    }
}

fn each<'a, const N: usize>(
    bytes: &[u8],
    out: impl Iterator<Item = &'a mut [f32]>,
    block: fn(&[u8; N], &mut [f32]),
) {
    for (source, out) in bytes.as_chunks::<N>().0.iter().zip(out) {
        block(source, out);
    }
}

/// Blocks that begin with the scale of their 32 `values`.
fn to_q8_0<const N: usize>(bytes: &[u8], values: impl Fn(&[u8; N]) -> [i8; 32]) -> Vec<u8> {
    let blocks = bytes.as_chunks().0;
    let mut out = Vec::with_capacity(blocks.len() * size_of::<Q8_0>());
    for block in blocks {
        let (d, qs) = ([block[0], block[1]], values(block));
        out.extend_from_slice(bytemuck::bytes_of(&Q8_0 { d, qs }));
    }
    out
}

fn half_at(block: &[u8], at: usize) -> f32 {
    half_to_f32([block[at], block[at + 1]])
}

/// The five-bit values of Q5_0 and Q5_1: nibbles as in Q4_0, and bit `i` of `high` for element `i`.
fn five_bits(high: &[u8], low: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| {
        let nibble = (low[i % 16] >> (4 * (i / 16))) & 15;
        nibble | (((high[i / 8] >> (i % 8)) & 1) << 4)
    })
}

fn q5_0(block: &[u8; 22], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (y, q) in out.iter_mut().zip(five_bits(&block[2..6], &block[6..])) {
        *y = d * f32::from(q as i8 - 16);
    }
}

fn q5_1(block: &[u8; 24], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (y, q) in out.iter_mut().zip(five_bits(&block[4..8], &block[8..])) {
        *y = d * f32::from(q) + m;
    }
}

/// Byte and shift of element `i` of 256 two-bit values: each 32 bytes hold 128 elements, 32 of them in each pair of bits.
fn two_bits(i: usize) -> (usize, usize) {
    (32 * (i / 128) + i % 32, 2 * (i % 128 / 32))
}

fn q2_k(block: &[u8; 84], out: &mut [f32]) {
    let (scales, qs) = (&block[..16], &block[16..80]);
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (i, y) in out.iter_mut().enumerate() {
        let scale = scales[i / 16];
        let (byte, shift) = two_bits(i);
        let q = (qs[byte] >> shift) & 3;
        *y = d * f32::from(scale & 15) * f32::from(q) - dmin * f32::from(scale >> 4);
    }
}

fn q3_k(block: &[u8; 110], out: &mut [f32]) {
    let (high, qs, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half_at(block, 108);
    for (i, y) in out.iter_mut().enumerate() {
        let sub = i / 16;
        let low = (scales[sub % 8] >> (4 * (sub / 8))) & 15;
        let top = (scales[8 + sub % 4] >> (2 * (sub / 4))) & 3;
        let scale = (low | (top << 4)) as i8 - 32;
        let (byte, shift) = two_bits(i);
        // A clear high bit subtracts four.
        let minus = 4 * (1 - ((high[i % 32] >> (i / 32)) & 1));
        let q = ((qs[byte] >> shift) & 3) as i8 - minus as i8;
        *y = d * f32::from(scale) * f32::from(q);
    }
}

fn q5_k(block: &[u8; 176], out: &mut [f32]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let mut packed = [0; 12];
    packed.copy_from_slice(&block[4..16]);
    let scales = Scales::unpack(&packed);
    let (high, qs) = (&block[16..48], &block[48..]);
    for (i, y) in out.iter_mut().enumerate() {
        let sub = i / 32;
        let nibble = (qs[32 * (sub / 2) + i % 32] >> (4 * (sub % 2))) & 15;
        let q = nibble | (((high[i % 32] >> sub) & 1) << 4);
        *y = d * f32::from(scales.scale[sub]) * f32::from(q) - dmin * f32::from(scales.offset[sub]);
    }
}

fn iq4_nl(block: &[u8; 18], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (y, q) in out.iter_mut().zip(iq4_values(block)) {
        *y = d * f32::from(q);
    }
}

fn iq4_values(block: &[u8; 18]) -> [i8; 32] {
    std::array::from_fn(|i| {
        let nibble = (block[2 + i % 16] >> (4 * (i / 16))) & 15;
        IQ4_VALUES[usize::from(nibble)]
    })
}

fn iq4_xs(block: &[u8; 136], out: &mut [f32]) {
    let d = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    let (low, qs) = (&block[4..8], &block[8..]);
    for (i, y) in out.iter_mut().enumerate() {
        let sub = i / 32;
        let nibble = (low[sub / 2] >> (4 * (sub % 2))) & 15;
        let scale = (nibble | (((high >> (2 * sub)) & 3) as u8) << 4) as i8 - 32;
        let value = (qs[16 * sub + i % 16] >> (4 * (i % 32 / 16))) & 15;
        *y = d * f32::from(scale) * f32::from(IQ4_VALUES[usize::from(value)]);
    }
}
