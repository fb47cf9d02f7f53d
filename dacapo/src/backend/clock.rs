//! Counters of devices, placed on the host's axis of time.

use core::time::Duration;
use std::time::Instant;

/// How a counter counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The bits of a count that mean something.
    mask: u64,
    /// Nanoseconds of one tick, if anybody says.
    period: Option<f64>,
}

/// The same moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) ticks: u64,
    pub(super) host: Instant,
    /// How far the two may be apart.
    pub(super) error: Duration,
}

/// A counter, and the moments at which it is known on both clocks.
#[derive(Debug)]
pub(super) struct Axis {
    scale: Scale,
    first: Option<Anchor>,
    latest: Option<Anchor>,
}

/// Submissions of one queue, which run one after the other.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// When the last one ended: the next cannot begin before.
    ended: Option<Instant>,
}

/// A counter is looked at again after this long.
const FRESH: Duration = Duration::from_millis(500);

/// Two moments that are further apart than this tell the length of a tick better than who made the counter.
const BASE_LINE: Duration = Duration::from_millis(400);

/// A length of a tick that differs by more from what it should be is not believed.
const MOST_DRIFT: f64 = 1e-3;

/// Nanoseconds that ticks can take: counters run at 1 MHz to 10 GHz.
const LENGTHS: core::ops::RangeInclusive<f64> = 0.1..=1000.0;

/// Times that both clocks are read, of which the quickest counts, and what is quick enough.
const TRIES: usize = 8;
const QUICK: Duration = Duration::from_micros(2);

impl Scale {
    /// A counter of so many bits and nanoseconds for each tick.
    pub(super) fn new(bits: u32, period: f64) -> Scale {
        Scale {
            mask: u64::MAX >> (64 - bits.clamp(1, 64)),
            period: Some(period),
        }
    }

    /// A counter of 64 bits of which only time tells how long its ticks are.
    #[cfg_attr(
        not(any(test, target_vendor = "apple", dacapo_metal_double)),
        allow(dead_code, reason = "Metal's counters are such")
    )]
    pub(super) fn learned() -> Scale {
        Scale {
            mask: u64::MAX,
            period: None,
        }
    }

    /// Ticks from `from` to `to`, whichever is the earlier, if they are less than half a turn apart.
    fn between(self, from: u64, to: u64) -> i128 {
        let ahead = i128::from(to.wrapping_sub(from) & self.mask);
        let turn = i128::from(self.mask) + 1;
        if ahead > turn / 2 {
            ahead - turn
        } else {
            ahead
        }
    }

    /// The length of a tick between two moments, if there can be such a counter.
    fn length(self, from: Anchor, to: Anchor) -> Option<f64> {
        let passed = to.host.saturating_duration_since(from.host).as_nanos() as f64;
        let length = passed / self.between(from.ticks, to.ticks) as f64;
        LENGTHS.contains(&length).then_some(length)
    }

    /// As measured from `first` to `latest`, if that is about `period`.
    fn corrected(self, period: f64, first: Anchor, latest: Anchor) -> f64 {
        let passed = latest.host.saturating_duration_since(first.host);
        if passed < BASE_LINE || period <= 0.0 {
            return period;
        }
        // The counter may have turned over in between, as often as its period says.
        let passed = passed.as_nanos() as f64;
        let turn = self.mask as f64 + 1.0;
        let expected = passed / period;
        let rest = self.between(first.ticks, latest.ticks) as f64;
        let ticks = rest + ((expected - rest) / turn).round() * turn;
        let measured = passed / ticks;
        match (measured / period - 1.0).abs() < MOST_DRIFT {
            true => measured,
            false => period,
        }
    }
}

impl Anchor {
    /// Reads a counter between two looks at the host's clock, some times; the quickest counts.
    pub(super) fn read(mut counter: impl FnMut() -> Option<u64>) -> Option<Anchor> {
        let mut best: Option<Anchor> = None;
        for _ in 0..TRIES {
            let before = Instant::now();
            let ticks = counter()?;
            let took = before.elapsed();
            let anchor = Anchor {
                ticks,
                host: before + took / 2,
                error: took / 2,
            };
            if best.is_none_or(|best| anchor.error < best.error) {
                best = Some(anchor);
            }
            if took < QUICK {
                break;
            }
        }
        best
    }

    /// How wrong a length of ticks can be that was measured from `from` to here, as a part of it.
    fn doubt(self, from: Anchor) -> f64 {
        let apart = self.host.saturating_duration_since(from.host);
        (self.error + from.error).as_secs_f64() / apart.as_secs_f64()
    }
}

impl Axis {
    pub(super) fn new(scale: Scale) -> Axis {
        Axis {
            scale,
            first: None,
            latest: None,
        }
    }

    /// Takes a moment for known. Where ticks must be learned, a counter that has jumped is learned anew.
    pub(super) fn note(&mut self, now: Anchor) {
        if self.scale.period.is_none() && !self.goes_on(now) {
            self.first = None;
        }
        self.first.get_or_insert(now);
        self.latest = Some(now);
    }

    /// Takes one moment for known, and no other.
    pub(super) fn note_only(&mut self, now: Anchor) {
        (self.first, self.latest) = (Some(now), Some(now));
    }

    /// Whether `now` can be the same counter as before, with ticks of about the same length.
    fn goes_on(&self, now: Anchor) -> bool {
        let (Some(first), Some(latest)) = (self.first, self.latest) else {
            return true;
        };
        match (self.scale.length(latest, now), self.tick()) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(length), Some(tick)) => {
                let allowed = MOST_DRIFT + latest.doubt(first) + now.doubt(latest);
                (length / tick - 1.0).abs() <= allowed
            }
        }
    }

    /// How far from the latest known moment times are placed. Where ticks are learned, no further than the base line is
    /// long that they were learned on: so even the first times are hardly worse than the readings themselves.
    fn reach(&self) -> Duration {
        match (self.scale.period, self.first, self.latest) {
            (None, Some(first), Some(latest)) => FRESH.min(latest.host - first.host),
            _ => FRESH,
        }
    }

    /// Whether another moment should be noted before times near `now` are placed.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.latest
            .is_none_or(|latest| now.saturating_duration_since(latest.host) > self.reach())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.latest.is_none()
    }

    /// The length of a tick, in nanoseconds.
    fn tick(&self) -> Option<f64> {
        match (self.scale.period, self.first, self.latest) {
            (Some(period), Some(first), Some(latest)) => {
                Some(self.scale.corrected(period, first, latest))
            }
            (None, Some(first), Some(latest)) => self.scale.length(first, latest),
            _ => None,
        }
    }

    /// When the counter stood at `ticks`; `None` where nobody knows.
    pub(super) fn place(&self, ticks: u64) -> Option<Instant> {
        let anchor = self.latest?;
        let apart = self.scale.between(anchor.ticks, ticks) as f64 * self.tick()?;
        let distance = Duration::from_nanos(apart.abs() as u64);
        match apart < 0.0 {
            true => anchor.host.checked_sub(distance),
            false => anchor.host.checked_add(distance),
        }
    }

    /// How far times may be off; `None` where nobody knows.
    pub(super) fn error(&self) -> Option<Duration> {
        let (first, latest) = (self.first?, self.latest?);
        if latest.error == Duration::MAX {
            return None;
        }
        match self.scale.period {
            Some(_) => Some(latest.error),
            None => {
                self.tick()?;
                let drift = latest.doubt(first) * self.reach().as_secs_f64();
                Some(latest.error + Duration::try_from_secs_f64(drift).ok()?)
            }
        }
    }
}

impl Order {
    /// Beginning and end of the next submission, which the host has seen complete: in this order, behind the one before,
    /// and not after it was seen.
    pub(super) fn next(&mut self, [start, end]: [Instant; 2], seen: Instant) -> [Instant; 2] {
        let end = end.min(seen);
        let start = start.min(end).max(self.ended.unwrap_or(start)).min(end);
        self.ended = Some(end);
        [start, end]
    }
}

#[cfg(test)]
mod tests;
