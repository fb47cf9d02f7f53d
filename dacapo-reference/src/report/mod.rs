//! What is wrong with a kernel, or with the commands that run it.

mod excerpt;
mod key;
mod kind;
mod reports;
mod text;

#[cfg(test)]
mod tests;

use core::ops::Range;
use std::sync::Arc;

pub use kind::Kind;
pub use reports::Reports;
pub use text::{Style, Text};

pub(crate) use key::Key;

/// One fault. Others like it, at the same place in the code, are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// Its kind.
    pub kind: Kind,
    /// What happened, in one sentence.
    pub message: String,
    /// Who did it.
    pub party: Party,
    /// Whom it met, where two are involved.
    pub other: Option<Party>,
    /// Which memory, where memory is involved.
    pub place: Option<Place>,
    /// What probably helps.
    pub hint: String,
    /// How often it happened; the first one is described.
    pub count: u64,
}

/// A place in a kernel's source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Site {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Characters, on this line.
    pub length: u32,
    /// The whole line.
    pub text: Arc<str>,
}

/// An invocation that did something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Party {
    /// What it did to memory, if it did.
    pub access: Option<Access>,
    /// The kernel's name.
    pub kernel: Arc<str>,
    /// The scopes around the dispatch, joined by `/`, or the submission's label.
    pub label: Arc<str>,
    /// The dispatch's number in its submission, from 0.
    pub dispatch: u64,
    /// `workgroup_id`.
    pub workgroup: [u32; 3],
    /// `local_invocation_id`.
    pub invocation: [u32; 3],
    /// Where in the code; `None` for a command that is no kernel (a copy, a fill), or where it is not known.
    pub site: Option<Site>,
}

/// What is done to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes it.
    Write,
    /// An atomic operation.
    Atomic,
}

/// Memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Place {
    /// Of a buffer.
    Buffer {
        /// Its label.
        label: Arc<str>,
        /// The slot it is bound at; `None` for a command that is no kernel.
        slot: Option<u32>,
        /// The bytes that are bound, of the buffer.
        bound: Range<u64>,
        /// The bytes that are touched, of the buffer.
        bytes: Range<u64>,
    },
    /// Of a variable in the address space `workgroup`.
    Workgroup {
        /// Its name, with the path to the element.
        variable: String,
    },
    /// Of a variable of one invocation.
    Private {
        /// Its name, with the path to the element.
        variable: String,
    },
}
