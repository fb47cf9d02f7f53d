//! Checks of dacapo on the machine that it is used on.
//!
//! [`SelfTest`] runs everything that can be checked without a model file and without a network on one device: how
//! encoding, hazards, memory, graphs, launches and profiles behave, every operation against references in f64, decoding
//! of a tiny model against the processor, and how fast all of that is. A check that panics or does not end is a failed
//! one, and the others go on. What comes out is a [`Report`], which is shown, and written to a file for whoever looks
//! into what failed.
//!
//! Without the feature `suite` there are only random programs, what they mean, and kernels too small to be of use, which
//! the tests of the runtime share.

#[cfg(feature = "suite")]
mod bench;
#[cfg(feature = "suite")]
#[macro_use]
mod check;
#[cfg(feature = "suite")]
mod behaviour;
#[cfg(feature = "suite")]
mod decode;
#[doc(hidden)]
pub mod kit;
#[cfg(feature = "suite")]
mod machine;
#[cfg(feature = "suite")]
mod parity;
#[doc(hidden)]
pub mod programs;
#[cfg(feature = "suite")]
mod random;
#[cfg(feature = "suite")]
mod report;
#[cfg(feature = "suite")]
mod run;
#[cfg(feature = "suite")]
mod speed;
#[doc(hidden)]
pub mod toys;

#[cfg(feature = "suite")]
pub use bench::{Bench, Figure, Findings, KernelRow, Parity};
#[cfg(feature = "suite")]
pub use check::{Check, Flaw, Group, Verdict};
#[cfg(feature = "suite")]
pub use machine::Machine;
#[cfg(feature = "suite")]
pub use report::{Outcome, Record, Report};
#[cfg(feature = "suite")]
pub use run::{SelfTest, Settings};
