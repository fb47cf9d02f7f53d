//! Merging neighbours, best pair first: the core of BPE and of SentencePiece's BPE.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Which neighbours merge, how early, and into what.
pub(super) trait Merges {
    /// What a piece of text is known by.
    type Piece: Copy + PartialEq;
    /// Order of merging: the smallest first, and of equals the leftmost.
    type Rank: Ord + Copy;

    /// The rank and result of merging two neighbours, if they merge.
    fn merge(&self, left: Self::Piece, right: Self::Piece) -> Option<(Self::Rank, Self::Piece)>;
}

/// Merges neighbours until none is left to merge, in O(n log n), and gives the pieces in order.
pub(super) fn merge_all<M: Merges>(
    merges: &M,
    pieces: impl ExactSizeIterator<Item = M::Piece>,
) -> Vec<M::Piece> {
    let count = pieces.len();
    let mut nodes: Vec<Node<M::Piece>> = pieces
        .enumerate()
        .map(|(i, piece)| Node {
            piece: Some(piece),
            before: i.wrapping_sub(1),
            after: i + 1,
        })
        .collect();
    let mut queue = BinaryHeap::with_capacity(count);
    for right in 1..count {
        enqueue(merges, &nodes, right - 1, right, &mut queue);
    }
    while let Some(Reverse(next)) = queue.pop() {
        let Candidate { left, right, .. } = next;
        let (Some(l), Some(r)) = (nodes[left].piece, nodes[right].piece) else {
            continue;
        };
        if nodes[left].after != right {
            continue;
        }
        // One side may have grown since this pair was queued; its new pairs are queued too.
        match merges.merge(l, r) {
            Some((rank, merged)) if rank == next.rank => nodes[left].piece = Some(merged),
            _ => continue,
        }
        let after = nodes[right].after;
        nodes[right].piece = None;
        nodes[left].after = after;
        if after < count {
            nodes[after].before = left;
            enqueue(merges, &nodes, left, after, &mut queue);
        }
        let before = nodes[left].before;
        if before < count {
            enqueue(merges, &nodes, before, left, &mut queue);
        }
    }
    nodes.into_iter().filter_map(|node| node.piece).collect()
}

struct Node<P> {
    /// `None` once merged into the left neighbour.
    piece: Option<P>,
    before: usize,
    after: usize,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<R> {
    rank: R,
    left: usize,
    right: usize,
}

fn enqueue<M: Merges>(
    merges: &M,
    nodes: &[Node<M::Piece>],
    left: usize,
    right: usize,
    queue: &mut BinaryHeap<Reverse<Candidate<M::Rank>>>,
) {
    if let (Some(l), Some(r)) = (nodes[left].piece, nodes[right].piece)
        && let Some((rank, _)) = merges.merge(l, r)
    {
        queue.push(Reverse(Candidate { rank, left, right }));
    }
}
