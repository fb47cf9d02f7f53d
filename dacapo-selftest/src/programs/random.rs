//! How random programs are made: raw numbers first, which shrink well, then operations that fit each other.

use proptest::prelude::*;

use super::{
    Call, DATA_BYTES, DATA_SPACES, Detour, GRID_SPACE, GRIDS, Kind, Op, Size, Span, overlap,
};

#[derive(Clone, Debug)]
pub struct RawSpan {
    space: usize,
    coarse: usize,
    fine: usize,
    len: usize,
    detour: usize,
}

#[derive(Clone, Debug)]
pub enum RawOp {
    Call(Kind, [RawSpan; 3], u32, usize),
    Barrier,
    Push(u8),
    Pop,
    Allocate(usize, u8),
    Release(usize),
    Reset,
    Split,
}

fn raw_span() -> impl Strategy<Value = RawSpan> {
    // Mostly multiples of 16, so that ranges often touch without overlapping.
    let fine = prop_oneof![4 => Just(0usize), 1 => 0..16usize];
    let len = prop_oneof![Just(16usize), Just(32), 1..80usize];
    (0..8usize, 0..10usize, fine, len, 0..6usize).prop_map(|(space, coarse, fine, len, detour)| {
        RawSpan {
            space,
            coarse,
            fine,
            len,
            detour,
        }
    })
}

fn raw_op() -> impl Strategy<Value = RawOp> {
    let kind = prop_oneof![
        4 => Just(Kind::Mix),
        4 => Just(Kind::Map),
        3 => Just(Kind::Blend),
        3 => Just(Kind::InPlace),
        3 => Just(Kind::Two),
        1 => Just(Kind::Wild),
        2 => Just(Kind::SetGrid),
        2 => Just(Kind::Copy),
        2 => Just(Kind::Fill),
    ];
    let spans = [raw_span(), raw_span(), raw_span()];
    prop_oneof![
        24 => (kind, spans, any::<u32>(), 0..10usize)
            .prop_map(|(kind, spans, seed, size)| RawOp::Call(kind, spans, seed, size)),
        1 => Just(RawOp::Barrier),
        1 => any::<u8>().prop_map(RawOp::Push),
        1 => Just(RawOp::Pop),
        3 => (1..900usize, any::<u8>()).prop_map(|(len, fill)| RawOp::Allocate(len, fill)),
        2 => (0..8usize).prop_map(RawOp::Release),
        1 => Just(RawOp::Reset),
        1 => Just(RawOp::Split),
    ]
}

pub fn programs() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(raw_op(), 1..48).prop_map(|raw| resolve(&raw))
}

/// Makes operations of numbers: spaces that exist, ranges that lie in them.
fn resolve(raw: &[RawOp]) -> Vec<Op> {
    // (space, length) of what may be named now.
    let data: Vec<(usize, usize)> = (0..DATA_SPACES).map(|space| (space, DATA_BYTES)).collect();
    let mut blocks: Vec<(usize, usize)> = Vec::new();
    let mut next_space = GRID_SPACE + 1;
    let mut depth = 0;
    let mut ops = Vec::new();
    for op in raw {
        match op {
            RawOp::Call(kind, spans, seed, size) => {
                let all: Vec<(usize, usize)> = data.iter().chain(&blocks).copied().collect();
                let call = resolve_call(*kind, spans, *seed, *size, &all);
                ops.push(match refused(&call) {
                    true => Op::Refused(call),
                    false => Op::Call(call),
                });
            }
            RawOp::Barrier => ops.push(Op::Barrier),
            RawOp::Push(label) => {
                depth += 1;
                ops.push(Op::Push(*label));
            }
            RawOp::Pop if depth > 0 => {
                depth -= 1;
                ops.push(Op::Pop);
            }
            RawOp::Allocate(len, fill) => {
                ops.push(Op::Allocate {
                    space: next_space,
                    len: *len,
                    fill: *fill,
                });
                blocks.push((next_space, *len));
                next_space += 1;
            }
            RawOp::Release(which) if !blocks.is_empty() => {
                let (space, _) = blocks.swap_remove(which % blocks.len());
                ops.push(Op::Release(space));
            }
            RawOp::Reset => {
                blocks.clear();
                ops.push(Op::Reset);
            }
            RawOp::Split => {
                // Scopes end with their encoder.
                ops.extend((0..depth).map(|_| Op::Pop));
                depth = 0;
                ops.push(Op::Split);
            }
            RawOp::Pop | RawOp::Release(_) => {}
        }
    }
    ops.extend((0..depth).map(|_| Op::Pop));
    ops
}

fn resolve_call(
    kind: Kind,
    raw: &[RawSpan; 3],
    seed: u32,
    size: usize,
    spaces: &[(usize, usize)],
) -> Call {
    let mut args: Vec<Span> = raw
        .iter()
        .zip(kind.uses())
        .map(|(raw, _)| resolve_span(raw, spaces))
        .collect();
    match kind {
        Kind::SetGrid => {
            let first = raw[1].coarse % GRIDS * 12;
            args[1] = Span {
                space: GRID_SPACE,
                bytes: first..first + 12,
                detour: Detour::Straight,
            };
        }
        Kind::Copy => {
            let len = args[0].bytes.len().min(args[1].bytes.len());
            for arg in &mut args {
                arg.bytes.end = arg.bytes.start + len;
            }
        }
        _ => {}
    }
    let size = match size {
        0..=4 => Size::Threads,
        5..=7 => Size::Groups(1 + (seed >> 8) % 6),
        _ => Size::Indirect(size % GRIDS),
    };
    Call {
        kind,
        args,
        seed,
        size,
    }
}

fn resolve_span(raw: &RawSpan, spaces: &[(usize, usize)]) -> Span {
    let (space, len) = spaces[raw.space % spaces.len()];
    let start = (raw.coarse * 16 + raw.fine) % len;
    Span {
        space,
        bytes: start..(start + raw.len).min(len),
        detour: match raw.detour {
            0 | 1 => Detour::Nested,
            2 | 3 => Detour::Offset(raw.fine + 1),
            _ => Detour::Straight,
        },
    }
}

/// Whether a written argument overlaps another one.
pub fn refused(call: &Call) -> bool {
    let uses = call.kind.uses();
    let pairs = (0..uses.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    pairs
        .into_iter()
        .any(|(a, b)| (uses[a].1 || uses[b].1) && overlap(&call.args[a], &call.args[b]))
}

/// Programs that hand few blocks of equal size on from operation to operation, so that the same bytes are often
/// written by one and read by the next: what plans can fuse, rename and reorder.
pub fn relays() -> impl Strategy<Value = Vec<Op>> {
    let kind = prop_oneof![
        8 => Just(Kind::Copy),
        3 => Just(Kind::Fill),
        5 => Just(Kind::InPlace),
        2 => Just(Kind::Map),
        1 => Just(Kind::Blend),
    ];
    let place = || (0..6usize, 0..4usize);
    let op = prop_oneof![
        24 => (kind, place(), place(), any::<u32>()).prop_map(|(kind, from, to, seed)| Relay::Call(kind, from, to, seed)),
        5 => any::<u8>().prop_map(Relay::Allocate),
        5 => (0..8usize).prop_map(Relay::Release),
        1 => Just(Relay::Barrier),
    ];
    proptest::collection::vec(op, 1..40).prop_map(|raw| resolve_relays(&raw))
}

/// Where an operation reads or writes: a space and one of its blocks.
type Place = (usize, usize);

#[derive(Clone, Debug)]
enum Relay {
    Call(Kind, Place, Place, u32),
    Allocate(u8),
    Release(usize),
    Barrier,
}

/// Bytes of a block.
const BLOCK: usize = 32;

fn resolve_relays(raw: &[Relay]) -> Vec<Op> {
    let mut blocks: Vec<usize> = Vec::new();
    let mut next_space = GRID_SPACE + 1;
    let mut last = (0, 0);
    let mut ops = Vec::new();
    for relay in raw {
        match relay {
            Relay::Call(kind, from, to, seed) => {
                let span = |(space, block): Place| {
                    // Of two data spaces, so that blocks meet; the rest are blocks of the pool.
                    let pool = blocks.get(space.wrapping_sub(2)).copied();
                    let first = if pool.is_some() { 0 } else { block * BLOCK };
                    Span {
                        space: pool.unwrap_or(space % 2),
                        bytes: first..first + BLOCK,
                        detour: Detour::Straight,
                    }
                };
                // Half of all go on with what was written last.
                let from = if seed % 2 == 0 { last } else { *from };
                let args = match kind {
                    Kind::InPlace if seed % 3 > 0 => vec![span(from)],
                    Kind::InPlace | Kind::Fill => vec![span(*to)],
                    _ => vec![span(from), span(*to)],
                };
                let call = Call {
                    kind: *kind,
                    args,
                    seed: *seed,
                    size: Size::Threads,
                };
                if !refused(&call) {
                    last = if call.args.len() == 1 && call.args[0] == span(from) {
                        from
                    } else {
                        *to
                    };
                    ops.push(Op::Call(call));
                }
            }
            Relay::Allocate(fill) => {
                ops.push(Op::Allocate {
                    space: next_space,
                    len: BLOCK,
                    fill: *fill,
                });
                blocks.push(next_space);
                next_space += 1;
            }
            Relay::Release(which) if !blocks.is_empty() => {
                ops.push(Op::Release(blocks.remove(which % blocks.len())));
            }
            Relay::Release(_) => {}
            Relay::Barrier => ops.push(Op::Barrier),
        }
    }
    ops
}
