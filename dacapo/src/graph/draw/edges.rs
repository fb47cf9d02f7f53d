//! Which nodes wait for which: the immediate hazards, less those that others imply.

use std::collections::{BTreeMap, HashMap};

use smallvec::SmallVec;

use crate::graph::dag::Step;
use crate::hazard::{AllocationId, HazardKind, RangeAccess};
use crate::range::ByteRange;

/// Steps after which no more hazards are looked for. Real graphs take some tens of thousands.
const MAX_STEPS: usize = 20_000_000;

/// Edges of a picture at most.
const MAX_EDGES: usize = 20_000;

/// Two nodes of which the later waits for the earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// By kind, at most one of each, reads of what was written first.
    pub(super) hazards: SmallVec<[Conflict; 1]>,
}

/// What makes one node wait for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) kind: HazardKind,
    /// Bytes that both touch, in all ranges together.
    pub(super) bytes: u64,
    /// Where the first of them are; none where anything may be touched.
    pub(super) first: Option<(AllocationId, ByteRange)>,
}

impl Edge {
    /// The kind by which it is drawn.
    pub(super) fn kind(&self) -> HazardKind {
        self.hazards
            .first()
            .map_or(HazardKind::Unknown, |it| it.kind)
    }
}

/// The hazards of each node with the last writers of what it touches and, where it writes, the readers since; and
/// whether these are all of them.
pub(super) fn immediate_hazards(nodes: &[Step<'_>]) -> (Vec<Edge>, bool) {
    let mut touched: HashMap<AllocationId, Segments> = HashMap::new();
    let mut ancestors = Ancestors::new(nodes.len());
    let (mut fence, mut since_fence) = (None, 0);
    let (mut edges, mut steps) = (Vec::new(), 0);
    for (index, step) in nodes.iter().enumerate() {
        let mut found = BTreeMap::new();
        match step.unknown {
            true => {
                (since_fence..index).for_each(|earlier| unknown(&mut found, earlier));
                steps += index - since_fence;
                (fence, since_fence) = (Some(index), index);
                touched.clear();
            }
            false => {
                for access in step.touched() {
                    let segments = touched.entry(access.allocation).or_default();
                    steps += segments.add(index, access, &mut found);
                }
                if let Some(fence) = fence {
                    unknown(&mut found, fence);
                }
            }
        }
        edges.extend(ancestors.keep(index, found));
        if steps > MAX_STEPS || edges.len() > MAX_EDGES {
            return (edges, false);
        }
    }
    (edges, true)
}

/// Hazards of one node, by the earlier node.
type Found = BTreeMap<usize, SmallVec<[Conflict; 1]>>;

fn unknown(found: &mut Found, earlier: usize) {
    found.entry(earlier).or_default().push(Conflict {
        kind: HazardKind::Unknown,
        bytes: 0,
        first: None,
    });
}

/// Bytes that were touched, cut where their users differ, by their first byte.
#[derive(Default)]
struct Segments(BTreeMap<u64, Segment>);

#[derive(Clone, Default)]
struct Segment {
    end: u64,
    writer: Option<usize>,
    /// Since the write.
    readers: SmallVec<[usize; 2]>,
}

impl Segments {
    /// Adds an access of node `index`, and its hazards to `found`; gives the steps that it took.
    fn add(&mut self, index: usize, access: &RangeAccess, found: &mut Found) -> usize {
        let range = access.range;
        self.cut(range.start);
        self.cut(range.end);
        let mut steps = 1;
        let mut note = |kind, earlier: usize, bytes: ByteRange| {
            if earlier != index {
                add_conflict(
                    found.entry(earlier).or_default(),
                    kind,
                    access.allocation,
                    bytes,
                );
            }
        };
        let (reads, writes) = (access.access.reads(), access.access.writes());
        for (&start, segment) in self.0.range(range.start..range.end) {
            let bytes = ByteRange::new(start, segment.end);
            if let Some(writer) = segment.writer {
                let kind = match reads {
                    true => HazardKind::ReadAfterWrite,
                    false => HazardKind::WriteAfterWrite,
                };
                note(kind, writer, bytes);
            }
            if writes {
                for reader in &segment.readers {
                    note(HazardKind::WriteAfterRead, *reader, bytes);
                }
            }
            steps += 1 + segment.readers.len();
        }
        match writes {
            true => self.write(index, range),
            false => self.read(index, range),
        }
        steps
    }

    /// Makes a segment begin at `at` where one covers it.
    fn cut(&mut self, at: u64) {
        let Some((_, segment)) = self.0.range_mut(..at).next_back() else {
            return;
        };
        if segment.end > at {
            let rest = segment.clone();
            segment.end = at;
            self.0.insert(at, rest);
        }
    }

    fn write(&mut self, index: usize, range: ByteRange) {
        let mut inside = self.0.split_off(&range.start);
        let mut after = inside.split_off(&range.end);
        self.0.append(&mut after);
        let segment = Segment {
            end: range.end,
            writer: Some(index),
            readers: SmallVec::new(),
        };
        self.0.insert(range.start, segment);
    }

    fn read(&mut self, index: usize, range: ByteRange) {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for (&start, segment) in self.0.range_mut(range.start..range.end) {
            if at < start {
                gaps.push(at..start);
            }
            if segment.readers.last() != Some(&index) {
                segment.readers.push(index);
            }
            at = segment.end;
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        for gap in gaps {
            let segment = Segment {
                end: gap.end,
                writer: None,
                readers: SmallVec::from_slice(&[index]),
            };
            self.0.insert(gap.start, segment);
        }
    }
}

fn add_conflict(
    hazards: &mut SmallVec<[Conflict; 1]>,
    kind: HazardKind,
    allocation: AllocationId,
    bytes: ByteRange,
) {
    if let Some(known) = hazards.iter_mut().find(|it| it.kind == kind) {
        known.bytes += bytes.len();
        return;
    }
    hazards.push(Conflict {
        kind,
        bytes: bytes.len(),
        first: Some((allocation, bytes)),
    });
    hazards.sort_by_key(|it| match it.kind {
        HazardKind::Unknown => 0,
        HazardKind::ReadAfterWrite => 1,
        HazardKind::WriteAfterWrite => 2,
        HazardKind::WriteAfterRead => 3,
    });
}

/// For each node the nodes that it waits for, directly or not, as a set of bits.
struct Ancestors {
    words: usize,
    bits: Vec<u64>,
}

impl Ancestors {
    fn new(nodes: usize) -> Ancestors {
        let words = nodes.div_ceil(64);
        Ancestors {
            words,
            bits: vec![0; words * nodes],
        }
    }

    /// Of the hazards of node `to`, those that no other of them implies.
    fn keep(&mut self, to: usize, found: Found) -> Vec<Edge> {
        let mut kept = Vec::new();
        for (from, hazards) in found.into_iter().rev() {
            let (before, own) = self.bits.split_at_mut(to * self.words);
            let own = &mut own[..self.words];
            if own[from / 64] >> (from % 64) & 1 == 1 {
                continue;
            }
            own[from / 64] |= 1 << (from % 64);
            let inherited = &before[from * self.words..(from + 1) * self.words];
            own.iter_mut()
                .zip(inherited)
                .for_each(|(own, bits)| *own |= bits);
            kept.push(Edge { from, to, hazards });
        }
        kept.reverse();
        kept
    }
}
