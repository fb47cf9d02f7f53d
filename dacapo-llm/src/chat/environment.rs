//! The Jinja environment that transformers gives a template.

use std::fmt;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State};
use minijinja_contrib::pycompat;

use super::clock::Clock;
use super::{ChatError, MAX_RECURSION, RENDER_FUEL, tojson, weight};

/// What finding and copying one place of a `replace` counts, in bytes.
const REPLACEMENT: u64 = 16;

/// Bytes that a list spends on an item, as minijinja counts them.
const LIST_SLOT: u64 = 32;

/// An environment set up as `transformers.utils.chat_template_utils` does, with bounds.
pub(super) fn transformers_like() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(RENDER_FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    // A prompt is no web page: nothing in it is ever escaped.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(python_format);
    environment.set_unknown_method_callback(python_method);
    environment.add_filter("tojson", tojson::tojson);
    environment.add_function("raise_exception", raise_exception);
    // Prints all that a template knows; transformers has no such function.
    environment.remove_global("debug");
    weight::add_functions(&mut environment);
    environment
}

/// The function `strftime_now(format)`, which transformers gives as the current local time.
pub(super) fn strftime_now(clock: Clock) -> Value {
    Value::from_function(
        move |state: &State, format: &str| -> Result<String, Error> {
            // No directive grows to more than nine bytes.
            state.consume_fuel(format.len() as u64 / 8)?;
            Ok(clock.format(format))
        },
    )
}

/// What minijinja reports, told apart by what a caller can do about it.
pub(super) fn chat_error(error: &Error) -> ChatError {
    if error.kind() == ErrorKind::OutOfFuel {
        return ChatError::OutOfFuel;
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(Refusal(message)) = inner.downcast_ref() {
            return ChatError::Refused(message.clone());
        }
        if inner
            .downcast_ref::<Error>()
            .is_some_and(|e| e.kind() == ErrorKind::OutOfFuel)
        {
            return ChatError::OutOfFuel;
        }
        source = inner.source();
    }
    ChatError::Render(error.to_string())
}

/// The message given to `raise_exception`.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Refusal(message)))
}

/// Prints `None`, `True` and `False` as Python does.
fn python_format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => out.write_str("None").map_err(Error::from),
        ValueKind::Bool => {
            let word = if value.is_true() { "True" } else { "False" };
            out.write_str(word).map_err(Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Python's methods, paid for in fuel before they run: the result of a method is charged only
/// once it exists, which is too late for a `replace` that grows its string.
fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let text = value.as_str().unwrap_or_default();
    let arg = |i: usize| args.get(i).and_then(Value::as_str).unwrap_or_default();
    let bytes = text.len() as u64;
    let cost = match method {
        "replace" => {
            let hits = text.matches(arg(0)).count() as u64;
            bytes.saturating_add(hits.saturating_mul(REPLACEMENT + arg(1).len() as u64))
        }
        "split" if arg(0).is_empty() => bytes + LIST_SLOT * text.split_whitespace().count() as u64,
        "split" => bytes + LIST_SLOT * text.split(arg(0)).count() as u64,
        "splitlines" => bytes + LIST_SLOT * text.lines().count() as u64,
        _ => {
            bytes
                + args
                    .iter()
                    .map(|arg| arg.as_str().map_or(0, str::len) as u64)
                    .sum::<u64>()
        }
    };
    state.consume_fuel(cost / 64)?;
    pycompat::unknown_method_callback(state, value, method, args)
}
