//! Metadata values and arrays.

use std::fmt;

use super::GgufError;
use super::cursor::Cursor;

/// How deep arrays may lie within arrays; real files use one level.
const MAX_NESTING: usize = 8;

/// The type of a metadata value, numbered as in the format's `gguf_metadata_value_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl ValueType {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, GgufError> {
        let at = cursor.at();
        Ok(match cursor.u32("a value type")? {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            8 => Self::String,
            9 => Self::Array,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            found => return Err(GgufError::UnknownValueType { found, at }),
        })
    }

    /// The fewest bytes that a value of this type takes in a file.
    const fn min_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Array => "array",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        })
    }
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// A metadata array; all its elements have one type.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(StringArray),
    Array(Vec<Array>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

/// Many strings in one allocation: a vocabulary has up to some 300,000 of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StringArray {
    text: String,
    ends: Vec<usize>,
}

impl Value {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, GgufError> {
        const WHAT: &str = "a value";
        Ok(match ValueType::read(cursor)? {
            ValueType::U8 => Self::U8(u8::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::I8 => Self::I8(i8::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::U16 => Self::U16(u16::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::I16 => Self::I16(i16::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::U32 => Self::U32(u32::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::I32 => Self::I32(i32::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::F32 => Self::F32(f32::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::Bool => {
                let at = cursor.at();
                Self::Bool(bool_from(cursor.array::<1>(WHAT)?[0], at)?)
            }
            ValueType::String => Self::String(cursor.string("a string")?.to_owned()),
            ValueType::Array => Self::Array(Array::read(cursor, 1)?),
            ValueType::U64 => Self::U64(u64::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::I64 => Self::I64(i64::from_le_bytes(cursor.array(WHAT)?)),
            ValueType::F64 => Self::F64(f64::from_le_bytes(cursor.array(WHAT)?)),
        })
    }

    /// The value's type.
    pub const fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The value as an unsigned integer, if it is a non-negative integer of any width.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// The value as a float, if it is one of either width.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            _ => None,
        }
    }
}

impl Array {
    /// Reads an array that lies `depth - 1` deep in others.
    fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, GgufError> {
        let at = cursor.at();
        if depth > MAX_NESTING {
            let limit = MAX_NESTING;
            return Err(GgufError::Nesting { limit, at });
        }
        let element = ValueType::read(cursor)?;
        let len = cursor.count("the length of an array", element.min_bytes(), u64::MAX)?;
        Ok(match element {
            ValueType::U8 => Self::U8(numbers(cursor, len, u8::from_le_bytes)?),
            ValueType::I8 => Self::I8(numbers(cursor, len, i8::from_le_bytes)?),
            ValueType::U16 => Self::U16(numbers(cursor, len, u16::from_le_bytes)?),
            ValueType::I16 => Self::I16(numbers(cursor, len, i16::from_le_bytes)?),
            ValueType::U32 => Self::U32(numbers(cursor, len, u32::from_le_bytes)?),
            ValueType::I32 => Self::I32(numbers(cursor, len, i32::from_le_bytes)?),
            ValueType::F32 => Self::F32(numbers(cursor, len, f32::from_le_bytes)?),
            ValueType::U64 => Self::U64(numbers(cursor, len, u64::from_le_bytes)?),
            ValueType::I64 => Self::I64(numbers(cursor, len, i64::from_le_bytes)?),
            ValueType::F64 => Self::F64(numbers(cursor, len, f64::from_le_bytes)?),
            ValueType::Bool => {
                let at = cursor.at();
                let bytes = cursor.take(len, "an array")?.iter().enumerate();
                let bools = bytes.map(|(index, &byte)| bool_from(byte, at + index));
                Self::Bool(bools.collect::<Result<_, _>>()?)
            }
            ValueType::String => Self::String(StringArray::read(cursor, len)?),
            ValueType::Array => {
                let arrays = (0..len).map(|_| Self::read(cursor, depth + 1));
                Self::Array(arrays.collect::<Result<_, _>>()?)
            }
        })
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::String(values) => values.len(),
            Self::Array(values) => values.len(),
            Self::U64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub const fn element_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }
}

impl StringArray {
    fn read(cursor: &mut Cursor<'_>, len: u64) -> Result<Self, GgufError> {
        let mut strings = Self::default();
        for _ in 0..len {
            strings
                .text
                .push_str(cursor.string("a string of an array")?);
            strings.ends.push(strings.text.len());
        }
        Ok(strings)
    }

    /// The number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        self.text.get(start..end)
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let string = &self.text[start..end];
            start = end;
            string
        })
    }
}

impl<'a> FromIterator<&'a str> for StringArray {
    fn from_iter<I: IntoIterator<Item = &'a str>>(strings: I) -> Self {
        let mut array = Self::default();
        for string in strings {
            array.text.push_str(string);
            array.ends.push(array.text.len());
        }
        array
    }
}

impl fmt::Debug for StringArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn bool_from(found: u8, at: usize) -> Result<bool, GgufError> {
    match found {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(GgufError::Bool { found, at }),
    }
}

fn numbers<T, const N: usize>(
    cursor: &mut Cursor<'_>,
    len: u64,
    decode: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, GgufError> {
    let bytes = cursor.take(len.saturating_mul(N as u64), "an array")?;
    let (values, _) = bytes.as_chunks::<N>();
    Ok(values.iter().map(|&value| decode(value)).collect())
}
