use core::fmt;
use core::ops::Range;

use crate::graph::draw::cause::causes_in_plan;
use crate::graph::draw::names::{self, Bytes, Names, short, visible};
use crate::graph::{Graph, Node, Plan};
use crate::options::Hazards;

/// The columns of a node's line, without the number.
type Columns = [String; 4];

/// One line for each node: its number, kernel, grid, scopes, and what it binds.
struct Lines<'g> {
    graph: &'g Graph,
    names: &'g Names<'g>,
    rows: Vec<Columns>,
    /// Of all columns but the last.
    widths: [usize; 3],
    number: usize,
}

impl<'g> Lines<'g> {
    fn new(graph: &'g Graph, names: &'g Names<'g>) -> Lines<'g> {
        let columns = |node| columns(graph, names, node);
        let rows: Vec<Columns> = graph.nodes.iter().map(columns).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        };
        Lines {
            widths: [width(0), width(1), width(2)],
            number: graph.nodes.len().saturating_sub(1).to_string().len(),
            graph,
            names,
            rows,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, nodes: Range<usize>) -> fmt::Result {
        let ([kernel, grid, scope], number) = (self.widths, self.number);
        for index in nodes {
            let [a, b, c, slots] = &self.rows[index];
            let line =
                format!("  {index:>number$}  {a:<kernel$}  {b:<grid$}  {c:<scope$}  {slots}");
            writeln!(f, "{}", line.trim_end())?;
            if let Some(fused) = self.graph.nodes[index].fused() {
                let parts = fused.parts.iter();
                let parts = parts.map(|it| format!("{} {}", it.index, visible(&it.kernel)));
                let parts = parts.collect::<Vec<_>>().join(" + ");
                let rule = visible(fused.rule);
                writeln!(f, "  {:number$}  = {parts}  (rule {rule})", "")?;
            }
        }
        Ok(())
    }
}

fn columns(graph: &Graph, names: &Names<'_>, node: &Node) -> Columns {
    let slot = |access, slot, view| format!("{slot} {} {}", short(access), names.view(view));
    let mut slots: Vec<String> = (node.args.iter())
        .map(|arg| slot(arg.access, arg.slot, &arg.view))
        .collect();
    if !node.inline.is_empty() {
        slots.push(format!("+ {} inline", Bytes(node.inline.len() as u64)));
    }
    if node.kernel.interface().touches_anything() {
        slots.push("may touch anything".to_owned());
    }
    let scopes: Vec<String> = graph.scope_path(node).into_iter().map(visible).collect();
    [
        names::kernel(node),
        names.grid(&node.grid),
        scopes.join("/"),
        slots.join("  "),
    ]
}

impl fmt::Display for Graph {
    /// One line for each node in program order, with explicit barriers between them: number, kernel (and its kind of
    /// operation), grid, scopes, and each slot with its access (`r`, `w`, `rw`) and the bytes bound there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Names::new(self);
        let lines = Lines::new(self, &names);
        let hazards = match self.hazards {
            Hazards::Auto => "auto",
            Hazards::Manual => "manual",
            Hazards::Serial => "serial",
        };
        let (nodes, scopes) = (self.nodes.len(), self.scopes.len());
        let barriers = self.nodes.iter().filter(|it| it.barrier_before).count()
            + usize::from(self.ends_with_barrier);
        let info = self.device.info();
        writeln!(
            f,
            "graph: {nodes} nodes, {scopes} scopes, {barriers} explicit barriers, hazards {hazards}, \
             {} ({})",
            info.name, info.backend
        )?;
        for (index, node) in self.nodes.iter().enumerate() {
            if node.barrier_before {
                writeln!(f, "  -- barrier")?;
            }
            lines.write(f, index..index + 1)?;
        }
        match self.ends_with_barrier {
            true => writeln!(f, "  -- barrier"),
            false => Ok(()),
        }
    }
}

impl fmt::Display for Plan {
    /// The waves, each with the cause of the barrier in front of it and a line for each of its nodes, as the
    /// graph has them. Below a fused node is what it stands for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.graph();
        let waves: Vec<Range<usize>> = self.waves().collect();
        let names = Names::new(graph);
        let lines = Lines::new(graph, &names);
        let fused = graph.nodes.iter().filter(|it| it.fused.is_some()).count();
        writeln!(
            f,
            "plan: {} nodes ({fused} fused) in {} waves, {} barriers",
            graph.nodes.len(),
            waves.len(),
            waves.len().saturating_sub(1)
        )?;
        let causes = causes_in_plan(self);
        for (number, wave) in waves.into_iter().enumerate() {
            match number.checked_sub(1).and_then(|before| causes.get(before)) {
                None => writeln!(f, "wave {number}")?,
                Some(cause) => {
                    let cause = cause.explain(graph, lines.names);
                    writeln!(f, "wave {number}, after a barrier: {cause}")?;
                }
            }
            lines.write(f, wave)?;
        }
        Ok(())
    }
}
