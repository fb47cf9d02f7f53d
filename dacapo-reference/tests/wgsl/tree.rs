//! What is drawn at random, and made smaller when something is wrong: trees of numbers.
//!
//! Which code a tree stands for depends on what is needed where it is used, so that every tree is a correct program, and
//! so is whatever is left of it.

use proptest::prelude::*;

#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) pick: u32,
    pub(crate) kids: Vec<Node>,
}

/// What stands for children that are not there.
static LEAVES: [Node; 8] = [
    leaf(0),
    leaf(0x0000_3001),
    leaf(0x0110_5002),
    leaf(0x1230_7003),
    leaf(0x4321_2005),
    leaf(0x0300_1006),
    leaf(0x7007_d007),
    leaf(0x0550_a009),
];

const fn leaf(pick: u32) -> Node {
    Node {
        pick,
        kids: Vec::new(),
    }
}

impl Node {
    /// A child, or a leaf where there are fewer.
    pub(crate) fn kid(&self, at: usize) -> &Node {
        let missing = self.pick as usize % 5 + at;
        self.kids.get(at).unwrap_or(&LEAVES[missing % LEAVES.len()])
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.kids.is_empty()
    }

    /// One of so many.
    pub(crate) fn choose(&self, count: u32) -> u32 {
        self.pick % count.max(1)
    }

    /// A choice that is independent of [`Node::choose`].
    pub(crate) fn detail(&self, count: u32) -> u32 {
        (self.pick >> 12) % count.max(1)
    }
}

/// Of up to five levels below the first, most of them full.
pub(crate) fn nodes() -> BoxedStrategy<Node> {
    let leaves = || any::<u32>().prop_map(leaf);
    (0..5).fold(leaves().boxed(), |inner, _| {
        let parent = (any::<u32>(), prop::collection::vec(inner, 2..5))
            .prop_map(|(pick, kids)| Node { pick, kids });
        prop_oneof![1 => leaves(), 4 => parent].boxed()
    })
}
