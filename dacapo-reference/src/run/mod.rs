//! Running kernels.

mod access;
mod active;
mod collective;
mod faults;
mod flow;
mod frame;
mod hints;
mod machine;
mod operate;
mod order;
mod private;
mod shared;
#[cfg(test)]
mod tests;
mod transfer;
mod wave;

use core::ops::Range;
use std::sync::Arc;

use crate::memory::Region;
use crate::program::Program;

pub use machine::Machine;
pub use wave::MAX_GROUPS;

/// How kernels are run, and what is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// In which order workgroups run.
    pub order: Order,
    /// Worker threads for [`Order::Parallel`], at least 1.
    pub threads: usize,
    /// Whether anything is checked; without, what is out of bounds still reads zeros and writes nothing.
    pub checks: bool,
    /// Whether workgroup memory and variables that nobody has written count as written: WGSL makes them zero.
    pub zeroed: bool,
    /// Most operations that one workgroup may take, each for all of its invocations.
    pub steps: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            order: Order::Parallel,
            threads: 1,
            checks: true,
            zeroed: false,
            steps: 1 << 28,
        }
    }
}

/// In which order the workgroups of a wave run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// At the same time, on several threads.
    #[default]
    Parallel,
    /// One after the other, first to last.
    Forward,
    /// One after the other, last to first.
    Reverse,
    /// One after the other, shuffled by this seed.
    Shuffled(u64),
}

/// A part of a region that a step uses.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The slot of the kernel; 0 for a command that is no kernel.
    pub slot: u32,
    /// The memory.
    pub region: Arc<Region>,
    /// Its bytes that are bound.
    pub range: Range<u64>,
    /// Whether the step was declared to read it.
    pub reads: bool,
    /// Whether the step was declared to write it.
    pub writes: bool,
}

/// A step of a wave.
#[derive(Clone, Debug)]
pub struct Step {
    /// The scopes around it, joined by `/`, or the submission's label.
    pub label: Arc<str>,
    /// Its number in its submission, from 0.
    pub number: u64,
    /// What it does.
    pub action: Action,
    /// Where its grid has been read from, if it was.
    pub grid: Option<Binding>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Runs a kernel.
    Kernel {
        /// The kernel.
        program: Arc<Program>,
        /// What it binds.
        bindings: Vec<Binding>,
        /// Its inline constants.
        inline: Vec<u8>,
        /// Workgroups along each axis.
        groups: [u32; 3],
    },
    /// Copies all bytes of one to the other, of the same length. What nobody wrote stays so.
    Copy {
        /// Source.
        from: Binding,
        /// Target.
        to: Binding,
    },
    /// Sets all bytes.
    Fill {
        /// Target.
        to: Binding,
        /// The byte.
        value: u8,
    },
}

/// Why a wave was not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Which step of the wave.
    pub step: usize,
    /// Why.
    pub reason: String,
}
