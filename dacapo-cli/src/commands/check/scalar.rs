//! Kinds of numbers in buffers.

use core::fmt;
use core::str::FromStr;

use half::f16;
use serde::{Deserialize, Serialize};

/// What the bytes of a number mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scalar {
    F32,
    F16,
    I32,
    U32,
    /// A word in hexadecimal digits.
    Hex,
}

pub(super) const SCALARS: &str = "f32, f16, i32, u32, hex";

impl Scalar {
    /// Bytes of one.
    pub(super) fn size(self) -> usize {
        match self {
            Scalar::F16 => 2,
            Scalar::F32 | Scalar::I32 | Scalar::U32 | Scalar::Hex => 4,
        }
    }

    /// The bytes of a whole number, as this kind of number.
    pub(super) fn whole(self, value: u32) -> Vec<u8> {
        match self {
            Scalar::F32 => (value as f32).to_le_bytes().into(),
            Scalar::F16 => f16::from_f32(value as f32).to_le_bytes().into(),
            Scalar::I32 | Scalar::U32 | Scalar::Hex => value.to_le_bytes().into(),
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Scalar::F32 | Scalar::F16)
    }

    /// The number at the beginning of these bytes, as text; empty where they are too few.
    pub(super) fn show(self, bytes: &[u8]) -> String {
        let half = || Some(f16::from_le_bytes(bytes.get(..2)?.try_into().ok()?));
        let word = || Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?));
        let shown = match self {
            Scalar::F16 => half().map(|value| format!("{:?}", value.to_f32())),
            Scalar::F32 => word().map(|word| format!("{:?}", f32::from_bits(word))),
            Scalar::I32 => word().map(|word| word.cast_signed().to_string()),
            Scalar::U32 => word().map(|word| word.to_string()),
            Scalar::Hex => word().map(|word| format!("{word:08x}")),
        };
        shown.unwrap_or_default()
    }
}

impl FromStr for Scalar {
    type Err = String;

    fn from_str(text: &str) -> Result<Scalar, String> {
        match text {
            "f32" => Ok(Scalar::F32),
            "f16" => Ok(Scalar::F16),
            "i32" => Ok(Scalar::I32),
            "u32" => Ok(Scalar::U32),
            "hex" => Ok(Scalar::Hex),
            _ => Err(format!("type {text:?}; allowed: {SCALARS}")),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scalar::F32 => "f32",
            Scalar::F16 => "f16",
            Scalar::I32 => "i32",
            Scalar::U32 => "u32",
            Scalar::Hex => "hex",
        })
    }
}
