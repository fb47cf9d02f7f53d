use dacapo_reference::report::{Report, Reports};

use crate::encoder::Outcome;
use crate::error::Fault;

/// How often something had been reported before a submission.
pub(super) struct Before {
    /// Of each report.
    counts: Vec<u64>,
    total: u64,
}

impl Before {
    pub(super) fn of(reports: &Reports) -> Before {
        Before {
            counts: reports.list().iter().map(|report| report.count).collect(),
            total: reports.total(),
        }
    }

    /// What has been reported since then, as the failure of a submission.
    pub(super) fn failure(&self, reports: &Reports) -> Option<Outcome> {
        let count = reports.total().saturating_sub(self.total);
        if count == 0 {
            return None;
        }
        let now = reports.list();
        let before = self.counts.iter().copied().chain(core::iter::repeat(0));
        let mut grown = now.iter().zip(before);
        let grown = grown.find(|(report, before)| report.count > *before);
        let first: Option<&Report> = grown.map(|(report, _)| report);
        let text = |report: &Report| report.to_string().into();
        let beyond = || "a fault beyond the most that are kept".into();
        Some(Outcome {
            kernel: first.map_or_else(Box::default, |first| (*first.party.kernel).into()),
            scope: first.map_or_else(Box::default, |first| (*first.party.label).into()),
            fault: Fault::Check {
                first: first.map_or_else(beyond, text),
                count,
            },
        })
    }
}
