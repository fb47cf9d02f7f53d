//! A plan in figures.

use core::fmt;
use std::collections::BTreeMap;

use dacapo::{Device, Plan, Shape};
use dacapo_llm::ModelFiles;
use indicatif::HumanCount;
use serde::Serialize;

use crate::stats;
use crate::table::{Align, Table, visible};

/// Near misses that are listed in the text: rules that nearly fit often do so in every layer.
const SHOWN_MISSES: usize = 12;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    model: String,
    device: String,
    backend: String,
    #[serde(skip)]
    units: u32,
    dispatches_captured: u32,
    dispatches_after_fusion: u32,
    waves: usize,
    longest_path: u32,
    barriers: usize,
    barriers_greedy64: u32,
    barriers_program_order: u32,
    /// Values that were given memory of their own.
    renamed_values: usize,
    /// How often each rule fired.
    fusions: BTreeMap<&'static str, usize>,
    near_misses: Vec<Miss>,
    passes: Passes,
    /// Kinds of operations on the longest chain, by their share of its time.
    critical_path: Vec<Share>,
}

/// Nodes that a rule would have liked, and why it left them.
#[derive(Serialize)]
struct Miss {
    rule: &'static str,
    reason: String,
    times: usize,
    /// The first of them, by their places in the captured graph.
    nodes: Vec<u32>,
}

#[derive(Clone, Copy, Serialize)]
struct Passes {
    captured: Figures,
    fused: Figures,
    renamed: Figures,
}

#[derive(Clone, Copy, Serialize)]
struct Figures {
    dispatches: u32,
    longest_path: u32,
    barriers_greedy64: u32,
    barriers_program_order: u32,
}

#[derive(Serialize)]
struct Share {
    op: String,
    nodes: usize,
    share: f64,
}

impl Report {
    pub(super) fn new(files: &ModelFiles, device: &Device, plan: &Plan) -> Report {
        let (info, report) = (device.info(), plan.report());
        let waves = plan.waves().len();
        Report {
            model: files.path().display().to_string(),
            device: info.name.clone(),
            backend: info.backend.to_string(),
            units: info.compute_units,
            dispatches_captured: report.captured.nodes,
            dispatches_after_fusion: report.fused.nodes,
            waves,
            longest_path: report.renamed.longest_path,
            barriers: waves.saturating_sub(1),
            barriers_greedy64: report.renamed.barriers_greedy64,
            barriers_program_order: report.renamed.barriers_program_order,
            renamed_values: report.moved.len(),
            fusions: report.fusion.counts().into_iter().collect(),
            near_misses: misses(plan),
            passes: Passes {
                captured: report.captured.into(),
                fused: report.fused.into(),
                renamed: report.renamed.into(),
            },
            critical_path: shares(plan),
        }
    }
}

impl From<Shape> for Figures {
    fn from(shape: Shape) -> Figures {
        Figures {
            dispatches: shape.nodes,
            longest_path: shape.longest_path,
            barriers_greedy64: shape.barriers_greedy64,
            barriers_program_order: shape.barriers_program_order,
        }
    }
}

/// Near misses of one rule for one reason together. Reasons name nodes, which differ: what is left of them is the same.
fn misses(plan: &Plan) -> Vec<Miss> {
    let mut places = BTreeMap::new();
    let mut misses: Vec<Miss> = Vec::new();
    for miss in &plan.report().fusion.near_misses {
        let reason = miss.reason.to_string();
        let pattern: String = reason
            .chars()
            .filter(|char| !char.is_ascii_digit())
            .collect();
        let place = *places.entry((miss.rule, pattern)).or_insert(misses.len());
        match misses.get_mut(place) {
            Some(known) => known.times += 1,
            None => misses.push(Miss {
                rule: miss.rule,
                reason,
                times: 1,
                nodes: miss.nodes.clone(),
            }),
        }
    }
    misses
}

fn shares(plan: &Plan) -> Vec<Share> {
    let mut shares: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for critical in plan.critical_path() {
        let node = &plan.graph().nodes()[critical.node as usize];
        let (nodes, share) = shares.entry(node.op_kind()).or_default();
        *nodes += 1;
        *share += critical.share;
    }
    let shares = shares.into_iter().map(|(op, (nodes, share))| Share {
        op: op.to_owned(),
        nodes,
        share,
    });
    let mut shares: Vec<Share> = shares.collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = stats::units(&self.backend, self.units);
        writeln!(f, "model    {}", visible(&self.model))?;
        writeln!(f, "device   {} ({}{units})", self.device, self.backend)?;
        let (waves, barriers) = (self.waves, self.barriers);
        writeln!(f, "plan     {waves} waves, {barriers} barriers\n")?;
        write!(f, "{}", self.figures())?;
        let (fusions, misses) = (self.fusions(), self.misses());
        for table in [Some(self.critical()), fusions, misses]
            .into_iter()
            .flatten()
        {
            write!(f, "\n{table}")?;
        }
        Ok(())
    }
}

impl Report {
    fn figures(&self) -> Table {
        let mut table = Table::new([
            ("", Align::Left),
            ("captured", Align::Right),
            ("fused", Align::Right),
            ("renamed", Align::Right),
        ]);
        let Passes {
            captured,
            fused,
            renamed,
        } = self.passes;
        let mut row = |name: &str, figure: fn(&Figures) -> u32| {
            let [a, b, c] = [captured, fused, renamed].map(|it| HumanCount(figure(&it).into()));
            table.row([name.into(), a.to_string(), b.to_string(), c.to_string()]);
        };
        row("dispatches", |it| it.dispatches);
        row("longest path", |it| it.longest_path);
        row("barriers, at least", |it| it.longest_path.saturating_sub(1));
        row("barriers, 64 nodes ahead", |it| it.barriers_greedy64);
        row("barriers, program order", |it| it.barriers_program_order);
        table
    }

    fn critical(&self) -> Table {
        let mut table = Table::new([
            ("on the longest chain", Align::Left),
            ("nodes", Align::Right),
            ("estimated share", Align::Right),
        ]);
        for Share { op, nodes, share } in &self.critical_path {
            let share = format!("{:.1} %", 100.0 * share);
            table.row([op.clone(), nodes.to_string(), share]);
        }
        table
    }

    fn fusions(&self) -> Option<Table> {
        let mut table = Table::new([("fused by", Align::Left), ("times", Align::Right)]);
        for (rule, times) in &self.fusions {
            table.row([(*rule).to_owned(), times.to_string()]);
        }
        (!self.fusions.is_empty()).then_some(table)
    }

    fn misses(&self) -> Option<Table> {
        let mut table = Table::new([
            ("nearly fused by", Align::Left),
            ("times", Align::Right),
            ("first", Align::Left),
            ("not, because", Align::Left),
        ]);
        for miss in self.near_misses.iter().take(SHOWN_MISSES) {
            let nodes: Vec<String> = miss.nodes.iter().map(u32::to_string).collect();
            table.row([
                miss.rule.to_owned(),
                miss.times.to_string(),
                nodes.join(" "),
                miss.reason.clone(),
            ]);
        }
        let more = self.near_misses.len().saturating_sub(SHOWN_MISSES);
        if more > 0 {
            let empty = String::new;
            table.row([format!("and {more} more"), empty(), empty(), empty()]);
        }
        (!self.near_misses.is_empty()).then_some(table)
    }
}
