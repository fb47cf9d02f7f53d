//! Metadata values as they are shown.

use core::fmt;

use dacapo_llm::gguf::{Array, Value, ValueType};
use serde::Serialize;

/// Elements shown of an array.
const HEAD: usize = 16;

/// A metadata value: in JSON whole, but for arrays, which give their length and first elements.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Shown {
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Text(String),
    Array {
        #[serde(rename = "type")]
        element: String,
        length: usize,
        head: Vec<Shown>,
    },
    Json(serde_json::Value),
}

impl Shown {
    pub(super) fn gguf(value: &Value) -> Shown {
        match value {
            Value::U8(value) => Shown::Unsigned((*value).into()),
            Value::U16(value) => Shown::Unsigned((*value).into()),
            Value::U32(value) => Shown::Unsigned((*value).into()),
            Value::U64(value) => Shown::Unsigned(*value),
            Value::I8(value) => Shown::Signed((*value).into()),
            Value::I16(value) => Shown::Signed((*value).into()),
            Value::I32(value) => Shown::Signed((*value).into()),
            Value::I64(value) => Shown::Signed(*value),
            Value::F32(value) => Shown::F32(*value),
            Value::F64(value) => Shown::F64(*value),
            Value::Bool(value) => Shown::Bool(*value),
            Value::String(value) => Shown::Text(value.clone()),
            Value::Array(array) => Shown::array(array, HEAD),
        }
    }

    /// An array with its first `most` elements; of the arrays in it only the lengths, so that nesting stays
    /// small.
    fn array(array: &Array, most: usize) -> Shown {
        fn head<T: Copy>(values: &[T], most: usize, shown: impl Fn(T) -> Shown) -> Vec<Shown> {
            values
                .iter()
                .take(most)
                .map(|&value| shown(value))
                .collect()
        }
        let head = match array {
            Array::U8(values) => head(values, most, |value| Shown::Unsigned(value.into())),
            Array::U16(values) => head(values, most, |value| Shown::Unsigned(value.into())),
            Array::U32(values) => head(values, most, |value| Shown::Unsigned(value.into())),
            Array::U64(values) => head(values, most, Shown::Unsigned),
            Array::I8(values) => head(values, most, |value| Shown::Signed(value.into())),
            Array::I16(values) => head(values, most, |value| Shown::Signed(value.into())),
            Array::I32(values) => head(values, most, |value| Shown::Signed(value.into())),
            Array::I64(values) => head(values, most, Shown::Signed),
            Array::F32(values) => head(values, most, Shown::F32),
            Array::F64(values) => head(values, most, Shown::F64),
            Array::Bool(values) => head(values, most, Shown::Bool),
            Array::String(values) => values
                .iter()
                .take(most)
                .map(|text| Shown::Text(text.to_owned()))
                .collect(),
            Array::Array(values) => values
                .iter()
                .take(most)
                .map(|inner| Shown::array(inner, 0))
                .collect(),
        };
        Shown::Array {
            element: element(array.element_type()),
            length: array.len(),
            head,
        }
    }
}

fn element(element: ValueType) -> String {
    element.to_string()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Unsigned(value) => write!(f, "{value}"),
            Shown::Signed(value) => write!(f, "{value}"),
            Shown::F32(value) => write!(f, "{value:?}"),
            Shown::F64(value) => write!(f, "{value:?}"),
            Shown::Bool(value) => write!(f, "{value}"),
            Shown::Text(value) => f.write_str(value),
            Shown::Json(value) => write!(f, "{value}"),
            Shown::Array {
                element,
                length,
                head,
            } => {
                write!(f, "{length} x {element}")?;
                for (index, value) in head.iter().enumerate() {
                    f.write_str(if index == 0 { ": " } else { ", " })?;
                    write!(f, "{value}")?;
                }
                f.write_str(if (1..*length).contains(&head.len()) {
                    ", …"
                } else {
                    ""
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_show_their_length_and_first_elements() {
        let numbers = Value::Array(Array::I32((-1..40).collect()));
        let shown = Shown::gguf(&numbers);
        assert!(
            shown.to_string().starts_with("41 x i32: -1, 0, 1,"),
            "{shown}"
        );
        assert!(shown.to_string().ends_with("14, …"), "{shown}");
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["length"], 41);
        assert_eq!(json["head"].as_array().unwrap().len(), HEAD);
    }

    #[test]
    fn nested_arrays_do_not_multiply() {
        let row = Array::Array(vec![Array::U8(vec![0; 100]); 100]);
        let shown = Shown::gguf(&Value::Array(Array::Array(vec![row; 2])));
        assert_eq!(shown.to_string(), "2 x array: 100 x array, 100 x array");
    }

    #[test]
    fn floats_keep_their_own_precision() {
        assert_eq!(
            serde_json::to_string(&Shown::gguf(&Value::F32(0.1))).unwrap(),
            "0.1"
        );
    }
}
