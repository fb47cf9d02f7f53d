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

/// How much is noted of submissions as they run. More includes all of less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileLevel {
    /// Nothing beyond what [`Submission::gpu_times`](crate::Submission::gpu_times) tells of every submission.
    #[default]
    Off,
    /// When each submission was encoded, committed, run and seen to be complete, and what it counts as.
    Submissions,
    /// When each dispatch ran, too. That keeps dispatches from overlapping as freely as they would: compare the time
    /// of a submission with and without.
    Dispatches,
}
