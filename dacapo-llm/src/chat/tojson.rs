//! JSON as Python's `json.dumps(value, ensure_ascii=False)` writes it: spaces after commas and
//! colons, nothing escaped for HTML.

use std::io;

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind, State};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::MAX_OUTPUT_BYTES;
use super::output::Bounded;

/// Deepest indentation taken from a template; Python has no limit.
const MAX_INDENT: usize = 16;

/// The `tojson` filter of transformers: `tojson(indent=None)`; its further arguments
/// (`ensure_ascii`, `separators`, `sort_keys`) are errors here.
pub(super) fn tojson(state: &State, value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    if ascii == Some(true) {
        return Err(invalid("tojson(ensure_ascii=true) is not supported"));
    }
    let json = match indent {
        None => serialize(value, SpacedFormatter)?,
        Some(width) if width <= MAX_INDENT => {
            serialize(value, PrettyFormatter::with_indent(&b" ".repeat(width)))?
        }
        Some(width) => {
            return Err(invalid(format!(
                "tojson(indent={width}): at most {MAX_INDENT}"
            )));
        }
    };
    state.consume_fuel(json.len() as u64 / 64)?;
    Ok(Value::from(json))
}

fn serialize(value: &Value, formatter: impl Formatter) -> Result<String, Error> {
    let mut json = Bounded::new(MAX_OUTPUT_BYTES);
    value
        .serialize(&mut Serializer::with_formatter(&mut json, formatter))
        .map_err(|error| invalid(format!("tojson: {error}")))?;
    json.into_string()
        .map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

struct SpacedFormatter;

impl Formatter for SpacedFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separate(w, first)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        separate(w, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        CompactFormatter.begin_object_value(w)?;
        w.write_all(b" ")
    }
}

fn separate<W: ?Sized + io::Write>(w: &mut W, first: bool) -> io::Result<()> {
    if first { Ok(()) } else { w.write_all(b", ") }
}
