use core::ops::Range;

use crate::encoder::BarrierCause;
use crate::error::Result;
use crate::graph::dag::{Conflicts, Dag, conflict};
use crate::graph::fusion::{Fusing, FusionReport};
use crate::graph::rename::{Renamed, rename};
use crate::graph::schedule::{GREEDY, Schedule};
use crate::graph::{Costs, FusionRule, Graph, Node, Reorder};
use crate::hazard::Hazard;
use crate::options::Hazards;
use crate::profile::spanned;

/// What a plan may do to a graph.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions<'a> {
    /// Rules of fusion, in the order in which they are tried; none fuses nothing.
    pub rules: &'a [FusionRule],
    /// How far nodes may move.
    pub reorder: Reorder,
    /// Bytes of memory that values may be given so that nobody waits for what they would overwrite.
    pub rename_bytes: u64,
    /// What nodes cost, to choose between plans with as many waves; by default estimated.
    pub costs: Option<&'a Costs>,
}

impl Default for PlanOptions<'_> {
    /// No fusion, as few waves as possible, up to 64 MiB for renamed values.
    fn default() -> Self {
        PlanOptions {
            rules: &[],
            reorder: Reorder::Free,
            rename_bytes: 64 << 20,
            costs: None,
        }
    }
}

/// A graph whose nodes have been put into waves: what is in one wave may run at the same time, and a barrier stands
/// between any two.
#[derive(Clone, Debug)]
pub struct Plan {
    graph: Graph,
    wave_ends: Vec<u32>,
    /// The place of each node in the order of the program, fused nodes at one of their parts' places.
    program: Vec<u32>,
    /// The place of each node in the captured graph, of a fused one that of one of its parts.
    captured: Vec<u32>,
    /// The node of the wave before that a node waits for.
    waits: Vec<Option<u32>>,
    /// First and last wave in which each node can run.
    windows: Vec<[u32; 2]>,
    costs: Vec<f64>,
    /// A longest chain of nodes.
    critical: Vec<u32>,
    report: PlanReport,
}

/// What became of a graph on its way to a plan.
#[derive(Clone, Debug, Default)]
pub struct PlanReport {
    /// As it was captured.
    pub captured: Shape,
    /// After fusion.
    pub fused: Shape,
    /// After values were given memory of their own: as it runs.
    pub renamed: Shape,
    /// What was fused, and what nearly was.
    pub fusion: FusionReport,
    /// Values that have memory of their own now.
    pub moved: Vec<Renamed>,
}

/// A graph in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Dispatches.
    pub nodes: u32,
    /// Nodes on the longest chain of nodes that wait for each other: the least number of waves.
    pub longest_path: u32,
    /// Barriers if nodes run in program order, as live encoding puts them.
    pub barriers_program_order: u32,
    /// Barriers if nodes are ordered with a look-ahead of 64 nodes, as ggml does.
    pub barriers_greedy64: u32,
}

/// A barrier of a plan, and why it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedBarrier {
    /// The wave in front of which it stands.
    pub before: u32,
    /// A node of that wave that needs it, as an index into the plan's nodes.
    pub node: u32,
    /// Why. A hazard's earlier dispatch is an index into the plan's nodes, too.
    pub cause: BarrierCause,
}

/// Where a node of a plan stands, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Its wave.
    pub wave: u32,
    /// The first wave in which it could run, and the last one that would make no other wait.
    pub window: [u32; 2],
    /// A node that keeps it out of the wave before, and how; `None` where nothing does. Nodes are indices into the plan.
    pub waits_for: Option<Hazard>,
    /// The nodes of the next wave that wait for it, and how they conflict.
    pub awaited_by: Vec<(u32, Hazard)>,
}

/// One node of the chain that decides how long a plan takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CriticalNode {
    /// The node.
    pub node: u32,
    /// What it takes, in nanoseconds, as measured or estimated.
    pub nanoseconds: f64,
    /// Its share of the chain.
    pub share: f64,
}

impl Graph {
    /// Fuses nodes, gives values memory of their own, and puts nodes into waves, as the options allow.
    ///
    /// Whatever the order, the plan does what the graph does in program order. With [`Reorder::Free`] it has as many waves
    /// as the longest chain of nodes that must wait for each other has nodes: no plan has fewer. Takes `O(n log n)` time
    /// for `n` accesses, and what the rules take.
    ///
    /// ```
    /// # use dacapo::{Device, DeviceOptions, Graph, MemoryKind, PlanOptions};
    /// # let device = Device::open(&DeviceOptions::default())?;
    /// let [a, b, c, d] = [(); 4].map(|()| device.buffer(64, MemoryKind::DeviceLocal).unwrap());
    /// let graph = Graph::capture(&device, |encoder| {
    ///     encoder.copy(&a, &b)?;
    ///     encoder.copy(&b, &a)?; // waits
    ///     encoder.copy(&c, &d)?; // need not
    ///     encoder.copy(&d, &c)
    /// })?;
    /// assert_eq!(graph.barriers().len(), 2);
    /// let plan = graph.plan(&PlanOptions::default())?;
    /// assert_eq!(plan.waves().len(), 2);
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Device::buffer`](crate::Device::buffer), for renamed values.
    pub fn plan(&self, options: &PlanOptions<'_>) -> Result<Plan> {
        let _span = spanned!(self.device.core, "plan", "");
        let captured = Shape::new(&Conflicts::of(&self.nodes));
        let mut fusing = Fusing::new(self);
        fusing.apply(self, options.rules);
        let Fusing {
            mut nodes,
            positions,
            discards,
            report: fusion,
            ..
        } = fusing;
        let fused = match fusion.fired.is_empty() {
            true => captured,
            false => Shape::new(&Conflicts::of(&nodes)),
        };
        let serial = self.hazards == Hazards::Serial;
        let reorder = if serial {
            Reorder::Serial
        } else {
            options.reorder
        };
        let budget = match reorder {
            Reorder::Serial => 0,
            _ => options.rename_bytes,
        };
        let moved = rename(self, &mut nodes, &positions, &discards, budget)?;
        let estimates = Costs::default();
        let costs = options.costs.unwrap_or(&estimates);
        let costs: Vec<f64> = nodes.iter().map(|node| costs.nanoseconds(node)).collect();
        let conflicts = Conflicts::of(&nodes);
        let schedule = Schedule::new(&conflicts, reorder, &costs);
        let report = PlanReport {
            captured,
            fused,
            renamed: match moved.is_empty() {
                true => fused,
                false => Shape::new(&conflicts),
            },
            fusion,
            moved,
        };
        let dag = conflicts.dag;
        Ok(Plan::new(
            self, &nodes, &positions, schedule, &dag, &costs, report,
        ))
    }
}

impl Shape {
    fn new(conflicts: &Conflicts<'_>) -> Shape {
        let barriers = |reorder| {
            let waves = Schedule::new(conflicts, reorder, &[]).waves();
            waves.saturating_sub(1)
        };
        Shape {
            nodes: conflicts.steps.len() as u32,
            longest_path: conflicts.dag.longest,
            barriers_program_order: barriers(Reorder::Never),
            barriers_greedy64: barriers(GREEDY),
        }
    }
}

impl Plan {
    fn new(
        graph: &Graph,
        nodes: &[Node],
        positions: &[u32],
        schedule: Schedule,
        dag: &Dag,
        costs: &[f64],
        report: PlanReport,
    ) -> Plan {
        let order = &schedule.order;
        let mut place = vec![0; order.len()];
        for (at, &node) in (0..).zip(order) {
            place[node as usize] = at;
        }
        let in_order = |node: &u32| *node as usize;
        let wait = |node: usize| schedule.waits[node].map(|before| place[before as usize]);
        let window = |node: usize| [dag.depths[node], dag.latest(node)];
        Plan {
            waits: order.iter().map(in_order).map(wait).collect(),
            captured: order
                .iter()
                .map(in_order)
                .map(|node| positions[node])
                .collect(),
            windows: order.iter().map(in_order).map(window).collect(),
            costs: order.iter().map(in_order).map(|node| costs[node]).collect(),
            critical: dag
                .critical_path()
                .iter()
                .map(|&node| place[node as usize])
                .collect(),
            graph: Graph {
                device: graph.device.clone(),
                hazards: graph.hazards,
                nodes: order
                    .iter()
                    .map(|&node| nodes[node as usize].clone())
                    .collect(),
                // They were about the order of the program.
                discards: Vec::new(),
                scopes: graph.scopes.clone(),
                ends_with_barrier: graph.ends_with_barrier,
            },
            wave_ends: schedule.wave_ends,
            program: schedule.order,
            report,
        }
    }

    /// The graph as it runs: with fused nodes, in the order of submission.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// For each node in the order of submission, its place in the program.
    pub(crate) fn places(&self) -> &[u32] {
        &self.program
    }

    /// The waves, as ranges of the graph's nodes. None is empty.
    pub fn waves(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        (0..self.wave_ends.len()).map(|wave| {
            let start = wave.checked_sub(1).map_or(0, |last| self.wave_ends[last]);
            start as usize..self.wave_ends[wave] as usize
        })
    }

    /// What became of the captured graph.
    pub fn report(&self) -> &PlanReport {
        &self.report
    }

    /// The wave of a node.
    pub fn wave_of(&self, node: usize) -> u32 {
        self.wave_ends.partition_point(|end| *end as usize <= node) as u32
    }

    /// The barriers, one between any two waves, each with a node that needs it.
    pub fn barriers(&self) -> Vec<PlannedBarrier> {
        let waves = self.waves().enumerate().skip(1);
        let barrier = |(wave, mut nodes): (usize, Range<usize>)| {
            let node = nodes.find(|&node| self.waits[node].is_some());
            let node = node.unwrap_or(self.wave_ends[wave - 1] as usize);
            PlannedBarrier {
                before: wave as u32,
                node: node as u32,
                cause: self.cause(node),
            }
        };
        waves.map(barrier).collect()
    }

    /// The place of a node in the captured graph, of a fused one that of one of its parts ([`Node::fused`] has them
    /// all); `None` for a node that is not there.
    pub fn captured_at(&self, node: usize) -> Option<u32> {
        self.captured.get(node).copied()
    }

    /// This plan without the barrier in front of wave `before`: wrong, because two waves become one that must not. For
    /// tests of whatever looks for missing barriers.
    #[doc(hidden)]
    #[must_use]
    pub fn without_barrier(&self, before: u32) -> Plan {
        let mut plan = self.clone();
        if let Some(joined) = before.checked_sub(1)
            && before < self.wave_ends.len() as u32
        {
            plan.wave_ends.remove(joined as usize);
        }
        plan
    }

    /// What a node takes, in nanoseconds, as measured or estimated.
    pub(crate) fn cost(&self, node: usize) -> f64 {
        self.costs[node]
    }

    /// Why a node is not in the wave before.
    pub(crate) fn cause(&self, node: usize) -> BarrierCause {
        match self.waits[node] {
            None => BarrierCause::Serial,
            Some(before) => match self.conflict(before, node as u32) {
                Some(hazard) => BarrierCause::Hazard(hazard),
                None => BarrierCause::Explicit,
            },
        }
    }

    /// How a later node of the plan conflicts with an earlier one.
    pub fn conflict(&self, earlier: u32, later: u32) -> Option<Hazard> {
        let step = |node: u32| self.graph.nodes.get(node as usize).map(Node::step);
        conflict(earlier, &step(earlier)?, &step(later)?)
    }

    /// Where a node stands, and why; `None` for a node that is not there.
    pub fn explain(&self, node: usize) -> Option<Explanation> {
        let window = *self.windows.get(node)?;
        let wave = self.wave_of(node);
        let next = self.waves().nth(wave as usize + 1).unwrap_or_default();
        let awaited = next.filter_map(|later| {
            let hazard = self.conflict(node as u32, later as u32)?;
            Some((later as u32, hazard))
        });
        Some(Explanation {
            wave,
            window,
            waits_for: self.waits[node].and_then(|before| self.conflict(before, node as u32)),
            awaited_by: awaited.collect(),
        })
    }

    /// A longest chain of nodes that wait for each other, and what each contributes.
    pub fn critical_path(&self) -> Vec<CriticalNode> {
        let chain = &self.critical;
        let cost = |node: u32| self.costs[node as usize];
        let total: f64 = chain.iter().map(|&node| cost(node)).sum();
        let critical = |&node: &u32| CriticalNode {
            node,
            nanoseconds: cost(node),
            share: if total > 0.0 { cost(node) / total } else { 0.0 },
        };
        chain.iter().map(critical).collect()
    }
}
