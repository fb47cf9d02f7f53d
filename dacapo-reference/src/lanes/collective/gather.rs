//! Elements of other lanes of a subgroup.

use core::cell::Cell;

use super::{MAX_SIZE, members, subgroups};
use crate::lanes::Lanes;
use crate::mask::Mask;

/// Whose element a lane gets. `index` is the lane's own element of the row of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gather {
    /// That of the first active lane.
    BroadcastFirst,
    /// That of lane `index`.
    Broadcast,
    /// That of lane `index`.
    Shuffle,
    /// That of the lane `index` after this one.
    ShuffleDown,
    /// That of the lane `index` before this one.
    ShuffleUp,
    /// That of this lane's number `xor` index.
    ShuffleXor,
    /// That of lane `index` of four.
    QuadBroadcast,
    /// That of the neighbour in a pair.
    QuadSwapX,
    /// That of the same lane of the other pair.
    QuadSwapY,
    /// That of the other lane of the other pair.
    QuadSwapDiagonal,
}

impl Gather {
    /// The source of a lane of the subgroup, if there is such a number.
    fn source(self, lane: u32, index: u32, first_active: u32) -> Option<u32> {
        match self {
            Gather::BroadcastFirst => Some(first_active),
            Gather::Broadcast | Gather::Shuffle => Some(index),
            Gather::ShuffleDown => lane.checked_add(index),
            Gather::ShuffleUp => lane.checked_sub(index),
            Gather::ShuffleXor => Some(lane ^ index),
            Gather::QuadBroadcast => (index < 4).then_some(lane & !3 | index),
            Gather::QuadSwapX => Some(lane ^ 1),
            Gather::QuadSwapY => Some(lane ^ 2),
            Gather::QuadSwapDiagonal => Some(lane ^ 3),
        }
    }
}

/// For the active lanes of each subgroup, `dst` becomes the source's element of `a`; `dst` may be any of the rows.
/// Kinds that have no index do not look at it; a row that is missing counts as zeros.
///
/// Gives the active lanes whose source is not active, or not in the subgroup: they get 0.
pub(crate) fn gather(
    kind: Gather,
    dst: Lanes<'_>,
    a: Lanes<'_>,
    index: Option<Lanes<'_>>,
    active: &Mask,
    size: usize,
) -> Mask {
    let mut sourceless = Mask::default();
    let mut elements = [0; MAX_SIZE];
    for subgroup in subgroups(dst.len().min(a.len()), size) {
        let first = subgroup.start;
        let Some(first_active) = members(subgroup.clone(), active).next() else {
            continue;
        };
        for (kept, element) in elements.iter_mut().zip(&a[subgroup.clone()]) {
            *kept = element.get();
        }
        for lane in members(subgroup.clone(), active) {
            let index = index.and_then(|row| row.get(lane)).map_or(0, Cell::get);
            let source = kind
                .source((lane - first) as u32, index, (first_active - first) as u32)
                .map(|source| source as usize)
                .filter(|source| *source < subgroup.len() && active.contains(first + source));
            if source.is_none() {
                sourceless.insert(lane);
            }
            dst[lane].set(source.map_or(0, |source| elements[source]));
        }
    }
    sourceless
}

/// For the active lanes of each subgroup, `dst` becomes 128 bits: which of them have a predicate that is not 0.
pub(crate) fn ballot(dst: [Lanes<'_>; 4], predicate: Lanes<'_>, active: &Mask, size: usize) {
    for subgroup in subgroups(predicate.len(), size) {
        let first = subgroup.start;
        let members = members(subgroup, active);
        let yes = members.clone().filter(|lane| predicate[*lane].get() != 0);
        let bits = yes.fold(0u128, |bits, lane| bits | 1 << (lane - first));
        for lane in members {
            for (word, row) in dst.iter().enumerate() {
                row[lane].set((bits >> (32 * word)) as u32);
            }
        }
    }
}
