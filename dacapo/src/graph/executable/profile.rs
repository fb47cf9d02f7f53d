//! What is noted of a plan as it runs.

use core::ops::Range;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::encoder::{BarrierCause, Launched};
use crate::error::Result;
use crate::graph::executable::Executable;
use crate::graph::{Graph, PlannedBarrier, ScopeId};
use crate::profile::{DispatchTrace, Notes, ProfileLevel, Work};

/// All of a graph's dispatches, without times and work.
pub(super) fn outline(
    graph: &Graph,
    waves: &[Range<usize>],
    barriers: &[PlannedBarrier],
) -> Vec<DispatchTrace> {
    let mut paths = HashMap::<Option<ScopeId>, Arc<[Arc<str>]>>::new();
    let mut causes = vec![None::<BarrierCause>; waves.len()];
    for barrier in barriers {
        causes[barrier.before as usize] = Some(barrier.cause);
    }
    let mut outline = Vec::with_capacity(graph.nodes.len());
    for (wave, nodes) in waves.iter().enumerate() {
        for at in nodes.clone() {
            let node = &graph.nodes[at];
            let path = paths.entry(node.scope).or_insert_with(|| {
                let path = graph.scope_path(node).into_iter();
                path.map(Arc::from).collect()
            });
            outline.push(DispatchTrace {
                kernel: node.kernel.shared_name(),
                op: node.kernel.shared_op(),
                scopes: path.clone(),
                node: Some(at as u32),
                fused: node.fused.clone(),
                wave: wave as u32,
                barrier: causes[wave].filter(|_| at == nodes.start),
                work: Work::default(),
                start: Duration::ZERO,
                end: Duration::ZERO,
            });
        }
    }
    outline
}

/// Notes of the outlined nodes of a graph.
pub(super) fn notes(
    graph: &Graph,
    outline: &[DispatchTrace],
    level: ProfileLevel,
    opened: Instant,
    extent: Option<u64>,
) -> Notes {
    let mut notes = Notes::new(level, opened, extent);
    if notes.has_dispatches() {
        notes.dispatches = outline.to_vec();
        for dispatch in &mut notes.dispatches {
            let node = dispatch.node.and_then(|at| graph.nodes.get(at as usize));
            dispatch.work = node.map(|node| node.work(extent)).unwrap_or_default();
        }
    }
    notes
}

impl Executable {
    /// What a launch notes.
    pub(super) fn notes(&self, level: ProfileLevel, extent: Option<u64>) -> Option<Notes> {
        if level == ProfileLevel::Off {
            return None;
        }
        let opened = Instant::now();
        let outline = match level {
            ProfileLevel::Dispatches => &self.outline.get_or_init(|| {
                let Executable {
                    graph,
                    waves,
                    barriers,
                    ..
                } = self;
                outline(graph, waves, barriers)
            })[..],
            _ => &[],
        };
        Some(notes(&self.graph, outline, level, opened, extent))
    }

    /// Commands that note when each dispatch runs. They hold the times until the launch has completed, so that each launch
    /// in flight needs its own.
    pub(super) fn timed(&self) -> Result<Arc<Launched>> {
        let kept = self.current()?.kept.clone();
        let mut current = self.current.lock();
        let idle = current
            .timed
            .iter_mut()
            .find_map(|it| Arc::get_mut(it).is_some().then(|| it.clone()));
        if let Some(idle) = idle {
            return Ok(idle);
        }
        let places: Vec<usize> = (0..self.parts.len()).collect();
        let launched = Arc::new(Launched {
            parts: self.prepare(&places, true)?,
            kept,
            counts: current.launched.counts,
        });
        current.timed.push(launched.clone());
        Ok(launched)
    }
}
