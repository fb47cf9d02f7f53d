use core::fmt::{self, Write};

use crate::graph::draw::names::{Bytes, kernel, visible};
use crate::graph::draw::{Picture, Total};
use crate::hazard::HazardKind;

/// The picture in Graphviz' language.
pub(super) fn dot(picture: &Picture<'_>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_dot(picture, &mut text);
    text
}

fn write_dot(picture: &Picture<'_>, out: &mut String) -> fmt::Result {
    writeln!(out, "digraph graph_of_dispatches {{")?;
    writeln!(out, "  rankdir=LR; newrank=true; fontname=\"monospace\";")?;
    writeln!(
        out,
        "  node [shape=box, fontname=\"monospace\", fontsize=10];"
    )?;
    writeln!(out, "  edge [fontname=\"monospace\", fontsize=8];")?;
    let Total { waves, nodes } = picture.total;
    let barriers = picture.total.barriers();
    let left_out = picture.left_out().map(|text| format!("\\n{text}"));
    let left_out = left_out.unwrap_or_default();
    writeln!(
        out,
        "  label=\"{nodes} nodes, {waves} waves, {barriers} barriers{left_out}\";"
    )?;
    for (number, wave) in picture.waves.iter().enumerate() {
        writeln!(out, "  subgraph cluster_wave_{number} {{")?;
        let cause = picture
            .cause(number)
            .map(|cause| cause.explain(picture.graph, &picture.names));
        writeln!(
            out,
            "    label=\"wave {number}\"; style=rounded; color=gray; tooltip=\"{}\";",
            Quoted(&cause.unwrap_or_default())
        )?;
        for index in wave.clone() {
            write_node(picture, index, out)?;
        }
        writeln!(out, "  }}")?;
    }
    // Waves stand from left to right even where no hazard says so.
    for pair in picture.waves.windows(2) {
        writeln!(
            out,
            "  n{} -> n{} [style=invis];",
            pair[0].start, pair[1].start
        )?;
    }
    for edge in &picture.edges {
        let label: Vec<String> = (edge.hazards.iter())
            .map(|it| match it.kind {
                HazardKind::Unknown => "unknown".to_owned(),
                kind => format!("{} {}", short(kind), Bytes(it.bytes)),
            })
            .collect();
        let style = match edge.kind() {
            HazardKind::ReadAfterWrite => "solid",
            HazardKind::WriteAfterRead | HazardKind::WriteAfterWrite => "dashed",
            HazardKind::Unknown => "dotted",
        };
        let (from, to, label) = (edge.from, edge.to, label.join("\\n"));
        writeln!(
            out,
            "  n{from} -> n{to} [label=\"{label}\", style={style}];"
        )?;
    }
    writeln!(out, "}}")
}

fn write_node(picture: &Picture<'_>, index: usize, out: &mut String) -> fmt::Result {
    let node = &picture.graph.nodes[index];
    let (name, grid) = (kernel(node), picture.names.grid(&node.grid));
    let scopes = picture.graph.scope_path(node);
    let scopes: Vec<String> = scopes.into_iter().map(visible).collect();
    let statement = format!(
        "n{index} [label=\"{index} {}\\n{}\", tooltip=\"{}\"];",
        Quoted(&name),
        Quoted(&grid),
        Quoted(&scopes.join("/"))
    );
    let Some(fused) = node.fused() else {
        return writeln!(out, "    {statement}");
    };
    writeln!(out, "    subgraph cluster_fused_{index} {{")?;
    writeln!(out, "      label=\"{}\"; style=dashed;", Quoted(fused.rule))?;
    writeln!(out, "      {{ rank=same; {statement}")?;
    for (part, it) in fused.parts.iter().enumerate() {
        writeln!(
            out,
            "        n{index}_{part} [shape=plain, fontsize=8, label=\"{} {}\"];",
            it.index,
            Quoted(&visible(&it.kernel))
        )?;
    }
    writeln!(out, "    }} }}")
}

pub(super) fn short(kind: HazardKind) -> &'static str {
    match kind {
        HazardKind::ReadAfterWrite => "RAW",
        HazardKind::WriteAfterRead => "WAR",
        HazardKind::WriteAfterWrite => "WAW",
        HazardKind::Unknown => "unknown",
    }
}

/// Text between double quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            if matches!(char, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(char)?;
        }
        Ok(())
    }
}
