use core::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::device::Turn;
use crate::encoder::Launched;
use crate::error::Result;
use crate::graph::Plan;
use crate::graph::executable::{Split, profile, record, workers};
use crate::profile::{ProfileLevel, spanned};
use crate::submission::Submission;

impl Plan {
    /// Runs the plan once, without preparing anything for a second time.
    ///
    /// Long plans are cut into parts at the boundaries of waves: the device begins with the first while the others are
    /// recorded, on several threads. They are one submission: nothing else is submitted in between, one handle waits for
    /// all and reports the first failure of any, and after a failure later parts are left out, as far as it is known
    /// when they are submitted (on the processor: when they would run).
    ///
    /// # Errors
    /// [`Error::Mapped`](crate::Error::Mapped) while the host has a buffer mapped that the nodes use.
    pub fn replay(&self, label: &str) -> Result<Submission> {
        self.replay_with(label, Split::REPLAYED)
    }

    /// As [`Plan::replay`], in parts of this size.
    ///
    /// # Errors
    /// As there.
    pub fn replay_with(&self, label: &str, split: Split) -> Result<Submission> {
        let graph = self.graph();
        let core = &graph.device.core;
        let _span = spanned!(core, "replay", label);
        let waves: Vec<Range<usize>> = self.waves().collect();
        let mut parts = record::parts(&waves, split);
        if parts.is_empty() {
            parts.push(0..0);
        }
        let barriers = self.barriers();
        let mut launched = Some(Arc::new(Launched {
            parts: Vec::new(),
            kept: Arc::new(record::kept(&graph.nodes)),
            counts: record::counts(self, &barriers),
        }));
        let level = core.profile_level(ProfileLevel::Off);
        let opened = Instant::now();
        let outline = match level {
            ProfileLevel::Dispatches => profile::outline(graph, &waves, &barriers),
            _ => Vec::new(),
        };
        let mut turn = Turn::begin(core, parts.len() as u64);
        let kept = launched.iter();
        let kept = kept.flat_map(|launched| launched.kept.allocations());
        if let Err(refused) = turn.claim(kept) {
            turn.cancel(core.recording(label, false));
            return Err(refused);
        }
        workers::in_order(
            parts.len(),
            |at| {
                let mut recording = core.recording(label, false);
                let waves = &waves[parts[at].clone()];
                if level > ProfileLevel::Off {
                    let nodes = waves.first().map_or(0, |first| first.start)
                        ..waves.last().map_or(0, |last| last.end);
                    let own = outline.get(nodes).unwrap_or_default();
                    recording.note(profile::notes(graph, own, level, opened, None));
                }
                record::record(&mut *recording.native, graph, waves);
                recording
            },
            |at, mut recording| {
                if at + 1 == parts.len()
                    && let Some(launched) = launched.take()
                {
                    recording.keep(launched);
                }
                turn.submit(recording);
            },
        );
        Ok(turn.end())
    }
}
