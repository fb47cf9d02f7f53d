use crate::encoder::DispatchProblem;
use crate::hazard::HazardKind;
use crate::range::ByteRange;

/// Why a patch was refused. The executable is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node}{}: {problem}", of_kernel(.kernel))]
pub struct PatchError {
    /// The node that was to be patched.
    pub node: usize,
    /// Its kernel's name; empty where there is no such node.
    pub kernel: Box<str>,
    /// What is wrong.
    pub problem: PatchProblem,
}

fn of_kernel(kernel: &str) -> String {
    match kernel {
        "" => String::new(),
        kernel => format!(", kernel {kernel:?}"),
    }
}

/// What is wrong with a patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchProblem {
    /// There is no such node.
    #[error("there is no such node; the executable has {nodes}")]
    NoSuchNode {
        /// Nodes of the executable.
        nodes: usize,
    },
    /// A view of another length than the one it replaces.
    #[error(
        "slot {slot}: a view of {given} bytes cannot replace one of {bound}; they must be equal"
    )]
    Length {
        /// The slot.
        slot: u32,
        /// Length of the new view in bytes.
        given: u64,
        /// Length of the view that is bound.
        bound: u64,
    },
    /// What is bound lies only partly in the bytes that are to be replaced.
    #[error(
        "bytes {bound} of {buffer:?} are bound, of which only a part of {replaced} is to be replaced"
    )]
    Straddles {
        /// The buffer's label.
        buffer: Box<str>,
        /// The bytes that are bound.
        bound: ByteRange,
        /// The bytes to be replaced.
        replaced: ByteRange,
    },
    /// The node would not be a dispatch that the device takes.
    #[error(transparent)]
    Dispatch(DispatchProblem),
}

/// A patch would let two nodes conflict whose order in the plan does not allow for it, so that a new plan is needed. The
/// executable is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "node {node}, kernel {kernel:?}, {}: {kind} with node {other}, kernel {other_kernel:?}, in bytes {overlap} of \
     {buffer:?}, {place}; graph and executable must be made anew",
    at_slot(.slot)
)]
pub struct TopologyChange {
    /// The node that was to be patched.
    pub node: usize,
    /// Its kernel's name.
    pub kernel: Box<str>,
    /// The slot through which it would conflict; `None` for its grid.
    pub slot: Option<u32>,
    /// The conflict, of whichever of the two comes later in the program with the other one.
    pub kind: HazardKind,
    /// The node that it would conflict with.
    pub other: usize,
    /// The kernel of that.
    pub other_kernel: Box<str>,
    /// The label of the buffer in which they would meet.
    pub buffer: Box<str>,
    /// The bytes in which they would meet.
    pub overlap: ByteRange,
    /// How the plan has ordered them.
    pub place: Place,
}

fn at_slot(slot: &Option<u32>) -> String {
    match slot {
        Some(slot) => format!("slot {slot}"),
        None => "indirect grid".to_owned(),
    }
}

/// How a plan has ordered two nodes that have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Place {
    /// They run at the same time.
    #[error("which is in the same wave")]
    SameWave,
    /// The one that comes first in the program runs later.
    #[error("which the plan has moved past it")]
    Overtaken,
}
