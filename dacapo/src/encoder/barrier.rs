use core::fmt;

use crate::hazard::Hazard;

/// A barrier of an encoder, and why it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// The dispatch that it stands in front of, counted from 0.
    pub before: u32,
    /// Why it was put.
    pub cause: BarrierCause,
}

/// Why a barrier was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierCause {
    /// The next dispatch conflicts with an earlier one.
    Hazard(Hazard),
    /// The encoder is serial.
    Serial,
    /// The caller placed it.
    Explicit,
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "before dispatch {}: {}", self.before, self.cause)
    }
}

impl fmt::Display for BarrierCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BarrierCause::Hazard(hazard) => hazard.fmt(f),
            BarrierCause::Serial => f.write_str("the encoder is serial"),
            BarrierCause::Explicit => f.write_str("placed by the caller"),
        }
    }
}
