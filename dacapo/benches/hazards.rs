//! What one access costs the hazard tracker: nanoseconds for a check and a record, by how many ranges
//! are live and over how many allocations they spread, beside a flat list and `BTreeMap`s.
//!
//! `cargo bench -p dacapo --bench hazards`

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use dacapo::ByteRange;
use dacapo::hazard::{Access, AllocationId, HazardTracker, RangeAccess};

/// What is measured: the same questions to each.
trait Subject {
    const NAME: &'static str;
    /// Above this many live ranges it takes too long to measure.
    const LIMIT: u64;
    fn new() -> Self;
    fn check(&mut self, access: &RangeAccess) -> bool;
    fn record(&mut self, dispatch: u32, access: &RangeAccess);
    fn barrier(&mut self);
}

impl Subject for HazardTracker {
    const NAME: &'static str = "tracker";
    const LIMIT: u64 = u64::MAX;
    fn new() -> Self {
        HazardTracker::new()
    }
    fn check(&mut self, access: &RangeAccess) -> bool {
        HazardTracker::check(self, std::slice::from_ref(access)).is_some()
    }
    fn record(&mut self, dispatch: u32, access: &RangeAccess) {
        HazardTracker::record(self, dispatch, std::slice::from_ref(access));
    }
    fn barrier(&mut self) {
        HazardTracker::barrier(self);
    }
}

struct LinearScan(Vec<RangeAccess>);

impl Subject for LinearScan {
    const NAME: &'static str = "linear scan";
    const LIMIT: u64 = 10_000;
    fn new() -> Self {
        LinearScan(Vec::new())
    }
    fn check(&mut self, access: &RangeAccess) -> bool {
        self.0.iter().any(|earlier| {
            earlier.allocation == access.allocation
                && earlier.range.overlaps(&access.range)
                && (earlier.access.writes() || access.access.writes())
        })
    }
    fn record(&mut self, _: u32, access: &RangeAccess) {
        self.0.push(*access);
    }
    fn barrier(&mut self) {
        self.0.clear();
    }
}

/// By allocation and end: start. Right only while recorded ranges are equal or apart, as they are here.
#[derive(Default)]
struct BTreeMaps {
    written: BTreeMap<(u32, u64), u64>,
    read: BTreeMap<(u32, u64), u64>,
}

fn meets(map: &BTreeMap<(u32, u64), u64>, access: &RangeAccess) -> bool {
    let allocation = access.allocation.index();
    let from = (allocation, access.range.start + 1);
    let first = map.range(from..).next();
    first.is_some_and(|(key, start)| key.0 == allocation && *start < access.range.end)
}

impl Subject for BTreeMaps {
    const NAME: &'static str = "BTreeMap";
    const LIMIT: u64 = u64::MAX;
    fn new() -> Self {
        BTreeMaps::default()
    }
    fn check(&mut self, access: &RangeAccess) -> bool {
        meets(&self.written, access) || access.access.writes() && meets(&self.read, access)
    }
    fn record(&mut self, _: u32, access: &RangeAccess) {
        let map = if access.access.writes() {
            &mut self.written
        } else {
            &mut self.read
        };
        map.insert(
            (access.allocation.index(), access.range.end),
            access.range.start,
        );
    }
    fn barrier(&mut self) {
        self.written.clear();
        self.read.clear();
    }
}

/// How the live ranges spread over allocations.
#[derive(Clone, Copy)]
enum Spread {
    One,
    Eight,
    EachItsOwn,
}

/// A range of 48 bytes in a slot of 64, and a kind by slot: even slots are written, odd ones read.
fn slot(index: u64, spread: Spread) -> RangeAccess {
    let (allocation, place) = match spread {
        Spread::One => (0, index),
        Spread::Eight => (index / 2 % 8, index),
        Spread::EachItsOwn => (index, 0),
    };
    RangeAccess {
        allocation: AllocationId::new(allocation as u32),
        range: ByteRange::new(place * 64, place * 64 + 48),
        access: if index.is_multiple_of(2) {
            Access::Write
        } else {
            Access::Read
        },
    }
}

/// `0..count` in an order that jumps about but is the same every time.
fn shuffled(count: u64) -> Vec<u64> {
    let mut order: Vec<u64> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, (state % (at as u64 + 1)) as usize);
    }
    order
}

fn fill<S: Subject>(subject: &mut S, accesses: &[RangeAccess]) {
    for (dispatch, access) in accesses.iter().enumerate() {
        assert!(!subject.check(access), "the slots are apart");
        subject.record(dispatch as u32, access);
    }
}

/// Runs `sample`, which says how long it took and for how many accesses, for a while; the median.
fn median_ns(mut sample: impl FnMut() -> (Duration, usize)) -> f64 {
    sample();
    let start = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < 5 || (start.elapsed() < Duration::from_millis(150)) {
        let (time, count) = sample();
        samples.push(time.as_nanos() as f64 / count as f64);
    }
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// From a barrier to `live` ranges.
fn build<S: Subject>(live: &[RangeAccess]) -> f64 {
    let mut subject = S::new();
    let rounds = 1 + 512 / live.len();
    median_ns(|| {
        let start = Instant::now();
        for _ in 0..rounds {
            subject.barrier();
            for (dispatch, access) in live.iter().enumerate() {
                black_box(subject.check(black_box(access)));
                subject.record(dispatch as u32, access);
            }
        }
        (start.elapsed(), rounds * live.len())
    })
}

/// New ranges beside `live` ones.
fn fresh<S: Subject>(live: &[RangeAccess], new: &[RangeAccess]) -> f64 {
    let mut subject = S::new();
    median_ns(|| {
        let mut time = Duration::ZERO;
        let rounds = 1 + 64 / new.len();
        for _ in 0..rounds {
            subject.barrier();
            fill(&mut subject, live);
            let start = Instant::now();
            for access in new {
                black_box(subject.check(black_box(access)));
                subject.record(1 << 20, access);
            }
            time += start.elapsed();
        }
        (time, rounds * new.len())
    })
}

/// Ranges that were read before, read again.
fn again<S: Subject>(live: &[RangeAccess]) -> f64 {
    let mut subject = S::new();
    fill(&mut subject, live);
    let mut reads: Vec<RangeAccess> = live.to_vec();
    reads.retain(|access| !access.access.writes());
    let order = shuffled(reads.len() as u64);
    let reads: Vec<RangeAccess> = order.iter().map(|&at| reads[at as usize]).collect();
    // The flat list would grow without end: it is asked, not told.
    let told = S::LIMIT == u64::MAX;
    median_ns(|| {
        let rounds = 1 + 1024 / reads.len();
        let start = Instant::now();
        for _ in 0..rounds {
            for access in &reads {
                black_box(subject.check(black_box(access)));
                if told {
                    subject.record(1 << 20, access);
                }
            }
        }
        (start.elapsed(), rounds * reads.len())
    })
}

fn report<S: Subject>(count: u64, spread: Spread) {
    if count > S::LIMIT {
        return;
    }
    let extra = (count / 8).max(2);
    let order = shuffled(count + extra);
    let all: Vec<RangeAccess> = order.iter().map(|&index| slot(index, spread)).collect();
    let (new, live) = all.split_at(extra as usize);
    let ascending: Vec<RangeAccess> = (0..count).map(|index| slot(index, spread)).collect();
    let again = if live.iter().any(|access| !access.access.writes()) {
        format!("{:9.1}", again::<S>(live))
    } else {
        format!("{:>9}", "-")
    };
    println!(
        "{:>8} {:>11} {:<12} {:9.1} {:9.1} {:9.1} {again}",
        count,
        match spread {
            Spread::One => "1",
            Spread::Eight => "8",
            Spread::EachItsOwn => "each",
        },
        S::NAME,
        build::<S>(&ascending),
        build::<S>(live),
        fresh::<S>(live, new),
    );
}

fn main() {
    // `cargo test --all-targets` runs this too, without the flag and with no wish for numbers.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("check + record, ns an access; half of the ranges are written, half read");
    println!(
        "{:>8} {:>11} {:<12} {:>9} {:>9} {:>9} {:>9}",
        "live", "allocations", "", "ascending", "scattered", "fresh", "again"
    );
    for spread in [Spread::One, Spread::Eight, Spread::EachItsOwn] {
        for count in [1, 16, 256, 1_000, 10_000, 100_000] {
            report::<HazardTracker>(count, spread);
            report::<BTreeMaps>(count, spread);
            report::<LinearScan>(count, spread);
        }
    }
}
