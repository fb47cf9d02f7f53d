//! Element types of tensors and their sizes in memory.

use std::fmt;

/// The type of a tensor's elements.
///
/// The quantised types store a row as consecutive blocks laid out as in ggml (`ggml-common.h`), which is also
/// how GGUF files store them, so that weights are used where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// 32 signed bytes with one f16 scale: `d * q`.
    Q8_0,
    /// 32 nibbles with one f16 scale: `d * (q - 8)`.
    Q4_0,
    /// 32 nibbles with an f16 scale and an f16 offset: `d * q + m`.
    Q4_1,
    /// 256 nibbles in eight sub-blocks, each with a 6-bit scale and a 6-bit offset: `d * s * q - dmin * m`.
    Q4K,
    /// 256 six-bit values in sixteen sub-blocks, each with an 8-bit scale: `d * s * (q - 32)`.
    Q6K,
    /// Unsigned 32-bit integers: token ids, positions, lengths.
    U32,
}

impl DType {
    /// Every type, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q4K,
        Self::Q6K,
        Self::U32,
    ];

    /// The types that a weight matrix may have.
    pub const WEIGHTS: [Self; 8] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q4K,
        Self::Q6K,
    ];

    /// The name as users know it, as in `Q4_K`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q4K => "Q4_K",
            Self::Q6K => "Q6_K",
            Self::U32 => "U32",
        }
    }

    /// Elements in one block; 1 for types that are not quantised.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 | Self::U32 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 32,
            Self::Q4K | Self::Q6K => 256,
        }
    }

    /// Bytes of one block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q4K => 144,
            Self::Q6K => 210,
        }
    }

    /// Whether elements are stored in blocks that share scales.
    #[must_use]
    pub const fn is_quantized(self) -> bool {
        self.block_len() > 1
    }

    /// Bytes that a buffer of this type must be aligned to.
    #[must_use]
    pub const fn alignment(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::BF16 => 2,
            _ => 1,
        }
    }

    /// Bytes of a row of `elements`, or `None` if that is no whole number of blocks or overflows.
    ///
    /// ```
    /// use dacapo_ops::dtype::DType;
    ///
    /// assert_eq!(DType::Q4_1.row_bytes(64), Some(40));
    /// assert_eq!(DType::Q4_1.row_bytes(65), None);
    /// assert_eq!(DType::F32.row_bytes(usize::MAX), None);
    /// ```
    #[must_use]
    pub const fn row_bytes(self, elements: usize) -> Option<usize> {
        if elements.is_multiple_of(self.block_len()) {
            (elements / self.block_len()).checked_mul(self.block_bytes())
        } else {
            None
        }
    }

    /// Bytes of a matrix of `rows` by `cols`, or `None` if `cols` is no whole number of blocks or it overflows.
    #[must_use]
    pub const fn matrix_bytes(self, rows: usize, cols: usize) -> Option<usize> {
        match self.row_bytes(cols) {
            Some(row) => row.checked_mul(rows),
            None => None,
        }
    }

    /// The type with this number, the inverse of `as u32`; how a kernel receives it as inline bytes.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        if (number as usize) < Self::ALL.len() {
            Some(Self::ALL[number as usize])
        } else {
            None
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for dtype in DType::ALL {
            assert_eq!(DType::from_number(dtype as u32), Some(dtype));
        }
        assert_eq!(DType::from_number(9), None);
    }

    // Sizes from the PyPI package gguf 0.17: `gguf.GGML_QUANT_SIZES`.
    #[test]
    fn sizes_are_those_of_ggml() {
        let sizes: Vec<_> = DType::WEIGHTS
            .iter()
            .map(|t| (t.block_len(), t.block_bytes()))
            .collect();
        let want = [
            (1, 4),
            (1, 2),
            (1, 2),
            (32, 34),
            (32, 18),
            (32, 20),
            (256, 144),
            (256, 210),
        ];
        assert_eq!(sizes, want);
    }

    #[test]
    fn sizes_are_checked() {
        assert_eq!(DType::Q6K.matrix_bytes(3, 512), Some(1260));
        assert_eq!(DType::Q6K.matrix_bytes(3, 511), None);
        assert_eq!(DType::F16.matrix_bytes(usize::MAX, 2), None);
        assert_eq!(DType::Q8_0.matrix_bytes(0, 0), Some(0));
    }
}
