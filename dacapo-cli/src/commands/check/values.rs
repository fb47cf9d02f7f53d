//! The first values of a buffer.

use core::fmt;

use serde::Serialize;

use super::findings::Content;
use super::scalar::Scalar;
use crate::error::{Error, Result};
use crate::table::visible;

/// Values that are shown.
const MOST: usize = 64;

const A_ROW: usize = 8;

/// What a buffer begins with at the end.
#[derive(Debug, Serialize)]
pub(super) struct Values {
    slot: u32,
    buffer: String,
    r#type: Scalar,
    /// How many there are.
    count: usize,
    /// The first of them, as text: JSON has neither NaN nor infinities.
    first: Vec<String>,
}

impl Values {
    /// Of the buffer at this slot.
    pub(super) fn of(contents: &[Content], slot: u32, scalar: Option<Scalar>) -> Result<Values> {
        let found = contents.iter().find(|content| content.slot == Some(slot));
        let Some(content) = found else {
            let slots: Vec<String> = contents
                .iter()
                .filter_map(|content| Some(content.slot?.to_string()))
                .collect();
            let slots = slots.join(", ");
            return Err(Error::Usage {
                command: "check",
                message: format!("--print {slot}: there is no such buffer; there are: {slots}"),
            });
        };
        let scalar = scalar.unwrap_or(content.scalar);
        let numbers = content.bytes.chunks_exact(scalar.size());
        Ok(Values {
            slot,
            buffer: content.name.clone(),
            r#type: scalar,
            count: numbers.len(),
            first: numbers.take(MOST).map(|bytes| scalar.show(bytes)).collect(),
        })
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (buffer, count, scalar) = (visible(&self.buffer), self.count, self.r#type);
        writeln!(f, "{buffer}: {count} times {scalar}")?;
        let width = self.first.iter().map(String::len).max().unwrap_or(0);
        for (row, values) in self.first.chunks(A_ROW).enumerate() {
            write!(f, "{:>7} ", row * A_ROW)?;
            for value in values {
                write!(f, " {value:>width$}")?;
            }
            writeln!(f)?;
        }
        match self.first.len() < count {
            true => writeln!(f, "        ..."),
            false => Ok(()),
        }
    }
}
