//! Subgroup operations against their definitions, for all sizes and random masks.

use super::*;
use crate::lanes::testing::{Random, elements, row};

const LANES: [usize; 6] = [1, 5, 32, 64, 100, 256];

/// All sizes, several numbers of lanes, and masks.
fn situations() -> impl Iterator<Item = (usize, usize, Mask, Random)> {
    let mut random = Random::new(20);
    (0..=7)
        .flat_map(|bits| LANES.map(|lanes| (1usize << bits, lanes)))
        .flat_map(move |(size, lanes)| {
            [0, 1, 2].map(|_| {
                (
                    size,
                    lanes,
                    random.mask(lanes),
                    Random::new(random.bits().into()),
                )
            })
        })
}

/// The active lanes of the subgroup of this lane.
fn peers(lane: usize, size: usize, lanes: usize, active: &Mask) -> Vec<usize> {
    (0..lanes)
        .filter(|peer| peer / size == lane / size && active.contains(*peer))
        .collect()
}

fn check(op: Reduction, nothing: u32, input: fn(&mut Random) -> u32, join: fn(u32, u32) -> u32) {
    for (size, lanes, active, mut random) in situations() {
        let input: Vec<u32> = (0..lanes).map(|_| input(&mut random)).collect();
        for scan in [Scan::Reduce, Scan::Inclusive, Scan::Exclusive] {
            let (a, dst) = (row(input.iter().copied()), row(vec![0; lanes]));
            reduce(op, scan, &dst, &a, &active, size);
            reduce(op, scan, &a, &a, &active, size);
            for lane in active.lanes() {
                let taken =
                    peers(lane, size, lanes, &active)
                        .into_iter()
                        .filter(|peer| match scan {
                            Scan::Reduce => true,
                            Scan::Inclusive => *peer <= lane,
                            Scan::Exclusive => *peer < lane,
                        });
                let expected = taken
                    .map(|peer| input[peer])
                    .reduce(join)
                    .unwrap_or(nothing);
                assert_eq!(
                    [dst[lane].get(), a[lane].get()],
                    [expected; 2],
                    "{op:?} {scan:?} {size} {lanes} {lane}"
                );
            }
        }
    }
}

#[test]
fn reductions_join_active_lanes_in_order() {
    fn float(random: &mut Random) -> u32 {
        random.small_float().to_bits()
    }
    fn half(random: &mut Random) -> u32 {
        half::f16::from_f32(random.small_float()).to_f32().to_bits()
    }
    fn bool(random: &mut Random) -> u32 {
        u32::from(!random.bits().is_multiple_of(9))
    }
    const F: fn(u32) -> f32 = f32::from_bits;
    const I: fn(u32) -> i32 = u32::cast_signed;
    fn rounded(x: f32) -> u32 {
        half::f16::from_f32(x).to_f32().to_bits()
    }
    check(Reduction::AddF, 0, float, |a, b| (F(a) + F(b)).to_bits());
    check(Reduction::MulF, 1f32.to_bits(), float, |a, b| {
        (F(a) * F(b)).to_bits()
    });
    check(Reduction::AddF16, 0, half, |a, b| rounded(F(a) + F(b)));
    check(Reduction::MulF16, 1f32.to_bits(), half, |a, b| {
        rounded(F(a) * F(b))
    });
    check(Reduction::MinF, f32::INFINITY.to_bits(), float, |a, b| {
        if F(a) < F(b) { a } else { b }
    });
    check(
        Reduction::MaxF,
        f32::NEG_INFINITY.to_bits(),
        float,
        |a, b| if F(a) > F(b) { a } else { b },
    );
    check(Reduction::AddI, 0, Random::bits, |a, b| {
        (u64::from(a) + u64::from(b)) as u32
    });
    check(Reduction::MulI, 1, Random::bits, |a, b| {
        (u64::from(a) * u64::from(b)) as u32
    });
    check(Reduction::MinI, 0x7fff_ffff, Random::integer, |a, b| {
        if I(a) < I(b) { a } else { b }
    });
    check(Reduction::MaxI, 0x8000_0000, Random::integer, |a, b| {
        if I(a) > I(b) { a } else { b }
    });
    check(Reduction::MinU, u32::MAX, Random::integer, |a, b| {
        if a < b { a } else { b }
    });
    check(Reduction::MaxU, 0, Random::integer, |a, b| {
        if a > b { a } else { b }
    });
    check(Reduction::And, u32::MAX, Random::integer, |a, b| a & b);
    check(Reduction::Or, 0, Random::integer, |a, b| a | b);
    check(Reduction::Xor, 0, Random::integer, |a, b| a ^ b);
    check(Reduction::All, 1, bool, |a, b| u32::from(a == 1 && b == 1));
    check(Reduction::Any, 0, bool, |a, b| u32::from(a == 1 || b == 1));
}

#[test]
fn ballots_have_a_bit_for_each_lane() {
    for (size, lanes, active, mut random) in situations() {
        let predicate = row((0..lanes).map(|_| random.bits() & 1));
        let rows = [0; 4].map(|_| row(vec![7; lanes]));
        ballot(
            [0, 1, 2, 3].map(|word| &rows[word][..]),
            &predicate,
            &active,
            size,
        );
        for lane in Mask::first(lanes).lanes() {
            let mut expected = [0; 4];
            for peer in peers(lane, size, lanes, &active) {
                let bit = peer % size;
                expected[bit / 32] |= predicate[peer].get() << (bit % 32);
            }
            let expected = if active.contains(lane) {
                expected
            } else {
                [7; 4]
            };
            assert_eq!(
                [0, 1, 2, 3].map(|word| rows[word][lane].get()),
                expected,
                "{size} {lanes} {lane}"
            );
        }
    }
}

const KINDS: [Gather; 10] = [
    Gather::BroadcastFirst,
    Gather::Broadcast,
    Gather::Shuffle,
    Gather::ShuffleDown,
    Gather::ShuffleUp,
    Gather::ShuffleXor,
    Gather::QuadBroadcast,
    Gather::QuadSwapX,
    Gather::QuadSwapY,
    Gather::QuadSwapDiagonal,
];

/// The number in the subgroup of the source, by drawing quads as two rows of two.
fn source(kind: Gather, own: i64, index: i64, first: i64) -> Option<i64> {
    let (quad, x, y) = (own / 4 * 4, own % 2, own % 4 / 2);
    Some(match kind {
        Gather::BroadcastFirst => first,
        Gather::Broadcast | Gather::Shuffle => index,
        Gather::ShuffleDown => own + index,
        Gather::ShuffleUp => own - index,
        Gather::ShuffleXor => own ^ index,
        Gather::QuadBroadcast if index > 3 => return None,
        Gather::QuadBroadcast => quad + index,
        Gather::QuadSwapX => quad + 2 * y + (1 - x),
        Gather::QuadSwapY => quad + 2 * (1 - y) + x,
        Gather::QuadSwapDiagonal => quad + 2 * (1 - y) + (1 - x),
    })
}

#[test]
fn lanes_get_what_their_source_has_or_are_named() {
    for (kind, (size, lanes, active, mut random)) in KINDS
        .into_iter()
        .flat_map(|kind| situations().map(move |s| (kind, s)))
    {
        let input: Vec<u32> = (0..lanes).map(|_| random.bits() | 1).collect();
        let index: Vec<u32> = (0..lanes)
            .map(|_| match random.bits() % 9 {
                0 => random.bits(),
                1 => u32::MAX,
                _ => random.bits() % size as u32,
            })
            .collect();
        let (a, index_row, dst) = (
            row(input.iter().copied()),
            row(index.iter().copied()),
            row(vec![0; lanes]),
        );
        let sourceless = gather(kind, &dst, &a, Some(&index_row), &active, size);
        assert_eq!(
            gather(kind, &a, &a, Some(&index_row), &active, size),
            sourceless
        );
        assert!(sourceless.lanes().all(|lane| active.contains(lane)));
        for lane in active.lanes() {
            let peers = peers(lane, size, lanes, &active);
            let number = |lane: usize| (lane % size) as i64;
            let source = source(kind, number(lane), index[lane].into(), number(peers[0]));
            let source = peers.into_iter().find(|peer| Some(number(*peer)) == source);
            assert_eq!(
                sourceless.contains(lane),
                source.is_none(),
                "{kind:?} {size} {lanes} {lane}"
            );
            let expected = source.map_or(0, |source| input[source]);
            assert_eq!(
                [dst[lane].get(), a[lane].get()],
                [expected; 2],
                "{kind:?} {size} {lanes} {lane}"
            );
        }
    }
}

#[test]
fn lanes_that_take_no_part_are_left_alone() {
    let (a, dst) = (row(0..8), row([9; 8]));
    let active = Mask::of(8, |lane| lane == 2);
    reduce(Reduction::AddI, Scan::Reduce, &dst, &a, &active, 4);
    assert_eq!(elements(&dst), [9, 9, 2, 9, 9, 9, 9, 9]);
}
