//! The boxes of nodes.

use core::fmt::{self, Write};

use crate::graph::Node;
use crate::graph::draw::Picture;
use crate::graph::draw::names::{kernel, visible};
use crate::graph::draw::svg::layout::Layout;
use crate::graph::draw::svg::style::Palette;
use crate::graph::draw::svg::xml::{Escaped, shortened};

/// Characters of a name that a box shows at most.
const LONGEST_NAME: usize = 28;
const PADDING: i64 = 8;
/// Heights are even, so that boxes of any height have their middles on one line.
const NAME_AND_GRID: i64 = 34;
/// A line for each part of a fused node, and one for the rule.
const PART: i64 = 16;
/// Parts that are listed at most.
const PARTS: usize = 8;

/// Hundredths of a pixel that a character of a box takes.
const CHARACTER: i64 = 662;

/// The width of all boxes: that of the longest name.
pub(super) fn width(picture: &Picture<'_>) -> i64 {
    let nodes = &picture.graph.nodes[..picture.drawn()];
    let names = nodes.iter().map(|node| node.kernel.name().chars().count());
    let longest = names.max().unwrap_or(0).clamp(10, LONGEST_NAME);
    let number = picture.drawn().saturating_sub(1).to_string().len();
    (longest + 2 + number) as i64 * CHARACTER / 100 + 2 * PADDING
}

pub(super) fn height(node: &Node) -> i64 {
    let parts = node.fused().map_or(0, |it| it.parts.len());
    match parts {
        0 => NAME_AND_GRID,
        parts => {
            let more = usize::from(parts > PARTS);
            NAME_AND_GRID + 6 + PART * (1 + parts.min(PARTS) + more) as i64
        }
    }
}

pub(super) fn write_box(
    picture: &Picture<'_>,
    palette: &Palette,
    index: usize,
    layout: &Layout,
    out: &mut String,
) -> fmt::Result {
    let node = &picture.graph.nodes[index];
    let Some(placed) = layout.placed(index) else {
        return Ok(());
    };
    let ((x, y), width) = (layout.corner(placed), layout.box_width);
    let room = ((width - 2 * PADDING) * 100 / CHARACTER) as usize;
    writeln!(
        out,
        "<g class=\"node\"><title>{}</title>",
        Escaped(&title(picture, index))
    )?;
    let (class, height) = (palette.class(node.op_kind()), placed.height);
    let group = if node.fused().is_some() { " fused" } else { "" };
    writeln!(
        out,
        "<rect class=\"{class}{group}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\"/>"
    )?;
    let number = index.to_string();
    let name = shortened(
        &visible(node.kernel.name()),
        room.saturating_sub(number.len() + 1),
    );
    let text_x = x + PADDING;
    writeln!(
        out,
        "<text x=\"{text_x}\" y=\"{}\"><tspan class=\"dim\">{number}</tspan> {}</text>",
        y + 14,
        Escaped(&name)
    )?;
    let grid = shortened(&picture.names.grid(&node.grid), room + 1);
    writeln!(
        out,
        "<text class=\"small\" x=\"{text_x}\" y=\"{}\">{}</text>",
        y + 27,
        Escaped(&grid)
    )?;
    if let Some(fused) = node.fused() {
        let mut line = y + NAME_AND_GRID + 9;
        let rule = shortened(&visible(fused.rule), room + 1);
        writeln!(
            out,
            "<text class=\"small rule\" x=\"{text_x}\" y=\"{line}\">{}</text>",
            Escaped(&rule)
        )?;
        for part in fused.parts.iter().take(PARTS) {
            line += PART;
            let text = format!("{} {}", part.index, visible(&part.kernel));
            writeln!(
                out,
                "<rect class=\"{}\" x=\"{text_x}\" y=\"{}\" width=\"{}\" height=\"13\" rx=\"3\"/><text class=\"small\" x=\"{}\" y=\"{line}\">{}</text>",
                palette.class(&part.op),
                line - 10,
                width - 2 * PADDING,
                text_x + 4,
                Escaped(&shortened(&text, room))
            )?;
        }
        if fused.parts.len() > PARTS {
            line += PART;
            let more = fused.parts.len() - PARTS;
            writeln!(
                out,
                "<text class=\"small\" x=\"{text_x}\" y=\"{line}\">+ {more} more</text>"
            )?;
        }
    }
    writeln!(out, "</g>")
}

/// All there is to say of a node.
fn title(picture: &Picture<'_>, index: usize) -> String {
    let node = &picture.graph.nodes[index];
    let scopes = picture.graph.scope_path(node);
    let mut lines = vec![
        format!("{index} {}", kernel(node)),
        picture.names.grid(&node.grid),
    ];
    if !scopes.is_empty() {
        lines.push(
            scopes
                .into_iter()
                .map(visible)
                .collect::<Vec<_>>()
                .join("/"),
        );
    }
    let slots = node.args.iter();
    lines.extend(
        slots.map(|it| format!("{} {} {}", it.slot, it.access, picture.names.view(&it.view))),
    );
    if !node.inline.is_empty() {
        lines.push(format!("{} inline bytes", node.inline.len()));
    }
    if node.kernel.interface().touches_anything() {
        lines.push("may touch anything".to_owned());
    }
    if let Some(fused) = node.fused() {
        lines.push(format!("fused by rule {}:", visible(fused.rule)));
        let parts = fused.parts.iter();
        lines.extend(parts.map(|it| format!("= {} {}", it.index, visible(&it.kernel))));
    }
    lines.join("\n")
}
