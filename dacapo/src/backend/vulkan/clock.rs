//! The device's clock on the host's axis.
#![allow(unsafe_code, reason = "asks the driver for the time")]

use core::time::Duration;
use std::time::Instant;

use ash::{ext, vk};
use parking_lot::Mutex;

use crate::backend::clock::{Anchor, Axis, Order, Scale};

/// Ticks of the device, of which only some bits count, and what they are in the host's time.
pub(super) struct Clock {
    calibrated: Option<ext::calibrated_timestamps::Device>,
    state: Mutex<State>,
}

struct State {
    axis: Axis,
    order: Order,
}

impl Clock {
    pub(super) fn new(
        bits: u32,
        period: f32,
        calibrated: Option<ext::calibrated_timestamps::Device>,
    ) -> Clock {
        Clock {
            calibrated,
            state: Mutex::new(State {
                axis: Axis::new(Scale::new(bits, f64::from(period))),
                order: Order::default(),
            }),
        }
    }

    /// Beginning and end of a submission that the host has just seen complete.
    pub(super) fn submission(&self, ticks: [u64; 2]) -> [Instant; 2] {
        let seen = Instant::now();
        let State { axis, order } = &mut *self.state.lock();
        if axis.is_stale(seen)
            && let Some(now) = self.calibrated.as_ref().and_then(read)
        {
            axis.note(now);
        }
        if self.calibrated.is_none() || axis.is_empty() {
            // The host has seen the end as late as this.
            axis.note_only(Anchor {
                ticks: ticks[1],
                host: seen,
                error: Duration::MAX,
            });
        }
        order.next(ticks.map(|ticks| axis.place(ticks).unwrap_or(seen)), seen)
    }

    /// A moment of the submission that was completed last.
    pub(super) fn moment(&self, ticks: u64) -> Option<Instant> {
        self.state.lock().axis.place(ticks)
    }

    /// How far times may be off; `None` where nobody knows.
    pub(super) fn error(&self) -> Option<Duration> {
        self.state.lock().axis.error()
    }
}

/// Reads both clocks at nearly the same time.
fn read(device: &ext::calibrated_timestamps::Device) -> Option<Anchor> {
    let wanted = [vk::CalibratedTimestampInfoKHR::default().time_domain(vk::TimeDomainKHR::DEVICE)];
    Anchor::read(|| {
        let (mut ticks, mut deviation) = (0, 0);
        // ash's own call gives a new vector each time, and a steady loop of submissions allocates nothing.
        // SAFETY: the extension is enabled, the device has this clock, and there is room for one answer.
        let result = unsafe {
            let read = device.fp().get_calibrated_timestamps_ext;
            let room = (&raw mut ticks, &raw mut deviation);
            read(device.device(), 1, wanted.as_ptr(), room.0, room.1)
        };
        (result == vk::Result::SUCCESS).then_some(ticks)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_calibration_a_submission_ends_when_it_is_seen() {
        let clock = Clock::new(64, 1.0, None);
        assert_eq!(clock.error(), None);
        let [a, b] = clock.submission([1000, 5000]);
        assert_eq!(b - a, Duration::from_nanos(4000));
        let [c, d] = clock.submission([4000, 9_000_000_000]);
        assert!(b <= c && c <= d && d <= Instant::now());
        assert_eq!(clock.moment(9_000_000_000), Some(d));
        assert_eq!(clock.error(), None);
    }
}
