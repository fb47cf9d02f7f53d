//! What was found.

use core::fmt;
use std::collections::HashSet;

use dacapo::reference::{Order, Party, Report, Reports};
use dacapo_reference::report::Style;
use serde::Serialize;

use super::scalar::Scalar;
use super::values::Values;
use crate::error::Result;
use crate::table::visible;

/// What a buffer holds at the end.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) name: String,
    pub(super) slot: Option<u32>,
    pub(super) scalar: Scalar,
    pub(super) bytes: Vec<u8>,
}

/// What was found, in all orders in which workgroups ran. This is what `--json` writes.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    /// What was checked.
    checked: String,
    /// Invocations of a subgroup.
    subgroup: u32,
    orders: Vec<String>,
    reports: Vec<Report>,
    /// How often something was wrong beyond the reports that are kept.
    dropped: u64,
    differences: Vec<Difference>,
    /// Why not all of it was run.
    stopped: Option<String>,
    pub(super) values: Vec<Values>,
    /// What the first order left.
    #[serde(skip)]
    pub(super) contents: Vec<Content>,
}

/// A buffer that holds other bytes when workgroups run in another order.
#[derive(Debug, Serialize)]
struct Difference {
    buffer: String,
    orders: [String; 2],
    /// The first byte of the first number that differs.
    byte: u64,
    /// This number, in both orders.
    values: [String; 2],
    /// How many numbers differ.
    numbers: u64,
}

impl Findings {
    pub(super) fn new(checked: String) -> Findings {
        Findings {
            checked,
            subgroup: 0,
            orders: Vec::new(),
            reports: Vec::new(),
            dropped: 0,
            differences: Vec::new(),
            stopped: None,
            values: Vec::new(),
            contents: Vec::new(),
        }
    }

    /// Adds what a run in this order has reported, and what it left.
    ///
    /// # Errors
    /// Those of the run, if nothing was reported that explains them.
    pub(super) fn add(
        &mut self,
        order: Order,
        subgroup: u32,
        reports: &Reports,
        ran: Result<Vec<Content>>,
    ) -> Result<()> {
        self.subgroup = subgroup;
        let dropped = reports.dropped();
        let mut known: HashSet<Same> = self.reports.iter().map(Same::of).collect();
        let found = reports.list().into_iter();
        self.reports
            .extend(found.filter(|report| known.insert(Same::of(report))));
        self.dropped = self.dropped.max(dropped);
        match ran {
            Ok(contents) if self.orders.is_empty() => self.contents = contents,
            Ok(contents) => self.compare(order, &contents),
            Err(error) if reports.is_empty() => return Err(error),
            Err(error) => self.stopped = Some(error.to_string()),
        }
        self.orders.push(name(order));
        Ok(())
    }

    fn compare(&mut self, order: Order, contents: &[Content]) {
        let first = self.orders.first().cloned().unwrap_or_default();
        for (expected, found) in self.contents.iter().zip(contents) {
            let size = expected.scalar.size();
            let pairs = expected.bytes.chunks(size).zip(found.bytes.chunks(size));
            let mut apart = pairs.enumerate().filter(|(_, (a, b))| a != b);
            let Some((at, (a, b))) = apart.next() else {
                continue;
            };
            self.differences.push(Difference {
                buffer: expected.name.clone(),
                orders: [first.clone(), name(order)],
                byte: (at * size) as u64,
                values: [a, b].map(|bytes| expected.scalar.show(bytes)),
                numbers: 1 + apart.count() as u64,
            });
        }
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        let none = self.reports.is_empty() && self.dropped == 0;
        none && self.differences.is_empty() && self.stopped.is_none()
    }

    /// Whether other orders would only say the same.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// This as text.
    pub(super) fn text(&self, style: Style) -> Text<'_> {
        Text {
            findings: self,
            style,
        }
    }

    fn summary(&self) -> String {
        if self.is_empty() {
            return "nothing found".to_owned();
        }
        let mut parts = Vec::new();
        if !self.reports.is_empty() || self.dropped > 0 {
            let times = self.reports.iter().map(|report| report.count);
            let times: u64 = times.sum();
            let times = match times == self.reports.len() as u64 {
                true => String::new(),
                false => format!(", {times} times"),
            };
            parts.push(format!("{}{times}", counted(self.reports.len(), "fault")));
        }
        if self.dropped > 0 {
            parts.push(format!("{} times others that are not kept", self.dropped));
        }
        if !self.differences.is_empty() {
            let buffers: HashSet<&str> = self.differences.iter().map(|it| &*it.buffer).collect();
            let buffers = counted(buffers.len(), "buffer");
            parts.push(format!("{buffers} that the order of workgroups changes"));
        }
        if self.is_stopped() {
            parts.push("stopped early".to_owned());
        }
        parts.join("; ")
    }
}

/// [`Findings`] in a style.
pub(super) struct Text<'f> {
    findings: &'f Findings,
    style: Style,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = self.findings;
        for report in &findings.reports {
            writeln!(f, "{}\n", report.text(self.style))?;
        }
        for difference in &findings.differences {
            writeln!(f, "{difference}\n")?;
        }
        for values in &findings.values {
            writeln!(f, "{values}")?;
        }
        if let (Some(stopped), true) = (&findings.stopped, findings.reports.is_empty()) {
            writeln!(f, "{}", visible(stopped))?;
        }
        writeln!(f, "{}: {}", visible(&findings.checked), findings.summary())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (buffer, numbers) = (
            visible(&self.buffer),
            counted(self.numbers as usize, "number"),
        );
        let ([a, b], [one, other]) = (&self.values, &self.orders);
        let byte = self.byte;
        writeln!(
            f,
            "error[order]: what {buffer} holds depends on the order of workgroups"
        )?;
        write!(
            f,
            "  = {numbers}; the first, at byte {byte}: {a} when {one}, {b} when {other}"
        )
    }
}

/// What makes reports of different runs the same.
#[derive(PartialEq, Eq, Hash)]
struct Same {
    kind: dacapo::reference::Kind,
    party: Where,
    other: Option<Where>,
}

type Where = (String, Option<(u32, u32)>);

impl Same {
    fn of(report: &Report) -> Same {
        let place = |party: &Party| {
            let site = party.site.as_ref();
            let kernel = party.kernel.to_string();
            (kernel, site.map(|site| (site.line, site.column)))
        };
        Same {
            kind: report.kind,
            party: place(&report.party),
            other: report.other.as_ref().map(place),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// As `--order` takes it.
fn name(order: Order) -> String {
    match order {
        Order::Parallel => "parallel".to_owned(),
        Order::Forward => "forward".to_owned(),
        Order::Reverse => "reverse".to_owned(),
        Order::Shuffled(seed) => format!("shuffled:{seed}"),
    }
}
