//! Decode steps that run ahead of the host.

use std::collections::VecDeque;

use dacapo::Submission;
use dacapo_ops::sample::SampleParams as Sampling;

/// Decode steps that were submitted and whose tokens nobody has asked for yet.
#[derive(Default)]
pub(super) struct Ahead {
    pub(super) launches: VecDeque<Steps>,
    /// Of those that are done.
    pub(super) tokens: VecDeque<u32>,
    /// What a submission has brought back, with what lies between tokens.
    pub(super) fetched: Vec<u32>,
    /// How they sample.
    pub(super) sampling: Option<Sampling>,
}

/// A submission of some decode steps.
pub(super) struct Steps {
    pub(super) submission: Submission,
    pub(super) count: usize,
}

impl Ahead {
    /// Steps that may not be done.
    pub(super) fn in_flight(&self) -> usize {
        self.launches.iter().map(|steps| steps.count).sum()
    }
}

impl Drop for Ahead {
    /// Waits for what is in flight. Otherwise its end could close the device, and unload its driver, on a thread of the
    /// device, while the process ends on another.
    fn drop(&mut self) {
        if let Some(last) = self.launches.back()
            && let Err(error) = last.submission.wait()
        {
            tracing::debug!(%error, "a decode step that nobody asked for");
        }
    }
}
