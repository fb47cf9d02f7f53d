//! When the device was at which submission.

use crate::profile::Profile;

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Period {
    pub(crate) fn length(self) -> u64 {
        self.end - self.start
    }

    /// The part of `start..end` that lies inside, which may be empty.
    pub(crate) fn clip(self, start: u64, end: u64) -> Period {
        let start = start.clamp(self.start, self.end);
        Period {
            start,
            end: end.clamp(start, self.end),
        }
    }
}

/// The time of a profile, cut up without overlap: submissions, and what lies between them.
pub(crate) struct Periods {
    /// All of it: from when recording began to when it ended, or the device.
    pub(crate) whole: Period,
    /// Of each submission: from its start, or the end of those before it if that is later, to its end.
    pub(crate) submissions: Vec<Period>,
}

impl Periods {
    pub(crate) fn of(profile: &Profile) -> Periods {
        let starts = profile.submissions.iter().map(|it| it.start_ns);
        let start = starts.fold(profile.start_ns, u64::min);
        let mut end = start;
        let submissions = profile.submissions.iter().map(|submission| {
            let period = Period {
                start: submission.start_ns.max(end),
                end: submission.end_ns.max(submission.start_ns).max(end),
            };
            end = period.end;
            period
        });
        let submissions = submissions.collect();
        let whole = Period {
            start,
            end: end.max(profile.end_ns),
        };
        Periods { whole, submissions }
    }
}
