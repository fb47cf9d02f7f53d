//! Colours, and the legend that explains them.

use core::fmt::{self, Write};
use std::collections::HashMap;

use crate::graph::draw::names::visible;
use crate::graph::draw::svg::layout::MARGIN;
use crate::graph::draw::svg::xml::{Escaped, shortened};
use crate::graph::draw::{Picture, Total};
use crate::hazard::HazardKind;

pub(super) const STYLE: &str = "
text{font:11px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1c2330}
.small{font-size:9.5px}.dim{fill:#6b7484}.head1{font-size:14px;font-weight:bold}
.wave{font-size:9px;fill:#8a93a3;text-anchor:middle}.scope{font-size:10.5px;fill:#4a5364;font-weight:bold}
.rule{font-style:italic}.page{fill:#fff}.band{fill:#f2f4f8}.band.second{fill:#e9edf4}
.bracket{fill:none;stroke:#9aa3b2}.barrier{stroke:#c3cad6;stroke-dasharray:1 3}
.barrier.placed{stroke:#1c2330;stroke-width:2;stroke-dasharray:none}
.node rect{stroke-width:1}.node rect.fused{stroke-width:2;stroke-dasharray:5 2}
.outline{fill:none;stroke:#6b7484;stroke-width:2;stroke-dasharray:5 2}
.edge{fill:none;stroke-width:1.2}.edge:hover{stroke-width:3}
.raw{stroke:#4b5568}.war{stroke:#b7791f;stroke-dasharray:5 3}.waw{stroke:#c0392b;stroke-dasharray:5 3}
.unknown{stroke:#7d3cbd;stroke-dasharray:1.5 2.5}
.head{stroke:none}.head.raw{fill:#4b5568}.head.war{fill:#b7791f}.head.waw{fill:#c0392b}.head.unknown{fill:#7d3cbd}
@media(prefers-color-scheme:dark){
text{fill:#e4e8ef}.dim{fill:#98a2b3}.wave{fill:#7b8596}.scope{fill:#b4bdcb}
.page{fill:#14171d}.band{fill:#1c2129}.band.second{fill:#232934}.bracket{stroke:#5b6577}
.barrier{stroke:#3c4554}.barrier.placed{stroke:#e4e8ef}
.raw{stroke:#a8b2c3}.war{stroke:#e0a94a}.waw{stroke:#e8786b}.unknown{stroke:#b98af0}
.head.raw{fill:#a8b2c3}.head.war{fill:#e0a94a}.head.waw{fill:#e8786b}.head.unknown{fill:#b98af0}
}
";

/// The kinds of lines: class, and what the legend says.
pub(super) const LINES: [(&str, &str); 4] = [
    ("raw", "read after write"),
    ("war", "write after read"),
    ("waw", "write after write"),
    ("unknown", "unknown access"),
];

/// The class of a line.
pub(super) fn line(kind: HazardKind) -> &'static str {
    match kind {
        HazardKind::ReadAfterWrite => "raw",
        HazardKind::WriteAfterRead => "war",
        HazardKind::WriteAfterWrite => "waw",
        HazardKind::Unknown => "unknown",
    }
}

/// A colour for each kind of operation.
pub(super) struct Palette {
    /// In the order of first use, with their numbers of nodes.
    ops: Vec<(String, usize)>,
    by_op: HashMap<String, usize>,
}

impl Palette {
    pub(super) fn new(picture: &Picture<'_>) -> Palette {
        let mut palette = Palette {
            ops: Vec::new(),
            by_op: HashMap::new(),
        };
        for node in &picture.graph.nodes[..picture.drawn()] {
            let at = palette.add(node.op_kind());
            palette.ops[at].1 += 1;
            for part in node.fused().iter().flat_map(|it| &it.parts) {
                palette.add(&part.op);
            }
        }
        palette
    }

    fn add(&mut self, op: &str) -> usize {
        if let Some(&at) = self.by_op.get(op) {
            return at;
        }
        let at = self.ops.len();
        self.ops.push((op.to_owned(), 0));
        self.by_op.insert(op.to_owned(), at);
        at
    }

    /// The class of boxes of this kind.
    pub(super) fn class(&self, op: &str) -> String {
        format!("op{}", self.by_op.get(op).copied().unwrap_or(0))
    }

    /// Hues a golden angle apart: however many there are, neighbours differ.
    pub(super) fn css(&self) -> String {
        let (mut light, mut dark) = (String::new(), String::new());
        for at in 0..self.ops.len() {
            let hue = (205 + at * 13751 / 100) % 360;
            light += &format!(".op{at}{{fill:hsl({hue},72%,88%);stroke:hsl({hue},45%,48%)}}");
            dark += &format!(".op{at}{{fill:hsl({hue},36%,25%);stroke:hsl({hue},48%,58%)}}");
        }
        format!("{light}@media(prefers-color-scheme:dark){{{dark}}}")
    }
}

/// Writes a heading, the kinds of operations and the kinds of lines; gives the height that they take.
pub(super) fn write_legend(
    picture: &Picture<'_>,
    palette: &Palette,
    width: i64,
    out: &mut String,
) -> Result<i64, fmt::Error> {
    const LINE: i64 = 20;
    let Total { waves, nodes } = picture.total;
    let barriers = picture.total.barriers();
    let left = MARGIN / 2;
    writeln!(
        out,
        "<text class=\"head1\" x=\"{left}\" y=\"24\">{nodes} nodes in {waves} waves, {barriers} barriers</text>"
    )?;
    let (mut x, mut y) = (left, 46);
    if let Some(left_out) = picture.left_out() {
        writeln!(
            out,
            "<text class=\"dim\" x=\"{left}\" y=\"{y}\">{}</text>",
            Escaped(&left_out)
        )?;
        y += LINE;
    }
    let mut entry = |text: &str, mark: &dyn Fn(i64, i64) -> String| {
        let text = shortened(&visible(text), 40);
        let taken = 32 + text.chars().count() as i64 * 7;
        if x > left && x + taken > width {
            (x, y) = (left, y + LINE);
        }
        let place = (x, y);
        x += taken + 14;
        writeln!(
            out,
            "{}<text x=\"{}\" y=\"{}\">{}</text>",
            mark(place.0, place.1),
            place.0 + 27,
            place.1,
            Escaped(&text)
        )?;
        Ok::<i64, fmt::Error>(place.1)
    };
    let mut bottom = 0;
    for (at, (op, count)) in palette.ops.iter().enumerate() {
        let mark = |x: i64, y: i64| {
            format!(
                "<rect class=\"op{at}\" x=\"{x}\" y=\"{}\" width=\"20\" height=\"13\" rx=\"3\"/>",
                y - 10
            )
        };
        let text = match count {
            0 => op.clone(),
            count => format!("{op} {count}"),
        };
        bottom = entry(&text, &mark)?;
    }
    let nodes = &picture.graph.nodes[..picture.drawn()];
    if nodes.iter().any(|node| node.fused.is_some()) {
        let mark = |x: i64, y: i64| {
            format!(
                "<rect class=\"outline\" x=\"{x}\" y=\"{}\" width=\"20\" height=\"13\" rx=\"3\"/>",
                y - 10
            )
        };
        bottom = entry("fused", &mark)?;
    }
    for (class, text) in LINES {
        if !picture.edges.iter().any(|edge| line(edge.kind()) == class) {
            continue;
        }
        let mark = |x: i64, y: i64| {
            format!(
                "<path class=\"edge {class}\" d=\"M{x} {0}H{1}\" marker-end=\"url(#{class})\"/>",
                y - 4,
                x + 21
            )
        };
        bottom = entry(text, &mark)?;
    }
    Ok(bottom.max(46) + 24)
}
