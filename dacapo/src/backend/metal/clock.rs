//! The device's times on the host's axis.
//!
//! Submissions are timed by Metal in seconds of the system's clock. Counters are read in ticks of the GPU's own, whose
//! length Metal does not tell: a nanosecond on Apple silicon, 83.333 on Intel's. It is learned from moments at which
//! both clocks were read. The first is read when the device is opened, so it comes before all work.
#![allow(unsafe_code, reason = "asks Metal and the system for the time")]

use core::ffi::c_int;
use core::ptr::NonNull;
use core::time::Duration;
use std::time::Instant;

use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLCounterErrorValue, MTLDevice, MTLTimestamp};
use parking_lot::Mutex;

use crate::backend::clock::{Anchor, Axis, Order, Scale};

pub(super) struct Clock {
    system: Timebase,
    state: Mutex<State>,
}

struct State {
    counter: Axis,
    order: Order,
    /// How well the system's clock was last read.
    system_error: Option<Duration>,
}

/// Nanoseconds of a tick of the system's clock, as a fraction (`mach_timebase_info_data_t`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Timebase {
    numer: u32,
    denom: u32,
}

unsafe extern "C" {
    safe fn mach_absolute_time() -> u64;
    fn mach_timebase_info(info: *mut Timebase) -> c_int;
}

impl Clock {
    pub(super) fn new(device: &ProtocolObject<dyn MTLDevice>) -> Clock {
        let mut counter = Axis::new(Scale::learned());
        if let Some(now) = read(device) {
            counter.note(now);
        }
        Clock {
            system: Timebase::of_system(),
            state: Mutex::new(State {
                counter,
                order: Order::default(),
                system_error: None,
            }),
        }
    }

    /// Beginning and end of a submission that the host has just seen complete, from `GPUStartTime` and `GPUEndTime`.
    pub(super) fn submission(&self, seconds: [f64; 2]) -> [Instant; 2] {
        let seen = Instant::now();
        let mut system = Axis::new(Scale::new(u64::BITS, 1.0));
        let now = Anchor::read(|| Some(self.system.nanoseconds(mach_absolute_time())));
        now.into_iter().for_each(|now| system.note(now));
        let times = seconds.map(|seconds| system.place(whole_nanoseconds(seconds)?));
        let end = times[1].unwrap_or(seen);
        let start = times[0].unwrap_or(end);
        let mut state = self.state.lock();
        state.system_error = system.error();
        state.order.next([start, end], seen)
    }

    /// When a counter of the device was sampled; `None` where it was not, or nobody knows.
    pub(super) fn moment(
        &self,
        device: &ProtocolObject<dyn MTLDevice>,
        ticks: u64,
    ) -> Option<Instant> {
        if !is_sampled(ticks) {
            return None;
        }
        let counter = &mut self.state.lock().counter;
        if counter.is_stale(Instant::now())
            && let Some(now) = read(device)
        {
            counter.note(now);
        }
        counter.place(ticks)
    }

    /// How far times may be off; `None` before any were told.
    pub(super) fn error(&self) -> Option<Duration> {
        let state = self.state.lock();
        let counter = state.counter.error().unwrap_or_default();
        Some(state.system_error?.max(counter))
    }
}

impl Timebase {
    fn of_system() -> Timebase {
        let mut timebase = Timebase { numer: 0, denom: 0 };
        // SAFETY: it fills what the pointer points to.
        let status = unsafe { mach_timebase_info(&raw mut timebase) };
        match (status, timebase) {
            (
                0,
                Timebase {
                    numer: 1..,
                    denom: 1..,
                },
            ) => timebase,
            // It does not fail; a tick is a nanosecond wherever nothing else is said.
            _ => Timebase { numer: 1, denom: 1 },
        }
    }

    fn nanoseconds(self, ticks: u64) -> u64 {
        let nanoseconds = u128::from(ticks) * u128::from(self.numer) / u128::from(self.denom);
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

/// A time of Metal's; it is zero where the device ran nothing.
fn whole_nanoseconds(seconds: f64) -> Option<u64> {
    (seconds > 0.0 && seconds.is_finite()).then_some((seconds * 1e9) as u64)
}

/// Metal marks samples that failed, and leaves those at zero that were never taken.
fn is_sampled(ticks: u64) -> bool {
    ticks != 0 && ticks != MTLCounterErrorValue
}

/// Reads the device's clock. What Metal says of the host's at the same moment is left aside, because its unit differs
/// from system to system.
fn read(device: &ProtocolObject<dyn MTLDevice>) -> Option<Anchor> {
    Anchor::read(|| {
        let (mut host, mut ticks): (MTLTimestamp, MTLTimestamp) = (0, 0);
        // SAFETY: both places are there.
        unsafe {
            device
                .sampleTimestamps_gpuTimestamp(NonNull::from(&mut host), NonNull::from(&mut ticks));
        }
        Some(ticks)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_the_system_are_nanoseconds_by_their_fraction() {
        let apple = Timebase {
            numer: 125,
            denom: 3,
        };
        assert_eq!(apple.nanoseconds(24_000_000), 1_000_000_000);
        // A year, which a product of 64 bits would not hold with Intel's old fractions.
        let year = 365 * 86_400 * 1_000_000_000;
        let intel = Timebase {
            numer: 1_000_000_000,
            denom: 1_000_000_000,
        };
        assert_eq!(intel.nanoseconds(year), year);
        assert_eq!(apple.nanoseconds(u64::MAX), u64::MAX);
    }

    #[test]
    fn what_was_not_sampled_has_no_time() {
        assert!(!is_sampled(0) && !is_sampled(MTLCounterErrorValue));
        assert!(is_sampled(1) && is_sampled(MTLCounterErrorValue - 1));
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(whole_nanoseconds(seconds), None, "{seconds}");
        }
        assert_eq!(whole_nanoseconds(1.5), Some(1_500_000_000));
    }
}
