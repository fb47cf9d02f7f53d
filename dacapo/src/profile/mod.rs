//! What ran, when, and how much there was to do.

mod notes;
mod recorder;
mod trace;
mod work;

pub(crate) use notes::{Ending, Notes, Standing};
pub use recorder::Recorder;
pub(crate) use recorder::{Tape, spanned};
pub use trace::{DispatchTrace, HostSpan, SubmissionTrace, Trace};
pub use work::{Dispatched, Work, WorkFn};

/// How it is told when a dispatch runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timed {
    /// Among the others: dispatches of one wave overlap, though less freely than without.
    #[default]
    InPlace,
    /// In a pass of its own, because the device tells the time between passes only. So dispatches run one after the
    /// other, also those of one wave, and each costs what a pass costs.
    OnePassEach,
}

/// How much is noted of submissions as they run. More includes all of less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileLevel {
    /// Nothing beyond what [`Submission::gpu_times`](crate::Submission::gpu_times) tells of every submission.
    #[default]
    Off,
    /// When each submission was encoded, committed, run and seen to be complete, and what it counts as.
    Submissions,
    /// When each dispatch ran, too. That keeps dispatches from overlapping as freely as they would, or from overlapping
    /// at all ([`Timed`]): compare the time of a submission with and without.
    Dispatches,
}
