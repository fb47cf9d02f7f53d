//! The element types of tensors in ggml's files.

use std::fmt;

macro_rules! ggml_types {
    ($($variant:ident = $id:literal, $block_len:literal, $block_bytes:literal, $doc:literal;)*) => {
        /// The element type of a tensor in a file, named and numbered as in ggml (`ggml.h`).
        ///
        /// Elements are stored in blocks of [`block_len`](Self::block_len) neighbours within a
        /// row, each of [`block_bytes`](Self::block_bytes). This is the file's view: what a kernel
        /// can compute with is a question for the loader. Safetensors files use the same names for
        /// their plain types.
        #[expect(non_camel_case_types, reason = "ggml's names, where Q4_1 and Q41 would differ")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum GgmlType {
            $(#[doc = $doc] $variant,)*
        }

        impl GgmlType {
            /// Every type, in the order of their ids.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The type with this id, if there is one.
            ///
            /// ```
            /// use dacapo_llm::gguf::GgmlType;
            ///
            /// assert_eq!(GgmlType::from_id(3), Some(GgmlType::Q4_1));
            /// assert_eq!(GgmlType::from_id(4), None); // Q4_2, removed from ggml
            /// ```
            pub const fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The type's id in files.
            pub const fn id(self) -> u32 {
                match self { $(Self::$variant => $id,)* }
            }

            /// The type's name, such as `Q4_K`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// How many elements share a block; 1 for plain types.
            pub const fn block_len(self) -> usize {
                match self { $(Self::$variant => $block_len,)* }
            }

            /// The size of a block in bytes.
            pub const fn block_bytes(self) -> usize {
                match self { $(Self::$variant => $block_bytes,)* }
            }
        }
    };
}

ggml_types! {
    F32 = 0, 1, 4, "32-bit float.";
    F16 = 1, 1, 2, "IEEE 16-bit float.";
    Q4_0 = 2, 32, 18, "4 bits, f16 scale.";
    Q4_1 = 3, 32, 20, "4 bits, f16 scale and minimum.";
    Q5_0 = 6, 32, 22, "5 bits, f16 scale.";
    Q5_1 = 7, 32, 24, "5 bits, f16 scale and minimum.";
    Q8_0 = 8, 32, 34, "8 bits, f16 scale.";
    Q8_1 = 9, 32, 40, "8 bits, scale and sum; an intermediate of ggml.";
    Q2_K = 10, 256, 84, "2 bits, 4-bit scales and minimums in a super-block.";
    Q3_K = 11, 256, 110, "3 bits, 6-bit scales in a super-block.";
    Q4_K = 12, 256, 144, "4 bits, 6-bit scales and minimums in a super-block.";
    Q5_K = 13, 256, 176, "5 bits, 6-bit scales and minimums in a super-block.";
    Q6_K = 14, 256, 210, "6 bits, 8-bit scales in a super-block.";
    Q8_K = 15, 256, 292, "8 bits, f32 scale and sums; an intermediate of ggml.";
    IQ2_XXS = 16, 256, 66, "2.06 bits from a codebook.";
    IQ2_XS = 17, 256, 74, "2.31 bits from a codebook.";
    IQ3_XXS = 18, 256, 98, "3.06 bits from a codebook.";
    IQ1_S = 19, 256, 50, "1.56 bits from a codebook.";
    IQ4_NL = 20, 32, 18, "4 bits through a table, f16 scale.";
    IQ3_S = 21, 256, 110, "3.44 bits from a codebook.";
    IQ2_S = 22, 256, 82, "2.56 bits from a codebook.";
    IQ4_XS = 23, 256, 136, "4 bits through a table, 6-bit scales in a super-block.";
    I8 = 24, 1, 1, "8-bit signed integer.";
    I16 = 25, 1, 2, "16-bit signed integer.";
    I32 = 26, 1, 4, "32-bit signed integer.";
    I64 = 27, 1, 8, "64-bit signed integer.";
    F64 = 28, 1, 8, "64-bit float.";
    IQ1_M = 29, 256, 56, "1.75 bits from a codebook.";
    BF16 = 30, 1, 2, "The upper 16 bits of a 32-bit float.";
    TQ1_0 = 34, 256, 54, "Ternary, 1.69 bits.";
    TQ2_0 = 35, 256, 66, "Ternary, 2.06 bits.";
    MXFP4 = 39, 32, 17, "4-bit floats, 8-bit exponent as scale (OCP microscaling).";
    NVFP4 = 40, 64, 36, "4-bit floats, four 8-bit float scales.";
    Q1_0 = 41, 128, 18, "1 bit, f16 scale.";
}

impl GgmlType {
    /// The size in bytes of `elements` neighbours, or `None` if they are not whole blocks or the
    /// size overflows.
    pub const fn size_of(self, elements: u64) -> Option<u64> {
        let block_len = self.block_len() as u64;
        if !elements.is_multiple_of(block_len) {
            return None;
        }
        (elements / block_len).checked_mul(self.block_bytes() as u64)
    }

    /// Every type with its id, for error messages.
    pub(crate) fn list() -> String {
        let entries: Vec<_> = Self::ALL
            .iter()
            .map(|dtype| format!("{} ({dtype})", dtype.id()))
            .collect();
        entries.join(", ")
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_types() {
        for &dtype in GgmlType::ALL {
            assert_eq!(GgmlType::from_id(dtype.id()), Some(dtype));
        }
        for removed in [4, 5, 31, 32, 33, 36, 37, 38, 42, u32::MAX] {
            assert_eq!(GgmlType::from_id(removed), None);
        }
    }

    #[test]
    fn sizes_count_whole_blocks_only() {
        assert_eq!(GgmlType::Q4_1.size_of(64), Some(40));
        assert_eq!(GgmlType::Q4_1.size_of(65), None);
        assert_eq!(GgmlType::F64.size_of(u64::MAX / 4), None);
    }
}
