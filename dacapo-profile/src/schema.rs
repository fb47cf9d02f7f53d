//! The documented schema is the one that is written.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::profile::{Distortion, Profile};
use crate::samples::{PEAKS, two_steps};

const DOCUMENT: &str = include_str!("../../docs/profile-schema.md");

/// Everything that can be there is.
fn full() -> Profile {
    let mut profile = two_steps();
    profile.peaks = Some(PEAKS);
    profile.distortion = Some(Distortion {
        label: "decode".to_owned(),
        profiled_ns: 2,
        unprofiled_ns: 1,
    });
    profile.counters.insert("submissions".to_owned(), 3);
    let first = &mut profile.submissions[0];
    first.counters.insert("dispatches".to_owned(), 4);
    first.dispatches[0].node = Some(5);
    profile
}

/// Adds the paths of all that is no object or list, with their types.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<(String, &'static str)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if path.ends_with("counters") {
                    "*"
                } else {
                    name
                };
                let dot = if path.is_empty() { "" } else { "." };
                paths(value, &format!("{path}{dot}{name}"), found);
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                paths(entry, &format!("{path}[]"), found);
            }
        }
        Value::Null => {}
        Value::Bool(_) => drop(found.insert((path.to_owned(), "boolean"))),
        Value::Number(_) => drop(found.insert((path.to_owned(), "number"))),
        Value::String(_) => drop(found.insert((path.to_owned(), "string"))),
    }
}

/// The rows of the table of fields: path and type.
fn documented() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let (path, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (kind, meaning) = rest.split_once(" | ")?;
        assert!(meaning.len() > 3, "{path} has no meaning");
        Some((path, kind))
    });
    rows
}

#[test]
fn every_field_is_documented_and_every_documented_field_exists() {
    let mut written = BTreeSet::new();
    let json = serde_json::to_value(full()).expect("JSON");
    paths(&json, "", &mut written);
    let fields = documented().filter(|(_, kind)| !kind.starts_with("object"));
    let documented = fields.map(|(path, kind)| (path.to_owned(), kind.trim_end_matches('?')));
    assert_eq!(written, documented.collect());
}

#[test]
fn what_may_be_missing_may_be_and_nothing_else() {
    let json = serde_json::to_value(full()).expect("JSON");
    for (path, kind) in documented().filter(|(path, _)| !path.ends_with(['*', ']'])) {
        for without in [remove, nothing] {
            let mut changed = json.clone();
            without(&mut changed, path);
            assert_ne!(changed, json, "{path}");
            let text = changed.to_string();
            let read = Profile::from_json(text.as_bytes());
            assert_eq!(read.is_ok(), kind.ends_with('?'), "{path}: {read:?}");
        }
    }
}

fn remove(value: &mut Value, path: &str) {
    change(value, path, &mut |fields, name| drop(fields.remove(name)));
}

fn nothing(value: &mut Value, path: &str) {
    change(value, path, &mut |fields, name| {
        if let Some(field) = fields.get_mut(name) {
            *field = Value::Null;
        }
    });
}

/// Changes a field everywhere in lists.
fn change(
    value: &mut Value,
    path: &str,
    to: &mut impl FnMut(&mut serde_json::Map<String, Value>, &str),
) {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Value::Object(fields) = value else {
        return;
    };
    if rest.is_empty() {
        return to(fields, name);
    }
    match name.strip_suffix("[]") {
        Some(list) => {
            let entries = fields.get_mut(list).and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten() {
                change(entry, rest, to);
            }
        }
        None => {
            if let Some(field) = fields.get_mut(name) {
                change(field, rest, to);
            }
        }
    }
}
