//! `T(x, y)` for vectors that go by other names.

use std::collections::BTreeSet;
use std::ops::Range;

use super::rewrite::Edits;
use super::{Source, kernel};

impl Edits<'_> {
    /// clang has no `T(x, y)` for its own vectors. The header has macros for their usual names;
    /// other names are found here.
    pub(super) fn constructors(&mut self) {
        if self.run() {
            return;
        }
        let names = vector_names(self.source);
        for at in 0..self.source.tokens.len() {
            let before = self.source.token(at.wrapping_sub(1));
            let calls =
                self.source.token(at + 1) == "(" && !matches!(self.source.token(at + 2), "&" | "*");
            if calls
                && names.contains(self.source.token(at))
                && !matches!(before, "." | "~" | "operator")
            {
                let name = self.source.token(at);
                self.replace(at..at + 1, format!("msl::construct<{name}>"));
            }
            // vec<T, 4>(x)
            if self.source.token(at) == "vec" && self.source.token(at + 1) == "<" {
                let close = self.source.closing_angle(at + 1).unwrap_or(at);
                let calls = self.source.token(close + 1) == "("
                    && !matches!(self.source.token(close + 2), "&" | "*");
                if calls && before != "::" {
                    let name = self.source.spelled(at..close + 1);
                    self.replace(at..close + 1, format!("msl::construct<{name}>"));
                }
            }
        }
    }
}

/// Names that may stand for vectors: aliases of them, and type parameters of templates.
fn vector_names(source: &Source) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for at in 0..source.tokens.len() {
        match source.token(at) {
            "typedef" => {
                let end = (at..source.tokens.len())
                    .find(|&i| matches!(source.token(i), ";" | "[" | "{" | "("));
                if let Some(end) = end
                    .filter(|&end| source.token(end) == ";" && is_vector(source, at + 1..end - 1))
                {
                    names.insert(source.token(end - 1));
                }
            }
            "using" if source.token(at + 2) == "=" => {
                let end = (at..source.tokens.len()).find(|&i| source.token(i) == ";");
                if end.is_some_and(|end| is_vector(source, at + 3..end)) {
                    names.insert(source.token(at + 1));
                }
            }
            "template" if source.token(at + 1) == "<" => {
                let close = source.closing_angle(at + 1).unwrap_or(at);
                for part in kernel::split(source, at + 2..close) {
                    if matches!(source.token(part.start), "typename" | "class") {
                        names.insert(source.token(part.start + 1));
                    }
                }
            }
            _ => {}
        }
    }
    names
}

fn is_vector(source: &Source, range: Range<usize>) -> bool {
    let start = if source.token(range.start) == "metal" {
        range.start + 3
    } else {
        range.start
    };
    let name = source.token(start);
    if name == "vec" {
        return true;
    }
    let scalar = name
        .trim_start_matches("packed_")
        .strip_suffix(['2', '3', '4']);
    let known = [
        "bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half",
        "float", "bfloat",
    ];
    scalar.is_some_and(|scalar| known.contains(&scalar)) && start + 1 == range.end
}
