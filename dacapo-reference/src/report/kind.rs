use core::fmt;

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Kind {
    /// An access outside an array, a binding or an allocation.
    OutOfBounds,
    /// A read of bytes that nobody wrote.
    Uninitialized,
    /// Two invocations of one workgroup touch the same bytes without a barrier between them, and one writes.
    RaceInWorkgroup,
    /// Two workgroups of one dispatch touch the same bytes, and one writes.
    RaceBetweenWorkgroups,
    /// Two dispatches without a barrier between them touch the same bytes, and one writes.
    RaceBetweenDispatches,
    /// A dispatch reads what it was declared only to write, or writes what it was declared only to read.
    Undeclared,
    /// A barrier or a subgroup operation that a part of the invocations do not reach.
    Divergence,
    /// A division by zero or one that overflows, a shift by too much, a conversion of what the type cannot hold.
    Arithmetic,
    /// The first NaN or infinity of an expression.
    NotFinite,
    /// A workgroup that has taken more steps than allowed.
    Runaway,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 10] = [
        Kind::OutOfBounds,
        Kind::Uninitialized,
        Kind::RaceInWorkgroup,
        Kind::RaceBetweenWorkgroups,
        Kind::RaceBetweenDispatches,
        Kind::Undeclared,
        Kind::Divergence,
        Kind::Arithmetic,
        Kind::NotFinite,
        Kind::Runaway,
    ];

    /// Its name, as texts and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OutOfBounds => "out_of_bounds",
            Kind::Uninitialized => "uninitialized",
            Kind::RaceInWorkgroup => "race_in_workgroup",
            Kind::RaceBetweenWorkgroups => "race_between_workgroups",
            Kind::RaceBetweenDispatches => "race_between_dispatches",
            Kind::Undeclared => "undeclared",
            Kind::Divergence => "divergence",
            Kind::Arithmetic => "arithmetic",
            Kind::NotFinite => "not_finite",
            Kind::Runaway => "runaway",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
