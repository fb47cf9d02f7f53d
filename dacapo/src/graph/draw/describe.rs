//! All that is known of one node of a plan, in words.

use core::fmt::Write;
use core::ops::Range;

use crate::encoder::BarrierCause;
use crate::graph::dag::Step;
use crate::graph::draw::MAX_NODES;
use crate::graph::draw::cause::{conflict, numbered};
use crate::graph::draw::edges::{Edge, immediate_hazards};
use crate::graph::draw::names::{self, Bytes, Names, short, visible};
use crate::graph::{Node, Plan};

/// Columns that lines have at most, where words allow it.
const WIDTH: usize = 80;
/// Where what is said of a subject begins.
const INDENT: usize = 15;
/// Conflicts that are listed with those that a node waits for, or that wait for it.
const SHOWN: usize = 8;
/// Inline constants that are shown, each of four bytes.
const SHOWN_WORDS: usize = 12;

impl Plan {
    /// What a node does, with which memory, where it stands and why, and what fusion made of it or did not: a page of
    /// text, for somebody to read; `None` for a node that is not there. [`Plan::explain`] has the same as data.
    pub fn describe(&self, node: usize) -> Option<String> {
        let found = self.graph().nodes().get(node)?;
        let nodes = self.graph().nodes();
        let near = node.saturating_sub(MAX_NODES / 2)..nodes.len().min(node + MAX_NODES / 2);
        let steps: Vec<Step<'_>> = nodes[near.clone()].iter().map(Node::step).collect();
        let (edges, complete) = immediate_hazards(&steps);
        let mut page = Page {
            plan: self,
            left_out: !complete || near.len() < nodes.len(),
            near,
            edges,
            names: Names::new(self.graph()),
            at: node,
            node: found,
            text: String::new(),
        };
        page.what();
        page.place();
        page.bindings();
        page.waits();
        page.awaited();
        page.fusion();
        Some(page.text)
    }
}

struct Page<'p> {
    plan: &'p Plan,
    names: Names<'p>,
    at: usize,
    node: &'p Node,
    /// The nodes among which hazards were looked for.
    near: Range<usize>,
    /// Their numbers count from the first of those.
    edges: Vec<Edge>,
    left_out: bool,
    text: String,
}

impl Page<'_> {
    /// Says something of a subject, which is named in front of the first line only.
    fn say(&mut self, subject: &str, what: &str) {
        let mut line = format!("{subject:INDENT$}");
        let mut is_empty = true;
        for word in what.split(' ') {
            let width = line.chars().count() + 1 + word.chars().count();
            if !is_empty && width > WIDTH {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                // What is continued stands further to the right.
                line = format!("{:1$}", "", INDENT + 2);
            } else if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Says several things of a subject, or that there is nothing.
    fn list(&mut self, subject: &str, lines: &[String]) {
        self.text.push('\n');
        if lines.is_empty() {
            self.say(subject, "nothing");
        }
        for (number, line) in lines.iter().enumerate() {
            self.say(if number == 0 { subject } else { "" }, line);
        }
    }

    fn what(&mut self) {
        let kernel = names::kernel(self.node);
        let last = self.plan.graph().nodes().len() - 1;
        self.say("node", &format!("{} of 0 to {last}: {kernel}", self.at));
        let scopes = self.plan.graph().scope_path(self.node);
        if !scopes.is_empty() {
            let scopes: Vec<String> = scopes.into_iter().map(visible).collect();
            self.say("scope", &scopes.join("/"));
        }
        self.say("grid", &self.names.grid(self.node.grid()));
        let work = self.node.work(None);
        let (read, written) = (Bytes(work.read), Bytes(work.written));
        let mut todo = match (work.read, work.written) {
            (0, 0) => "what only the device knows when it runs".to_owned(),
            _ => format!("{read} to read, {written} to write"),
        };
        if work.operations > 0 {
            let _ = write!(todo, ", {} operations", grouped(work.operations));
        }
        self.say("work", &todo);
    }

    fn place(&mut self) {
        let plan = self.plan;
        let waves = plan.waves().len();
        let wave = plan.wave_of(self.at);
        let mut text = format!("{wave} of 0 to {}", waves - 1);
        match plan.explain(self.at).map(|found| found.window) {
            Some([first, last]) if first == last => {
                text.push_str("; in any other it would lengthen the plan");
            }
            Some([first, last]) => {
                let _ = write!(
                    text,
                    "; could be any of {first} to {last} in a plan as short as can be"
                );
            }
            None => {}
        }
        self.say("wave", &text);
        let cost = microseconds(plan.cost(self.at));
        let critical = plan.critical_path();
        let critical = critical.iter().find(|it| it.node as usize == self.at);
        let mut text = format!("{cost} by the figures that the plan was made with");
        if let Some(critical) = critical {
            let share = 100.0 * critical.share;
            let _ = write!(text, "; {share:.2} % of the longest chain");
        }
        self.say("cost", &text);
    }

    fn bindings(&mut self) {
        let args = self.node.args();
        let names: Vec<String> = args.iter().map(|arg| self.names.view(&arg.view)).collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or_default().min(40);
        let mut lines = Vec::new();
        for (arg, name) in args.iter().zip(&names) {
            let bytes = Bytes(arg.view.len()).to_string();
            let read_only = if arg.view.is_read_only() {
                ", never written"
            } else {
                ""
            };
            lines.push(format!(
                "{:>2} {:2}  {name:width$}  {bytes:>10}{read_only}",
                arg.slot,
                short(arg.access)
            ));
        }
        if self.node.kernel().interface().touches_anything() {
            lines.push("and any other memory".to_owned());
        }
        self.list("binds", &lines);
        let (words, rest) = self.node.inline().as_chunks::<4>();
        if !words.is_empty() || !rest.is_empty() {
            let shown = words.iter().take(SHOWN_WORDS);
            let mut shown: Vec<String> = shown
                .map(|word| format!("{:#x}", u32::from_le_bytes(*word)))
                .collect();
            if words.len() > SHOWN_WORDS || !rest.is_empty() {
                shown.push("...".to_owned());
            }
            let bytes = Bytes(self.node.inline().len() as u64);
            self.say("inline", &format!("{bytes}: {}", shown.join(" ")));
        }
    }

    /// How the two nodes of an edge conflict, as sentences.
    fn conflicts<'a>(&self, edges: impl Iterator<Item = &'a Edge>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut more = 0;
        for Edge { from, to, hazards } in edges {
            let (earlier, later) = (self.call(*from), self.call(*to));
            for hazard in hazards {
                if lines.len() == SHOWN {
                    more += 1;
                    continue;
                }
                let bytes = hazard.first.map(|(id, range)| {
                    let first = self.names.range(id, range);
                    match hazard.bytes.saturating_sub(range.len()) {
                        0 => first,
                        more => format!("{first} and {} more", Bytes(more)),
                    }
                });
                let bytes = bytes.unwrap_or_default();
                lines.push(conflict(hazard.kind, &later, &earlier, &bytes));
            }
        }
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    }

    /// A node as sentences name it.
    fn call(&self, offset: usize) -> String {
        let node = self.near.start + offset;
        if node == self.at {
            return "it".to_owned();
        }
        let wave = self.plan.wave_of(node);
        let name = numbered(node, &self.plan.graph().nodes()[node]);
        format!("{name} (wave {wave})")
    }

    fn waits(&mut self) {
        let at = self.at - self.near.start;
        let mut lines = self.conflicts(self.edges.iter().rev().filter(|edge| edge.to == at));
        let cause = (self.plan.wave_of(self.at) > 0).then(|| self.plan.cause(self.at));
        if self.node.barrier_before() || cause == Some(BarrierCause::Explicit) {
            lines.insert(0, "all before a barrier of the caller's".to_owned());
        }
        if cause == Some(BarrierCause::Serial) && lines.is_empty() {
            lines.push("nobody, but the order was to be kept".to_owned());
        }
        self.list("waits for", &lines);
    }

    fn awaited(&mut self) {
        let at = self.at - self.near.start;
        let lines = self.conflicts(self.edges.iter().filter(|edge| edge.from == at));
        self.list("awaited by", &lines);
        if self.left_out {
            self.say(
                "",
                "(of a part of the graph: it is too large to look at all of it)",
            );
        }
    }

    fn fusion(&mut self) {
        let captured = self.plan.captured_at(self.at).unwrap_or_default();
        let report = &self.plan.report().fusion;
        let last = self.plan.report().captured.nodes.saturating_sub(1);
        let own: Vec<u32> = match self.node.fused() {
            Some(fused) => fused.parts.iter().map(|part| part.index).collect(),
            None => vec![captured],
        };
        let mut lines = Vec::new();
        match self.node.fused() {
            None => lines.push(format!("{captured} of 0 to {last}")),
            Some(fused) => {
                lines.extend(fused.parts.iter().map(|part| {
                    let (kernel, op) = (visible(&part.kernel), visible(&part.op));
                    match kernel == op {
                        true => format!("{} {kernel}", part.index),
                        false => format!("{} {kernel} ({op})", part.index),
                    }
                }));
                let fired = report.fired.iter();
                let fired = fired.filter(|fired| fired.nodes.iter().any(|it| own.contains(it)));
                lines.extend(fired.map(|fired| {
                    let (nodes, rule) = (joined(&fired.nodes), visible(fired.rule));
                    format!("{nodes} fused by the rule {rule:?}")
                }));
            }
        }
        self.list("captured as", &lines);
        let misses = report.near_misses.iter();
        let misses = misses.filter(|miss| miss.nodes.iter().any(|it| own.contains(it)));
        let lines: Vec<String> = misses
            .map(|miss| {
                let (rule, nodes) = (visible(miss.rule), joined(&miss.nodes));
                format!(
                    "by {rule} of captured {nodes}; not, because {}",
                    miss.reason
                )
            })
            .collect();
        self.list("nearly fused", &lines);
    }
}

/// `3, 4 and 7`.
fn joined(nodes: &[u32]) -> String {
    match nodes {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(u32::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn microseconds(nanoseconds: f64) -> String {
    let value = nanoseconds / 1e3;
    let decimals = if value < 10.0 { 2 } else { 0 };
    format!("{value:.decimals$} us")
}
