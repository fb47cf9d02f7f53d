//! The picture as SVG.

mod boxes;
mod channel;
mod layout;
mod route;
mod scopes;
mod style;
mod xml;

use core::fmt::{self, Write};

use crate::encoder::BarrierCause;
use crate::graph::draw::Picture;
use crate::graph::draw::cause::{conflict, numbered};
use crate::graph::draw::edges::Edge;
use crate::graph::draw::names::Bytes;
use crate::hazard::HazardKind;
use boxes::write_box;
use layout::{GAP, Layout, MARGIN};
use route::Routes;
use style::{Palette, STYLE, write_legend};
use xml::Escaped;

pub(super) fn svg(picture: &Picture<'_>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_svg(picture, &mut text);
    text
}

fn write_svg(picture: &Picture<'_>, out: &mut String) -> fmt::Result {
    let palette = Palette::new(picture);
    let mut layout = Layout::new(picture);
    let routes = Routes::new(picture, &mut layout);
    let brackets = scopes::brackets(picture, &mut layout);
    let mut body = String::new();
    let legend = write_legend(picture, &palette, layout.width(), &mut body)?;
    layout.place(legend);
    let (width, height) = (layout.width(), layout.height());
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">"
    )?;
    writeln!(out, "<style>{STYLE}{}</style>", palette.css())?;
    writeln!(out, "<defs>")?;
    for (class, _) in style::LINES {
        writeln!(
            out,
            "<marker id=\"{class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path class=\"head {class}\" d=\"M0 0.5 8 4 0 7.5z\"/></marker>"
        )?;
    }
    writeln!(out, "</defs>")?;
    writeln!(
        out,
        "<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>"
    )?;
    out.push_str(&body);
    scopes::write(&brackets, &layout, out)?;
    write_waves(picture, &layout, out)?;
    for (edge, path) in picture.edges.iter().zip(routes.paths(&layout)) {
        write_edge(picture, edge, &path, out)?;
    }
    for index in 0..picture.drawn() {
        write_box(picture, &palette, index, &layout, out)?;
    }
    for (x, y, more) in layout.hidden() {
        writeln!(
            out,
            "<text class=\"dim\" x=\"{x}\" y=\"{y}\">+ {more} more</text>"
        )?;
    }
    writeln!(out, "</svg>")
}

/// The numbers of the waves, and a line for the barrier in front of each.
fn write_waves(picture: &Picture<'_>, layout: &Layout, out: &mut String) -> fmt::Result {
    for number in 0..picture.waves.len() {
        let column = layout.column(number);
        let (x, middle) = (column.x, column.x + layout.box_width / 2);
        writeln!(
            out,
            "<text class=\"wave\" x=\"{middle}\" y=\"{}\">wave {number}</text>",
            column.top - 6
        )?;
        let Some(cause) = picture.cause(number) else {
            continue;
        };
        let class = match cause.cause {
            BarrierCause::Explicit => "barrier placed",
            _ => "barrier",
        };
        let x = if column.first {
            x - MARGIN / 2
        } else {
            x - GAP / 2
        };
        let why = cause.explain(picture.graph, &picture.names);
        writeln!(
            out,
            "<path class=\"{class}\" d=\"M{x} {}V{}\"><title>barrier: {}</title></path>",
            column.top - 12,
            column.bottom,
            Escaped(&why)
        )?;
    }
    Ok(())
}

fn write_edge(picture: &Picture<'_>, edge: &Edge, path: &str, out: &mut String) -> fmt::Result {
    if path.is_empty() {
        return Ok(());
    }
    let class = style::line(edge.kind());
    let call = |index: usize| numbered(index, &picture.graph.nodes[index]);
    let (later, earlier) = (call(edge.to), call(edge.from));
    let sentences: Vec<String> = (edge.hazards.iter())
        .map(|hazard| {
            let first = hazard
                .first
                .map(|(id, range)| picture.names.range(id, range));
            let sentence = conflict(hazard.kind, &later, &earlier, &first.unwrap_or_default());
            match hazard.kind {
                HazardKind::Unknown => sentence,
                kind => format!("{kind}, {}: {sentence}", Bytes(hazard.bytes)),
            }
        })
        .collect();
    writeln!(
        out,
        "<path class=\"edge {class}\" d=\"{path}\" marker-end=\"url(#{class})\"><title>{}</title></path>",
        Escaped(&sentences.join("\n"))
    )
}
