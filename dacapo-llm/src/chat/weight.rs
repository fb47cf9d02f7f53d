//! How large a template's values are, with everything that is in them.
//!
//! minijinja charges fuel for what an operation makes, not for what it walks through, and a list
//! costs its own slots only. So putting a list twice into a list 60 times over makes a value that takes
//! forever to compare or print, `list + list` and `list * n` are free as long as they are lazy, and 100,000 lists
//! inside each other overflow the stack when they are dropped. Therefore [`guard`](super::guard)
//! has these functions called on what the instructions of a template produce and walk through.

use minijinja::value::{DynObject, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

/// Checks a value just made and gives it back, lazy sequences as lists.
pub(super) const BOUNDED: &str = "a bounded value";
/// Charges for walking through a value, which it gives back.
pub(super) const WEIGHED: &str = "a weighed value";
/// Checks that a value is data, and gives it back.
pub(super) const PLAIN: &str = "a plain value";

/// Values in one value, everything inside counted each time that it occurs; a string counts one
/// more for every [`STRING_UNIT`] bytes.
const MAX_WEIGHT: usize = 1 << 18;
const STRING_UNIT: usize = 64;

/// How deep lists and maps may be in each other.
const MAX_DEPTH: usize = 64;

/// Weight that one unit of fuel pays for. Walking through 8 million values, all that a render's fuel
/// pays for, took 0.6 s on one core of a Xeon (development build).
const WEIGHT_PER_FUEL: usize = 4;

/// Adds the functions, under names that no template can write.
pub(super) fn add_functions(environment: &mut Environment<'_>) {
    environment.add_function(BOUNDED, bounded);
    environment.add_function(WEIGHED, weighed);
    environment.add_function(PLAIN, plain);
}

fn bounded(state: &State, value: &Value) -> Result<Value, Error> {
    match value.as_object() {
        Some(object) if object.repr() == ObjectRepr::Iterable => {
            weighed(state, &listed(state, object)?)
        }
        _ => weighed(state, value),
    }
}

fn weighed(state: &State, value: &Value) -> Result<Value, Error> {
    if value.as_object().is_some() || value.as_str().is_some() {
        let mut weight = Weight { total: 0 };
        let fits = weight.add(value, 0);
        state.consume_fuel((weight.total / WEIGHT_PER_FUEL) as u64)?;
        fits?;
    }
    Ok(value.clone())
}

/// What a namespace may hold: a namespace, macro or loop in it could be the first of a chain that
/// grows with every step of a loop.
fn plain(value: &Value) -> Result<Value, Error> {
    if is_plain(value, 0) {
        Ok(value.clone())
    } else {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            "an attribute of a namespace can only be set to text, numbers, lists and mappings",
        ))
    }
}

/// A sequence that is computed while it is walked through, as a list.
fn listed(state: &State, object: &DynObject) -> Result<Value, Error> {
    let mut items = Vec::new();
    for item in object.try_iter().into_iter().flatten() {
        if items.len() >= MAX_WEIGHT {
            return Err(too_large());
        }
        if items.len() % WEIGHT_PER_FUEL == 0 {
            state.consume_fuel(1)?;
        }
        items.push(item);
    }
    if let Some(error) = items.iter().find(|item| item.kind() == ValueKind::Invalid) {
        // Without fuel the iterator gives such a value too.
        state.consume_fuel(0)?;
        return Err(Error::new(ErrorKind::InvalidOperation, error.to_string()));
    }
    Ok(Value::from(items))
}

struct Weight {
    total: usize,
}

impl Weight {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let text = value.as_str().map_or(0, |text| text.len() / STRING_UNIT);
        self.total += 1 + text;
        if self.total > MAX_WEIGHT || depth > MAX_DEPTH {
            return Err(too_large());
        }
        let Some(object) = value.as_object() else {
            return Ok(());
        };
        let is_map = object.repr() == ObjectRepr::Map;
        for item in object.try_iter().into_iter().flatten() {
            self.add(&item, depth + 1)?;
            if is_map && let Some(entry) = object.get_value(&item) {
                self.add(&entry, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// For a value that was weighed, so that the walk ends.
fn is_plain(value: &Value, depth: usize) -> bool {
    let Some(object) = value.as_object() else {
        return true;
    };
    if depth > MAX_DEPTH {
        return false;
    }
    let mut items = object.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Seq => items.all(|item| is_plain(&item, depth + 1)),
        ValueKind::Map => {
            let is_data = object
                .downcast_ref::<indexmap::IndexMap<Value, Value>>()
                .is_some();
            is_data
                && items.all(|key| {
                    let entry = object.get_value(&key);
                    entry.is_none_or(|entry| is_plain(&entry, depth + 1))
                })
        }
        _ => false,
    }
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!(
            "a value with more than {MAX_WEIGHT} parts, or nested deeper than {MAX_DEPTH} levels"
        ),
    )
}
