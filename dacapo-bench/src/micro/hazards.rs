use std::hint::black_box;
use std::time::{Duration, Instant};

use dacapo::ByteRange;
use dacapo::hazard::{Access, AllocationId, HazardTracker, RangeAccess};

use super::{Effort, each, samples};
use crate::report::Chart;
use crate::work::Result;

/// Accesses that are timed together, so that the clock does not count.
const TIMED: u32 = 64;

/// What checking and recording one access costs, by how many ranges are live.
pub fn measure(effort: &Effort) -> Result<Chart> {
    let mut chart = Chart::new(
        "hazards",
        "Hazard check and record of one access",
        "live ranges",
        "ns",
    );
    for live in effort.sizes(1) {
        for (name, allocations) in [("one allocation", 1), ("eight allocations", 8)] {
            // Shuffled, the same way every time; the new ones lie among the live ones.
            let order = shuffled(live + TIMED);
            let all: Vec<RangeAccess> = order.iter().map(|at| slot(*at, allocations)).collect();
            let (new, old) = all.split_at(TIMED as usize);
            let mut tracker = HazardTracker::new();
            let times = samples(effort.rounds(live), || {
                tracker.barrier();
                for access in old {
                    tracker.record(0, std::slice::from_ref(access));
                }
                one(&mut tracker, new)
            })?;
            let times = each(times, 1e9, f64::from(TIMED));
            chart.add(name, f64::from(live), times);
        }
    }
    Ok(chart)
}

fn one(tracker: &mut HazardTracker, accesses: &[RangeAccess]) -> Result<Duration> {
    let started = Instant::now();
    for access in accesses {
        let access = std::slice::from_ref(black_box(access));
        if tracker.check(access).is_some() {
            return Err("ranges that lie apart are said to conflict".into());
        }
        tracker.record(1, access);
    }
    Ok(started.elapsed())
}

/// 48 bytes of 64, every other one written.
fn slot(at: u32, allocations: u32) -> RangeAccess {
    let start = u64::from(at) * 64;
    RangeAccess {
        allocation: AllocationId::new(at / 2 % allocations),
        range: ByteRange::new(start, start + 48),
        access: match at % 2 {
            0 => Access::Write,
            _ => Access::Read,
        },
    }
}

/// `0..count` in an order that jumps about.
fn shuffled(count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, (state % (at as u64 + 1)) as usize);
    }
    order
}
