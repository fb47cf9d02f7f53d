//! Brackets above rows for the scopes of what is below.

use core::fmt::{self, Write};
use std::collections::BTreeMap;

use crate::graph::draw::Picture;
use crate::graph::draw::names::visible;
use crate::graph::draw::svg::channel::Channel;
use crate::graph::draw::svg::layout::Layout;
use crate::graph::draw::svg::xml::{Escaped, shortened};

/// Nested scopes that are shown at most, outermost first.
const DEPTH: usize = 3;

/// A scope in one row.
pub(super) struct Bracket {
    row: usize,
    columns: [usize; 2],
    /// From the row upwards.
    track: usize,
    label: String,
    /// Whether it is outermost, and has a band behind its boxes: every second one darker.
    band: Option<bool>,
}

/// The brackets of all rows; tells the layout how many tracks they take.
pub(super) fn brackets(picture: &Picture<'_>, layout: &mut Layout) -> Vec<Bracket> {
    let scopes = &picture.graph.scopes;
    // By row, depth and scope: the first and the last column.
    let mut spans: BTreeMap<(usize, usize, usize), [usize; 2]> = BTreeMap::new();
    for (number, wave) in picture.waves.iter().enumerate() {
        let (row, column) = layout.row_and_column(number);
        for node in &picture.graph.nodes[wave.clone()] {
            let mut path = Vec::new();
            let mut at = node.scope;
            while let Some(scope) = at {
                path.push(scope.index());
                at = scopes[scope.index()].parent;
            }
            for (depth, scope) in path.into_iter().rev().take(DEPTH).enumerate() {
                let span = spans.entry((row, depth, scope)).or_insert([column, column]);
                span[1] = column;
            }
        }
    }
    let mut channels = vec![Channel::default(); layout.rows.len()];
    let mut outermost: Vec<usize> = spans
        .keys()
        .filter(|(_, depth, _)| *depth == 0)
        .map(|(.., scope)| *scope)
        .collect();
    outermost.sort_unstable();
    outermost.dedup();
    let mut brackets = Vec::new();
    // Inner scopes take the tracks next to the row.
    for ((row, depth, scope), columns) in spans.into_iter().rev() {
        let track = channels[row].take(columns[0] as i64, columns[1] as i64);
        brackets.push(Bracket {
            row,
            columns,
            track,
            label: visible(&scopes[scope].label),
            band: (depth == 0).then(|| outermost.binary_search(&scope).is_ok_and(|at| at % 2 == 1)),
        });
    }
    for (row, channel) in layout.rows.iter_mut().zip(&channels) {
        row.bracket_tracks = channel.len();
    }
    brackets
}

pub(super) fn write(brackets: &[Bracket], layout: &Layout, out: &mut String) -> fmt::Result {
    for bracket in brackets {
        if let Some(dark) = bracket.band {
            write_band(bracket, dark, layout, out)?;
        }
    }
    for bracket in brackets {
        let (x, end) = bracket.ends(layout);
        let y = layout.bracket_y(bracket.row, bracket.track);
        if bracket.band.is_none() {
            let foot = y + 1;
            writeln!(
                out,
                "<path class=\"bracket\" d=\"M{x} {foot}V{}H{end}V{foot}\"/>",
                y - 2
            )?;
        }
        let room = ((end - x) / 7).max(3) as usize;
        writeln!(
            out,
            "<text class=\"scope\" x=\"{}\" y=\"{}\">{}</text>",
            x + 6,
            y - 4,
            Escaped(&shortened(&bracket.label, room))
        )?;
    }
    Ok(())
}

fn write_band(bracket: &Bracket, dark: bool, layout: &Layout, out: &mut String) -> fmt::Result {
    let (x, end) = bracket.ends(layout);
    let top = layout.bracket_y(bracket.row, bracket.track) - 15;
    let height = layout.row_bottom(bracket.row) + 5 - top;
    let class = if dark { "band second" } else { "band" };
    let width = end - x;
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"5\"/>"
    )
}

impl Bracket {
    /// Its left and its right end.
    fn ends(&self, layout: &Layout) -> (i64, i64) {
        let [first, last] = self.columns;
        let end = layout.column_x(last) + layout.box_width;
        (layout.column_x(first) - 8, end + 8)
    }
}
