//! How memory, grids and nodes are called.

use core::fmt;
use std::collections::{HashMap, HashSet};

use crate::access::Access;
use crate::graph::node::NodeExtent;
use crate::graph::{Graph, Node, NodeGrid};
use crate::hazard::AllocationId;
use crate::memory::{Allocation, BufferView};
use crate::range::ByteRange;

/// The names of the allocations of a graph.
pub(super) struct Names<'g> {
    labels: HashMap<AllocationId, &'g str>,
    /// Labels of several allocations, which need a number.
    ambiguous: HashSet<&'g str>,
}

/// Everything that a node refers to.
pub(super) fn views(node: &Node) -> impl Iterator<Item = &BufferView> {
    let grid = match &node.grid.extent {
        NodeExtent::Indirect(view) => Some(view),
        _ => None,
    };
    node.args.iter().map(|arg| &arg.view).chain(grid)
}

impl<'g> Names<'g> {
    pub(super) fn new(graph: &'g Graph) -> Names<'g> {
        let mut labels = HashMap::new();
        let mut seen = HashSet::new();
        let mut ambiguous = HashSet::new();
        for view in graph.nodes.iter().flat_map(views) {
            let Allocation { id, label, .. } = &*view.allocation;
            if labels.insert(*id, &**label).is_none() && !seen.insert(&**label) {
                ambiguous.insert(&**label);
            }
        }
        Names { labels, ambiguous }
    }

    pub(super) fn view(&self, view: &BufferView) -> String {
        self.range(view.allocation(), view.range)
    }

    /// Bytes of an allocation, such as `hidden[0..2304]`.
    pub(super) fn range(&self, allocation: AllocationId, range: ByteRange) -> String {
        let label = self.labels.get(&allocation).copied().unwrap_or_default();
        let id = allocation.index();
        match (label.is_empty(), self.ambiguous.contains(label)) {
            (true, _) => format!("#{id}[{range}]"),
            (false, true) => format!("{}#{id}[{range}]", visible(label)),
            (false, false) => format!("{}[{range}]", visible(label)),
        }
    }

    /// The grid, and the shared memory that was asked for with it.
    pub(super) fn grid(&self, grid: &NodeGrid) -> String {
        let mut text = match &grid.extent {
            NodeExtent::Groups(groups) => extent(*groups, "group"),
            NodeExtent::Threads(threads) => extent(*threads, "thread"),
            NodeExtent::Indirect(view) => format!("as {}", self.view(view)),
        };
        if grid.shared_bytes > 0 {
            text += &format!(" + {}", Bytes(grid.shared_bytes.into()));
        }
        text
    }
}

/// Such as `8x3 groups`: axes of 1 at the end are left out.
fn extent(axes: [u32; 3], unit: &str) -> String {
    match axes {
        [1, 1, 1] => format!("1 {unit}"),
        [x, 1, 1] => format!("{x} {unit}s"),
        [x, y, 1] => format!("{x}x{y} {unit}s"),
        [x, y, z] => format!("{x}x{y}x{z} {unit}s"),
    }
}

/// A kernel's name, and its kind of operation where that is something else.
pub(super) fn kernel(node: &Node) -> String {
    let (name, op) = (visible(node.kernel.name()), visible(node.op_kind()));
    match name == op {
        true => name,
        false => format!("{name} ({op})"),
    }
}

/// What a node does with memory.
pub(super) fn short(access: Access) -> &'static str {
    match access {
        Access::Read => "r",
        Access::Write => "w",
        Access::ReadWrite => "rw",
    }
}

/// A number of bytes, in the largest unit of which there is at least one.
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB"];
        let (mut value, mut unit) = (self.0 as f64, None);
        for name in units {
            if value >= 1024.0 {
                (value, unit) = (value / 1024.0, Some(name));
            }
        }
        match unit {
            None => write!(f, "{} B", self.0),
            Some(unit) => write!(f, "{value:.1} {unit}"),
        }
    }
}

/// `text` with control characters escaped: labels can be anything.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => shown.extend(char.escape_debug()),
            false => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_fitting_unit() {
        let shown = [0, 1023, 1024, 1 << 20, u64::MAX].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "16777216.0 TiB"]
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(visible("a\u{1b}[0m\nb"), "a\\u{1b}[0m\\nb");
    }
}
