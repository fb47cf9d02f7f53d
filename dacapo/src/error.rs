use std::sync::Arc;
use std::time::Duration;

use crate::encoder::DispatchError;
use crate::graph::{GraphFileError, PatchError, TopologyChange};
use crate::memory::MemoryKind;
use crate::range::ByteRange;

/// The result of a fallible call of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What can go wrong between opening a device and reading a result.
///
/// Every message says what was asked, what was found and what is allowed. Values are cheap to clone,
/// so that one failure can be reported by every handle that depends on it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No device matches the selection.
    #[error("no device matches {asked}; available: {available}")]
    NoDevice {
        /// The selection as the caller wrote it.
        asked: Box<str>,
        /// The devices of this machine, by index and name.
        available: Box<str>,
    },
    /// The device is being recorded already.
    #[error(
        "the device is being recorded already; one recorder at a time: finish or drop that one first"
    )]
    Recording,
    /// An option, or the environment variable that overlays it, has a value that is not allowed.
    #[error("{name}={value:?} is not allowed; allowed: {allowed}")]
    InvalidOption {
        /// The option's or variable's name.
        name: &'static str,
        /// What was found.
        value: Box<str>,
        /// What would have been accepted.
        allowed: &'static str,
    },
    /// The operating system refused something the device needs, such as a thread.
    #[error("device {device}: {what} failed: {reason}")]
    System {
        /// The device's name.
        device: Box<str>,
        /// What was attempted.
        what: &'static str,
        /// The system's own text.
        reason: Box<str>,
    },
    /// A range does not lie inside what it was taken of.
    #[error("bytes {asked} do not lie inside a buffer view of {len} bytes")]
    OutOfRange {
        /// The range asked for, relative to the view.
        asked: ByteRange,
        /// The length of the view.
        len: u64,
    },
    /// Bytes cannot be seen as the element type asked for.
    #[error(
        "{len} bytes at offset {offset} are not a whole, aligned number of {size}-byte elements (alignment {align})"
    )]
    Element {
        /// Offset of the view in its allocation.
        offset: u64,
        /// Length of the view in bytes.
        len: u64,
        /// Size of one element in bytes.
        size: usize,
        /// Alignment of one element in bytes.
        align: usize,
    },
    /// Host data and view differ in length.
    #[error("{what} of {given} bytes meets a buffer view of {len} bytes; they must be equal")]
    LengthMismatch {
        /// The operation.
        what: &'static str,
        /// The other side's length in bytes.
        given: u64,
        /// The view's length in bytes.
        len: u64,
    },
    /// An allocation would pass the memory budget.
    #[error("{asked} bytes of {kind} memory asked for, {used} of {budget} bytes are in use")]
    OverBudget {
        /// Bytes asked for.
        asked: u64,
        /// Memory kind asked for.
        kind: MemoryKind,
        /// Bytes this device has allocated.
        used: u64,
        /// Bytes this device may allocate.
        budget: u64,
    },
    /// The system or driver had no memory although the budget allowed it.
    #[error("{asked} bytes of {kind} memory asked for: {reason}")]
    OutOfMemory {
        /// Bytes asked for.
        asked: u64,
        /// Memory kind asked for.
        kind: MemoryKind,
        /// The system's or driver's own text.
        reason: Box<str>,
    },
    /// A zero-sized buffer was asked for.
    #[error("a buffer of 0 bytes was asked for; at least 1 byte is needed")]
    EmptyBuffer,
    /// Host access was refused because an unfinished submission uses the buffer.
    #[error("buffer {buffer:?} is used by submission {submission}, which has not completed")]
    Busy {
        /// The buffer's label.
        buffer: Box<str>,
        /// The submission's number on its queue.
        submission: u64,
    },
    /// Host access or a submission was refused because the host has the buffer mapped.
    #[error(
        "buffer {buffer:?} is mapped for {mapped}; {asked} is refused until the guard is dropped"
    )]
    Mapped {
        /// The buffer's label.
        buffer: Box<str>,
        /// How it is mapped: reading or writing.
        mapped: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// Writing to a buffer that was imported for reading only.
    #[error("buffer {buffer:?} is read-only; {asked} is refused")]
    ReadOnly {
        /// The buffer's label.
        buffer: Box<str>,
        /// What was asked for.
        asked: &'static str,
    },
    /// A view that a pool cannot take.
    #[error("{view} is no block that this pool can take")]
    NotInPool {
        /// The view.
        view: Box<str>,
    },
    /// Two updates of one launch write the same bytes.
    #[error("two updates of a launch write bytes {overlap} of buffer {buffer:?}")]
    UpdatesOverlap {
        /// The buffer's label.
        buffer: Box<str>,
        /// The bytes of the allocation that both write.
        overlap: ByteRange,
    },
    /// More bytes than an operation takes.
    #[error("{what} of {given} bytes; at most {limit} are taken")]
    TooLong {
        /// The operation.
        what: &'static str,
        /// Bytes given.
        given: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// A patch of an executable was refused.
    #[error(transparent)]
    Patch(Arc<PatchError>),
    /// A patch of an executable would let nodes conflict that its plan has not kept apart: a new plan is needed.
    #[error(transparent)]
    TopologyChanged(Arc<TopologyChange>),
    /// Two views are of different allocations.
    #[error("{view} is no view of {allocation:?}")]
    OtherAllocation {
        /// The view.
        view: Box<str>,
        /// The label of the allocation of which it should be one.
        allocation: Box<str>,
    },
    /// A handle of another device was passed.
    #[error("{what} belongs to another device than {device}")]
    ForeignDevice {
        /// What was passed.
        what: Box<str>,
        /// The device of the call.
        device: Box<str>,
    },
    /// A dispatch was refused before anything was recorded.
    #[error(transparent)]
    Dispatch(Arc<DispatchError>),
    /// A sequence of graphs has none in it.
    #[error("no graph was given; at least 1 is needed")]
    NoGraphs,
    /// What cannot become part of a graph was asked for while one is captured.
    #[error("{what} cannot be captured in a graph")]
    Capturing {
        /// What was asked for.
        what: &'static str,
    },
    /// A capture file was refused.
    #[error("capture file: {0}")]
    GraphFile(Box<GraphFileError>),
    /// A kernel's declaration contradicts itself or passes the device's limits.
    #[error("kernel {kernel:?}: {reason}")]
    InvalidKernel {
        /// The kernel's name.
        kernel: Box<str>,
        /// What is wrong, and what is allowed.
        reason: Box<str>,
    },
    /// A kernel offers no form that the device can run.
    #[error("kernel {kernel:?} offers {offered}; device {device} takes {takes}")]
    UnsupportedKernel {
        /// The kernel's name.
        kernel: Box<str>,
        /// The forms it offers.
        offered: Box<str>,
        /// The device's name.
        device: Box<str>,
        /// The forms the device takes.
        takes: &'static str,
    },
    /// The device is gone: it was reset, removed, or its driver gave up. Nothing works on it any more;
    /// [`Device::reopen`](crate::Device::reopen) opens it afresh.
    #[error("device {device} is lost: {reason}")]
    DeviceLost {
        /// The device's name.
        device: Box<str>,
        /// The driver's own text.
        reason: Box<str>,
    },
    /// The driver, or its validation layer, refused a call.
    #[error("device {device}: {reason}")]
    Driver {
        /// The device's name.
        device: Box<str>,
        /// The driver's own text.
        reason: Box<str>,
    },
    /// A submission failed while it ran.
    #[error(transparent)]
    Submission(Arc<SubmissionFailure>),
}

impl From<DispatchError> for Error {
    fn from(error: DispatchError) -> Error {
        Error::Dispatch(Arc::new(error))
    }
}

/// Why a submission failed: reported by every wait on it, and by host reads of what it should have written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("submission {number} {label:?} failed after {elapsed:?}{}{}: {fault}", in_kernel(.kernel), in_scope(.scope))]
pub struct SubmissionFailure {
    /// The submission's number on its queue.
    pub number: u64,
    /// The encoder's label.
    pub label: Box<str>,
    /// The kernel that failed; empty where the driver does not tell.
    pub kernel: Box<str>,
    /// The scopes around the dispatch that failed, outermost first, joined by `/`.
    pub scope: Box<str>,
    /// Time from the submission's start to its end.
    pub elapsed: Duration,
    /// What happened.
    pub fault: Fault,
}

fn in_kernel(kernel: &str) -> String {
    if kernel.is_empty() {
        String::new()
    } else {
        format!(" in kernel {kernel:?}")
    }
}

fn in_scope(scope: &str) -> String {
    if scope.is_empty() {
        String::new()
    } else {
        format!(" in scope {scope:?}")
    }
}

/// What happened inside a failed submission.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A kernel refused its input.
    #[error("{0}")]
    Kernel(Box<str>),
    /// A CPU kernel panicked.
    #[error("the kernel panicked: {0}")]
    Panic(Box<str>),
    /// The device is gone; [`Device::reopen`](crate::Device::reopen) opens it afresh.
    #[error("the device is lost: {0}")]
    DeviceLost(Box<str>),
    /// The driver ran out of memory for commands.
    #[error("out of memory: {0}")]
    OutOfMemory(Box<str>),
    /// The driver, or its validation layer, refused the submission.
    #[error("{0}")]
    Driver(Box<str>),
    /// An indirect grid, read at run time, passes a limit.
    #[error("indirect grid {groups:?} passes the limit of {limit} workgroups")]
    IndirectGrid {
        /// Workgroups found in the buffer.
        groups: [u32; 3],
        /// Workgroups allowed in one dispatch.
        limit: u64,
    },
    /// The device `reference` ran the submission and reported something.
    #[error("{count} reported; the first: {first}")]
    Check {
        /// The text of the first report.
        first: Box<str>,
        /// How often something was reported.
        count: u64,
    },
}
