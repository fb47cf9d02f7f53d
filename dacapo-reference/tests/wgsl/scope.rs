//! What code may use where it stands.

use std::fmt::Write;

/// Types of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    /// Of `n` components; 1 is a scalar.
    Int(Sign, u32),
    Float(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    I,
    U,
}

impl Sign {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Sign::I => "i",
            Sign::U => "u",
        }
    }

    pub(super) fn other(self) -> Sign {
        match self {
            Sign::I => Sign::U,
            Sign::U => Sign::I,
        }
    }
}

impl Type {
    pub(super) fn name(self) -> String {
        match self {
            Type::Bool => "bool".to_owned(),
            Type::Int(sign, n) => vector(&format!("{}32", sign.suffix()), n),
            Type::Float(n) => vector("f32", n),
        }
    }
}

fn vector(scalar: &str, n: u32) -> String {
    match n {
        1 => scalar.to_owned(),
        _ => format!("vec{n}<{scalar}>"),
    }
}

/// Writes one function.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) text: String,
    pub(super) indent: usize,
    /// Names with their types, and whether they can be assigned.
    pub(super) names: Vec<(String, Type, bool)>,
    /// The array and the struct, and pointers to them.
    pub(super) words: &'static str,
    pub(super) thing: &'static str,
    pub(super) pointers: &'static str,
    /// How many helpers can be called, and how many more calls may be written.
    pub(super) helpers: usize,
    pub(super) calls: usize,
    /// Loops around the statement, and how many there may be.
    pub(super) loops: usize,
    pub(super) max_loops: usize,
    /// Whether this is the entry point, which knows its buffers' slots and workgroup memory.
    pub(super) is_main: bool,
    /// Invocations of a workgroup.
    pub(super) size: u32,
    /// Whether other invocations' words may be read.
    pub(super) shared: bool,
    pub(super) tally: Tally,
    /// Whether an early return is allowed.
    pub(super) returns: bool,
    pub(super) fresh: u32,
}

/// What may be done with the workgroup's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tally {
    No,
    Count,
    Read,
}

impl Writer {
    pub(super) fn line(&mut self, text: &str) {
        let indent = 4 * self.indent;
        writeln!(self.text, "{:indent$}{text}", "").unwrap();
    }

    pub(super) fn name(&mut self) -> String {
        self.fresh += 1;
        format!("n{}", self.fresh)
    }

    /// A name of this type.
    pub(super) fn known(&self, ty: Type, pick: u32) -> Option<String> {
        let all = self.names.iter().filter(|name| name.1 == ty);
        let count = all.clone().count();
        let mut all = all.skip(pick as usize % count.max(1));
        all.next().map(|name| name.0.clone())
    }

    /// Writes a block; what it declares is forgotten at its end.
    pub(super) fn block(&mut self, head: &str, tail: &str, inside: impl FnOnce(&mut Writer)) {
        self.line(head);
        self.indent += 1;
        let known = self.names.len();
        inside(self);
        self.names.truncate(known);
        self.indent -= 1;
        self.line(tail);
    }
}
