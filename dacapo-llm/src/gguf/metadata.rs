//! The metadata of a file, by key.

use indexmap::IndexMap;

use super::cursor::Cursor;
use super::{Array, GgufError, StringArray, Value};
use crate::error::shortened;

/// The longest key that the format allows, in bytes.
const MAX_KEY: usize = 65_535;

/// A length, a key of one byte, a type and a value of one byte.
const MIN_ENTRY: usize = 8 + 1 + 4 + 1;

/// The metadata of a GGUF file: values by key, in the order of the file.
///
/// The typed getters return `Ok(None)` where the key is absent, and an error that names key and
/// types where the value has another type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    entries: IndexMap<String, Value>,
}

impl Metadata {
    /// Reads `count` entries.
    pub(super) fn read(cursor: &mut Cursor<'_>, count: u64) -> Result<Self, GgufError> {
        let mut entries = IndexMap::new();
        for _ in 0..count {
            let key = cursor.name("a metadata key", MAX_KEY)?;
            if entries.contains_key(key) {
                let key = shortened(key);
                return Err(GgufError::DuplicateKey { key });
            }
            let value = Value::read(cursor).map_err(|error| error.in_metadata(key))?;
            entries.insert(key.to_owned(), value);
        }
        Ok(Self { entries })
    }

    /// Reads how many entries there are.
    pub(super) fn read_count(cursor: &mut Cursor<'_>, limit: u64) -> Result<u64, GgufError> {
        cursor.count("the number of metadata entries", MIN_ENTRY, limit)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The value of `key`, whatever its type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// A string.
    pub fn str(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.typed(key, "string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A boolean.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "bool", |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// A non-negative integer of any width, signed or not.
    pub fn uint(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.typed(key, "a non-negative integer", Value::as_u64)
    }

    /// A float of either width.
    pub fn float(&self, key: &str) -> Result<Option<f64>, GgufError> {
        self.typed(key, "a float", Value::as_f64)
    }

    /// An array of any type.
    pub fn array(&self, key: &str) -> Result<Option<&Array>, GgufError> {
        self.typed(key, "array", |value| match value {
            Value::Array(array) => Some(array),
            _ => None,
        })
    }

    /// An array of strings.
    pub fn strings(&self, key: &str) -> Result<Option<&StringArray>, GgufError> {
        self.elements(key, "an array of string", |array| match array {
            Array::String(strings) => Some(strings),
            _ => None,
        })
    }

    /// An array of 32-bit signed integers, such as token types.
    pub fn i32s(&self, key: &str) -> Result<Option<&[i32]>, GgufError> {
        self.elements(key, "an array of i32", |array| match array {
            Array::I32(values) => Some(values.as_slice()),
            _ => None,
        })
    }

    /// An array of 32-bit floats, such as token scores.
    pub fn f32s(&self, key: &str) -> Result<Option<&[f32]>, GgufError> {
        self.elements(key, "an array of f32", |array| match array {
            Array::F32(values) => Some(values.as_slice()),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        wanted: &'static str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match convert(value) {
            Some(converted) => Ok(Some(converted)),
            None => {
                let found = value.value_type();
                Err(GgufError::WrongType { found, wanted }.in_metadata(key))
            }
        }
    }

    fn elements<'a, T>(
        &'a self,
        key: &str,
        wanted: &'static str,
        convert: impl Fn(&'a Array) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(array) = self.array(key)? else {
            return Ok(None);
        };
        match convert(array) {
            Some(converted) => Ok(Some(converted)),
            None => {
                let found = array.element_type();
                Err(GgufError::WrongElementType { found, wanted }.in_metadata(key))
            }
        }
    }
}
