//! Which buffers a graph reads before it has written them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::graph::Node;
use crate::graph::node::NodeExtent;
use crate::hazard::AllocationId;
use crate::range::ByteRange;

/// The allocations of which some node reads bytes that no node before it has surely overwritten. Only a slot that its
/// kernel declares overwritten counts: others may leave bytes as they were.
pub(super) fn read_first(nodes: &[Node]) -> HashSet<AllocationId> {
    let mut written: HashMap<AllocationId, Covered> = HashMap::new();
    let mut needed = HashSet::new();
    for node in nodes {
        let interface = node.kernel.interface();
        let grid = match &node.grid.extent {
            NodeExtent::Indirect(view) => Some(view),
            _ => None,
        };
        let args = node.args.iter();
        let read = args.filter(|it| it.access.reads() || !interface.overwrites(it.slot));
        for view in read.map(|it| &it.view).chain(grid) {
            let covered = written.get(&view.allocation());
            if !covered.is_some_and(|it| it.contains(view.range)) {
                needed.insert(view.allocation());
            }
        }
        for arg in &node.args {
            if interface.overwrites(arg.slot) {
                let covered = written.entry(arg.view.allocation()).or_default();
                covered.add(arg.view.range);
            }
        }
    }
    needed
}

/// A set of bytes, as ranges apart from each other: their ends by their starts.
#[derive(Default)]
struct Covered(BTreeMap<u64, u64>);

impl Covered {
    fn contains(&self, range: ByteRange) -> bool {
        let before = self.0.range(..=range.start).next_back();
        before.is_some_and(|(_, end)| range.end <= *end)
    }

    fn add(&mut self, mut range: ByteRange) {
        while let Some((&start, &end)) = self.0.range(..=range.end).next_back() {
            if end < range.start {
                break;
            }
            self.0.remove(&start);
            range = ByteRange::new(range.start.min(start), range.end.max(end));
        }
        self.0.insert(range.start, range.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_become_one() {
        let mut covered = Covered::default();
        for (start, end) in [(0, 4), (8, 12), (20, 24), (4, 8)] {
            covered.add(ByteRange::new(start, end));
        }
        assert!(covered.contains(ByteRange::new(0, 12)));
        assert!(!covered.contains(ByteRange::new(0, 13)));
        assert!(!covered.contains(ByteRange::new(12, 20)));
        covered.add(ByteRange::new(2, 22));
        assert!(covered.contains(ByteRange::new(0, 24)));
        assert_eq!(covered.0.len(), 1);
    }
}
