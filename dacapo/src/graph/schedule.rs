//! In which wave each node runs.

use core::cmp::Reverse;
use core::num::NonZeroU32;

use crate::graph::dag::{Conflicts, Frontier, Map, Step, Waits};
use crate::hazard::HazardTracker;

/// How far a plan may change the order of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reorder {
    /// As far as hazards allow: as few waves as the longest chain of nodes that wait for each other has nodes, which is
    /// the least possible.
    #[default]
    Free,
    /// Not at all: a new wave begins where a node conflicts with one of the current wave, as in live encoding.
    Never,
    /// Before a new wave begins, the next so many nodes are looked through for some that can still join the current one.
    /// This is what ggml does for Metal and Vulkan, with 64 nodes; it is here to compare with.
    Window(NonZeroU32),
    /// One node to a wave, in program order, to tell races from wrong kernels.
    Serial,
}

/// The window of other runtimes.
pub(crate) const GREEDY: Reorder = Reorder::Window(NonZeroU32::new(64).unwrap());

/// How many waves a node with time to spare is offered.
const CHOICES: u32 = 64;

/// Nodes in waves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    /// Nodes in the order of submission.
    pub(crate) order: Vec<u32>,
    /// Where each wave ends in `order`; no wave is empty.
    pub(crate) wave_ends: Vec<u32>,
    /// For each node in program order, one of the wave before for which it waits.
    pub(crate) waits: Vec<Waits>,
}

impl Schedule {
    pub(crate) fn new(conflicts: &Conflicts<'_>, reorder: Reorder, costs: &[f64]) -> Schedule {
        let Conflicts { steps, map, .. } = conflicts;
        let joins = |current: u32, earliest: u32| current.max(earliest);
        match reorder {
            Reorder::Free => free(conflicts, costs),
            Reorder::Never => in_order(steps, map, joins),
            Reorder::Serial => in_order(steps, map, |current, _| current + 1),
            Reorder::Window(nodes) => {
                let order = look_ahead(steps, nodes.get() as usize);
                let moved: Vec<_> = order.iter().map(|&node| steps[node as usize]).collect();
                // A fence stays between the nodes that it was between, since none is moved across it.
                in_order(&moved, &Map::new(&moved), joins).renumbered(&order)
            }
        }
    }

    pub(crate) fn waves(&self) -> u32 {
        self.wave_ends.len() as u32
    }

    /// The waves and what each node waits for, from waves by node.
    fn from_waves(waves: &[u32], costs: &[f64], waits: Vec<Waits>) -> Schedule {
        let cost = |node: u32| costs.get(node as usize).copied().unwrap_or_default();
        let mut order: Vec<u32> = (0..waves.len() as u32).collect();
        // The longest first: they decide when a wave ends.
        order.sort_by(|&a, &b| {
            let by_wave = waves[a as usize].cmp(&waves[b as usize]);
            by_wave.then(cost(b).total_cmp(&cost(a))).then(a.cmp(&b))
        });
        let wave = |at: usize| waves[order[at] as usize];
        let mut wave_ends: Vec<u32> = (1..order.len())
            .filter(|&at| wave(at) != wave(at - 1))
            .map(|at| at as u32)
            .collect();
        if !order.is_empty() {
            wave_ends.push(order.len() as u32);
        }
        Schedule {
            order,
            wave_ends,
            waits,
        }
    }

    /// This, of nodes that were moved so that node `i` was `order[i]`.
    fn renumbered(self, order: &[u32]) -> Schedule {
        let mut waits = vec![None; self.waits.len()];
        for (at, wait) in self.waits.iter().enumerate() {
            waits[order[at] as usize] = wait.map(|before| order[before as usize]);
        }
        Schedule {
            order: self.order.iter().map(|&at| order[at as usize]).collect(),
            wave_ends: self.wave_ends,
            waits,
        }
    }
}

/// As few waves as possible. Nodes on a longest chain have no choice; each other node joins a wave that one at least as
/// long is in already, or the one that it makes longer by the least.
fn free(conflicts: &Conflicts<'_>, costs: &[f64]) -> Schedule {
    let Conflicts { steps, map, dag } = conflicts;
    let mut longest = vec![0f64; dag.longest as usize];
    for (node, cost) in costs.iter().enumerate() {
        let wave = dag.depths[node];
        if wave == dag.latest(node) {
            longest[wave as usize] = longest[wave as usize].max(*cost);
        }
    }
    let mut frontier = Frontier::new(map);
    let (mut waves, mut waits) = (Vec::new(), Vec::new());
    for (node, step) in steps.iter().enumerate() {
        if step.fence {
            frontier.fence();
        }
        let place = frontier.earliest(node, step.unknown);
        let last = dag.latest(node).min(place.wave + CHOICES);
        // Nodes placed so far kept to their latest waves, so this one still can.
        debug_assert!(place.wave <= last);
        let hides = |wave: &u32| longest[*wave as usize] >= costs[node];
        let wave = (place.wave..=last).find(hides).unwrap_or_else(|| {
            let by_length = |wave: &u32| (longest[*wave as usize].to_bits(), Reverse(*wave));
            (place.wave..=last)
                .max_by_key(by_length)
                .unwrap_or(place.wave)
        });
        longest[wave as usize] = longest[wave as usize].max(costs[node]);
        frontier.put(node, step.unknown, wave);
        waves.push(wave);
        waits.push(place.after.filter(|_| place.wave == wave));
    }
    Schedule::from_waves(&waves, costs, waits)
}

/// Program order, with a new wave where `next` says so: from the current wave and the node's earliest.
fn in_order(steps: &[Step<'_>], map: &Map, next: impl Fn(u32, u32) -> u32) -> Schedule {
    let mut frontier = Frontier::new(map);
    let (mut waves, mut waits) = (Vec::<u32>::new(), Vec::new());
    for (node, step) in steps.iter().enumerate() {
        if step.fence {
            frontier.fence();
        }
        let place = frontier.earliest(node, step.unknown);
        let wave = waves.last().map_or(0, |&current| next(current, place.wave));
        frontier.put(node, step.unknown, wave);
        waves.push(wave);
        waits.push(place.after.filter(|_| place.wave == wave));
    }
    Schedule::from_waves(&waves, &[], waits)
}

/// The order in which ggml submits nodes (`ggml_metal_graph_optimize_reorder`): a node that conflicts with the current
/// wave ends it, after those of the next `window` nodes have joined it that conflict neither with it nor with a node that
/// they would overtake.
fn look_ahead(steps: &[Step<'_>], window: usize) -> Vec<u32> {
    let mut order = Vec::with_capacity(steps.len());
    let mut taken = vec![false; steps.len()];
    let (mut wave, mut waiting) = (HazardTracker::new(), HazardTracker::new());
    // A tracker does not know of steps that may touch anything here: they end waves, and nothing overtakes them.
    let ends = |step: &Step<'_>| step.fence || step.unknown;
    for (node, step) in steps.iter().enumerate() {
        if taken[node] {
            continue;
        }
        if ends(step) || wave.check(step.accesses).is_some() {
            waiting.barrier();
            waiting.record(0, step.accesses);
            let ahead = steps.iter().enumerate().skip(node + 1).take(window - 1);
            for (later, candidate) in ahead.take_while(|_| !ends(step)) {
                if ends(candidate) {
                    break;
                }
                if taken[later] {
                    continue;
                }
                let joins = wave.check(candidate.accesses).is_none()
                    && waiting.check(candidate.accesses).is_none();
                match joins {
                    true => {
                        wave.record(0, candidate.accesses);
                        order.push(later as u32);
                        taken[later] = true;
                    }
                    false => waiting.record(0, candidate.accesses),
                }
            }
            wave.barrier();
        }
        wave.record(0, step.accesses);
        order.push(node as u32);
        if step.unknown {
            wave.barrier();
        }
    }
    order
}
