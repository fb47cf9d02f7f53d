//! Rows for what overlaps in time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Rows on each of which nothing overlaps. Whatever comes goes to the first row that is free.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    busy: BinaryHeap<Reverse<(u64, u32)>>,
    free: BinaryHeap<Reverse<u32>>,
    opened: u32,
}

impl Lanes {
    /// The row for what lasts from `start` to `end`. Callers come in the order of their starts; what contains others
    /// comes before them.
    pub(crate) fn place(&mut self, start: u64, end: u64) -> u32 {
        while let Some(Reverse((until, lane))) = self.busy.peek().copied()
            && until <= start
        {
            self.busy.pop();
            self.free.push(Reverse(lane));
        }
        let lane = match self.free.pop() {
            Some(Reverse(lane)) => lane,
            None => {
                self.opened += 1;
                self.opened - 1
            }
        };
        self.busy.push(Reverse((end.max(start), lane)));
        lane
    }
}

/// The row of each of `times`, which come in any order.
pub(crate) fn assign(times: impl IntoIterator<Item = (u64, u64)>) -> Vec<u32> {
    let times: Vec<(u64, u64)> = times.into_iter().collect();
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&at| (times[at].0, Reverse(times[at].1)));
    let mut lanes = Lanes::default();
    let mut assigned = vec![0; times.len()];
    for at in order {
        let (start, end) = times[at];
        assigned[at] = lanes.place(start, end);
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::assign;

    /// How many rows there are.
    fn rows(lanes: &[u32]) -> u32 {
        lanes.iter().max().map_or(0, |last| last + 1)
    }

    #[test]
    fn what_overlaps_lies_in_different_rows() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let times: Vec<(u64, u64)> = (0..400)
            .map(|_| {
                let start = random(1_000);
                (start, start + random(30))
            })
            .collect();
        let lanes = assign(times.iter().copied());
        let count = rows(&lanes);
        let mut most = 0;
        for (at, &(start, end)) in times.iter().enumerate() {
            let meets =
                |&(other_start, other_end): &(u64, u64)| other_start < end && start < other_end;
            for (other, time) in times.iter().enumerate().take(at) {
                assert!(
                    lanes[at] != lanes[other] || !meets(time),
                    "{at} and {other} lie in one row"
                );
            }
            let at_start = times
                .iter()
                .filter(|t| t.0 <= start && start < t.1.max(t.0 + 1))
                .count();
            most = most.max(at_start);
        }
        assert!(
            count as usize <= most,
            "{count} rows, where at most {most} overlap"
        );
    }

    #[test]
    fn what_is_contained_lies_below() {
        let lanes = assign([(2, 3), (0, 10), (2, 5), (5, 9), (10, 11)]);
        assert_eq!((rows(&lanes), lanes), (3, vec![2, 0, 1, 1, 0]));
    }
}
