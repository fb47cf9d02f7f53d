//! The device's clock on the host's axis.
#![allow(unsafe_code, reason = "asks the driver for the time")]

use core::time::Duration;
use std::time::Instant;

use ash::{ext, vk};
use parking_lot::Mutex;

/// Ticks of the device, of which only some bits count, and what they are in the host's time.
pub(super) struct Clock {
    scale: Scale,
    calibrated: Option<ext::calibrated_timestamps::Device>,
    anchors: Mutex<Anchors>,
}

/// How ticks are counted.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// The bits of a tick count that mean something.
    mask: u64,
    /// Nanoseconds of one tick, as the driver says.
    period: f64,
}

/// The same moment on both clocks.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ticks: u64,
    host: Instant,
    /// How far the two may be apart.
    error: Duration,
}

#[derive(Default)]
struct Anchors {
    first: Option<Anchor>,
    latest: Option<Anchor>,
    /// When the last submission ended: the next cannot begin before.
    ended: Option<Instant>,
}

/// The clock is looked at again after this long.
const FRESH: Duration = Duration::from_millis(500);

/// Two moments that are further apart than this tell the length of a tick.
const BASE_LINE: Duration = Duration::from_millis(400);

/// A length of a tick that differs by more from what the driver says is not believed.
const MOST_DRIFT: f64 = 1e-3;

/// Times that the clocks are read, of which the quickest counts, and what is quick enough.
const TRIES: usize = 8;
const QUICK: Duration = Duration::from_micros(2);

impl Clock {
    pub(super) fn new(
        bits: u32,
        period: f32,
        calibrated: Option<ext::calibrated_timestamps::Device>,
    ) -> Clock {
        Clock {
            scale: Scale::new(bits, period),
            calibrated,
            anchors: Mutex::default(),
        }
    }

    /// Beginning and end of a submission that the host has just seen complete.
    pub(super) fn submission(&self, ticks: [u64; 2]) -> [Instant; 2] {
        let seen = Instant::now();
        let mut anchors = self.anchors.lock();
        if anchors
            .latest
            .is_none_or(|latest| seen - latest.host > FRESH)
        {
            let now = self.calibrated.as_ref().and_then(read);
            if let Some(now) = now {
                anchors.first.get_or_insert(now);
                anchors.latest = Some(now);
            }
        }
        if self.calibrated.is_none() || anchors.latest.is_none() {
            // The host has seen the end as late as this.
            let error = Duration::MAX;
            let end = Anchor {
                ticks: ticks[1],
                host: seen,
                error,
            };
            (anchors.first, anchors.latest) = (Some(end), Some(end));
        }
        let [start, end] = ticks.map(|ticks| self.scale.place(&anchors, ticks).unwrap_or(seen));
        let end = end.min(seen);
        let start = start.min(end).max(anchors.ended.unwrap_or(start)).min(end);
        anchors.ended = Some(end);
        [start, end]
    }

    /// A moment of the submission that was completed last.
    pub(super) fn moment(&self, ticks: u64) -> Option<Instant> {
        self.scale.place(&self.anchors.lock(), ticks)
    }

    /// How far times may be off; `None` where nobody knows.
    pub(super) fn error(&self) -> Option<Duration> {
        let latest = self.anchors.lock().latest?;
        Some(latest.error).filter(|error| *error < Duration::MAX)
    }
}

impl Scale {
    fn new(bits: u32, period: f32) -> Scale {
        Scale {
            mask: u64::MAX >> (64 - bits.clamp(1, 64)),
            period: f64::from(period),
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

    /// The length of a tick, in nanoseconds.
    fn tick(self, anchors: &Anchors) -> f64 {
        let (Some(first), Some(latest)) = (anchors.first, anchors.latest) else {
            return self.period;
        };
        let passed = latest.host.saturating_duration_since(first.host);
        if passed < BASE_LINE || self.period <= 0.0 {
            return self.period;
        }
        // The counter may have turned over in between, as often as the driver's length of a tick says.
        let passed = passed.as_nanos() as f64;
        let turn = self.mask as f64 + 1.0;
        let expected = passed / self.period;
        let rest = self.between(first.ticks, latest.ticks) as f64;
        let ticks = rest + ((expected - rest) / turn).round() * turn;
        let measured = passed / ticks;
        match (measured / self.period - 1.0).abs() < MOST_DRIFT {
            true => measured,
            false => self.period,
        }
    }

    fn place(self, anchors: &Anchors, ticks: u64) -> Option<Instant> {
        let anchor = anchors.latest?;
        let apart = self.between(anchor.ticks, ticks) as f64 * self.tick(anchors);
        let distance = Duration::from_nanos(apart.abs() as u64);
        match apart < 0.0 {
            true => anchor.host.checked_sub(distance),
            false => anchor.host.checked_add(distance),
        }
    }
}

/// Reads both clocks at nearly the same time.
fn read(device: &ext::calibrated_timestamps::Device) -> Option<Anchor> {
    let wanted = [vk::CalibratedTimestampInfoKHR::default().time_domain(vk::TimeDomainKHR::DEVICE)];
    let mut best: Option<Anchor> = None;
    for _ in 0..TRIES {
        let before = Instant::now();
        // SAFETY: the extension is enabled, and the device has this clock.
        let (ticks, _) = unsafe { device.get_calibrated_timestamps(&wanted) }.ok()?;
        let took = before.elapsed();
        let anchor = Anchor {
            ticks: *ticks.first()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock of so many bits whose ticks are `drift` times as long as the driver says, at 10 ns.
    fn anchors(bits: u32, drift: f64, start: u64, apart: Duration) -> (Scale, Anchors, f64) {
        let scale = Scale::new(bits, 10.0);
        let tick = 10.0 * drift;
        let host = Instant::now();
        let ticks = |after: Duration| {
            (start as u128 + (after.as_nanos() as f64 / tick) as u128) as u64 & scale.mask
        };
        let anchor = |after| Anchor {
            ticks: ticks(after),
            host: host + after,
            error: Duration::ZERO,
        };
        let anchors = Anchors {
            first: Some(anchor(Duration::ZERO)),
            latest: Some(anchor(apart)),
            ended: None,
        };
        (scale, anchors, tick)
    }

    #[test]
    fn times_around_an_anchor_survive_a_turn_of_the_counter() {
        for bits in [32, 36, 40, 48, 63, 64] {
            let mask = u64::MAX >> (64 - bits);
            for start in [0, 1, mask / 2, mask - 5, mask] {
                for apart in [
                    Duration::ZERO,
                    Duration::from_secs(3),
                    Duration::from_secs(900),
                ] {
                    for drift in [1.0, 1.0 + 50e-6, 1.0 - 50e-6] {
                        let (scale, anchors, tick) = anchors(bits, drift, start, apart);
                        let latest = anchors.latest.unwrap();
                        for offset in [-20_000_000i64, -1, 0, 1, 20_000_000] {
                            let ticks = latest.ticks.wrapping_add_signed(offset) & mask;
                            let found = scale.place(&anchors, ticks).unwrap();
                            let expected = offset as f64 * tick;
                            let found = match found >= latest.host {
                                true => (found - latest.host).as_nanos() as f64,
                                false => -((latest.host - found).as_nanos() as f64),
                            };
                            // One tick of rounding, and half a second of drift where the base line is too short.
                            let allowed = 12.0 + if apart.is_zero() { 2e8 * 51e-6 } else { 200.0 };
                            let error = (found - expected).abs();
                            assert!(
                                error <= allowed,
                                "{bits} {start} {apart:?} {drift} {offset}: {error} ns"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_clock_that_runs_wildly_is_not_believed() {
        let (scale, anchors, _) = anchors(64, 1.5, 0, Duration::from_secs(2));
        assert_eq!(scale.tick(&anchors), 10.0);
    }

    #[test]
    fn submissions_do_not_overlap_and_end_before_they_are_seen() {
        let clock = Clock::new(64, 1.0, None);
        assert_eq!(clock.error(), None);
        let [a, b] = clock.submission([1000, 5000]);
        assert_eq!(b - a, Duration::from_nanos(4000));
        let [c, d] = clock.submission([4000, 9_000_000_000]);
        assert!(b <= c && c <= d && d <= Instant::now());
        assert_eq!(clock.moment(9_000_000_000), Some(d));
    }
}
