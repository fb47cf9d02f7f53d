use super::*;

const MS: Duration = Duration::from_millis(1);

/// A counter of so many bits whose ticks are `drift` times as long as its maker says, at 10 ns.
fn known(bits: u32, drift: f64, start: u64, apart: Duration) -> (Axis, Anchor, f64) {
    let mut axis = Axis::new(Scale::new(bits, 10.0));
    let mask = axis.scale.mask;
    let tick = 10.0 * drift;
    let host = Instant::now();
    let anchor = |after: Duration| Anchor {
        ticks: (u128::from(start) + (after.as_nanos() as f64 / tick) as u128) as u64 & mask,
        host: host + after,
        error: Duration::ZERO,
    };
    axis.note(anchor(Duration::ZERO));
    axis.note(anchor(apart));
    (axis, anchor(apart), tick)
}

/// From `from` to `to`, in nanoseconds.
fn nanos(from: Instant, to: Instant) -> f64 {
    match to >= from {
        true => (to - from).as_nanos() as f64,
        false => -((from - to).as_nanos() as f64),
    }
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
                    let (axis, latest, tick) = known(bits, drift, start, apart);
                    for offset in [-20_000_000i64, -1, 0, 1, 20_000_000] {
                        let ticks = latest.ticks.wrapping_add_signed(offset) & mask;
                        let found = nanos(latest.host, axis.place(ticks).unwrap());
                        let expected = offset as f64 * tick;
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
fn a_counter_that_runs_wildly_is_not_believed() {
    let (axis, ..) = known(64, 1.5, 0, Duration::from_secs(2));
    assert_eq!(axis.tick(), Some(10.0));
}

/// A counter of which nobody says how long its ticks are.
struct Unknown {
    opened: Instant,
    start: u64,
    tick: f64,
}

impl Unknown {
    fn ticks(&self, after: Duration) -> u64 {
        self.start
            .wrapping_add((after.as_nanos() as f64 / self.tick) as u64)
    }

    /// A reading that is late by `late` nanoseconds, and says that it can be off by a microsecond.
    fn anchor(&self, after: Duration, late: i64) -> Anchor {
        let nanos = i64::try_from(after.as_nanos()).unwrap() + late;
        Anchor {
            ticks: self.ticks(after),
            host: self.opened + Duration::from_nanos(nanos as u64),
            error: Duration::from_micros(1),
        }
    }
}

/// Apple silicon, one that counts at 24 MHz, and Intel.
const LENGTHS_SEEN: [f64; 3] = [1.0, 1e9 / 24e6, 83.333];

#[test]
fn a_learned_length_places_the_very_first_times_within_a_few_errors_of_reading() {
    for tick in LENGTHS_SEEN {
        for start in [0, u64::MAX - 1_000_000] {
            for base in [MS / 20, MS, 40 * MS, 400 * MS] {
                for (first, latest) in [(1000, -1000), (-1000, 1000), (0, 0)] {
                    let opened = Instant::now();
                    let counter = Unknown {
                        opened,
                        start,
                        tick,
                    };
                    let at = 10 * MS;
                    let mut axis = Axis::new(Scale::learned());
                    axis.note(counter.anchor(at, first));
                    axis.note(counter.anchor(at + base, latest));
                    let known = opened + at + base + Duration::from_nanos(latest.max(0) as u64);
                    assert!(!axis.is_stale(known), "{tick} {base:?}");
                    let error = axis.error().unwrap().as_nanos() as f64 + 2.0 * tick;
                    assert!(error < 3_200.0 + 2.0 * tick, "{error}");
                    // From the first reading to when another one is due.
                    for part in 0..=8 {
                        let after = at + base * part / 4;
                        let found = axis.place(counter.ticks(after)).unwrap();
                        let off = nanos(opened + after, found).abs();
                        assert!(
                            off <= error,
                            "{tick} {base:?} {part}: {off} ns, said {error}"
                        );
                    }
                    assert!(axis.is_stale(opened + at + 2 * base + MS / 100));
                }
            }
        }
    }
}

#[test]
fn nothing_is_placed_before_two_readings_tell_how_long_ticks_are() {
    let counter = Unknown {
        opened: Instant::now(),
        start: 5,
        tick: 1.0,
    };
    let mut axis = Axis::new(Scale::learned());
    assert!(axis.is_stale(counter.opened) && axis.error().is_none());
    axis.note(counter.anchor(MS, 0));
    assert_eq!((axis.place(counter.ticks(MS)), axis.error()), (None, None));
    assert!(axis.is_stale(counter.opened + 2 * MS));
    axis.note(counter.anchor(3 * MS, 0));
    assert!(axis.place(counter.ticks(MS)).is_some());
}

#[test]
fn readings_that_no_counter_gives_are_not_believed() {
    let opened = Instant::now();
    let at = |ms: u32, ticks| Anchor {
        ticks,
        host: opened + ms * MS,
        error: Duration::from_micros(1),
    };
    // One that stands, one that runs backwards, one that is too fast and one that is too slow.
    for ticks in [7, 6, 7 + 100_000_000, 8] {
        let mut axis = Axis::new(Scale::learned());
        axis.note(at(1, 7));
        axis.note(at(5, ticks));
        assert_eq!(axis.place(ticks), None, "{ticks}");
        // From here on it counts nanoseconds.
        axis.note(at(6, ticks + 1_000_000));
        let found = axis.place(ticks + 500_000).unwrap();
        assert_eq!(nanos(opened, found), 5_500_000.0, "{ticks}");
    }
}

#[test]
fn a_counter_that_jumps_is_learned_anew() {
    let counter = Unknown {
        opened: Instant::now(),
        start: 5,
        tick: 83.333,
    };
    for jump in [-1_000_000i64, 1_000_000] {
        let jumped = |ms: u32| Anchor {
            ticks: counter.ticks(ms * MS).wrapping_add_signed(jump),
            ..counter.anchor(ms * MS, 0)
        };
        let mut axis = Axis::new(Scale::learned());
        axis.note(counter.anchor(MS, 300));
        axis.note(counter.anchor(20 * MS, -300));
        axis.note(counter.anchor(500 * MS, 0));
        assert!(axis.tick().is_some());
        axis.note(jumped(900));
        assert_eq!(axis.tick(), None, "{jump}");
        axis.note(jumped(950));
        let found = axis.place(jumped(930).ticks).unwrap();
        let off = nanos(counter.opened + 930 * MS, found);
        assert!(off.abs() < 200.0, "{off}");
    }
}

#[test]
fn a_host_that_slept_for_long_has_seen_no_jump() {
    let counter = Unknown {
        opened: Instant::now(),
        start: 5,
        tick: 1.0,
    };
    let mut axis = Axis::new(Scale::learned());
    axis.note(counter.anchor(MS, 1000));
    axis.note(counter.anchor(2 * MS, -1000));
    axis.note(counter.anchor(60_000 * MS, 1000));
    let learned = axis.tick().unwrap();
    assert!((learned - 1.0).abs() < 1e-7, "{learned}");
}

#[test]
fn of_several_readings_the_quickest_counts() {
    let mut reading = 0;
    let anchor = Anchor::read(|| {
        reading += 1;
        // More than one is quick, since a busy machine may hold some up.
        let is_quick = reading % 2 == 1;
        let micros = if is_quick { 10 } else { 20_000 };
        std::thread::sleep(Duration::from_micros(micros));
        Some(reading)
    });
    let anchor = anchor.unwrap();
    assert_eq!((reading, anchor.ticks % 2), (TRIES as u64, 1));
    assert!(anchor.error >= Duration::from_micros(5) && anchor.host <= Instant::now());
}

#[test]
fn a_counter_that_cannot_be_read_is_asked_once() {
    let mut readings = 0;
    let anchor = Anchor::read(|| {
        readings += 1;
        None
    });
    assert!(anchor.is_none());
    assert_eq!(readings, 1);
}

#[test]
fn submissions_do_not_overlap_and_end_before_they_are_seen() {
    let mut order = Order::default();
    let zero = Instant::now();
    let at = |ms: u32| zero + ms * MS;
    assert_eq!(order.next([at(1), at(5)], at(6)), [at(1), at(5)]);
    assert_eq!(order.next([at(4), at(9)], at(8)), [at(5), at(8)]);
    assert_eq!(order.next([at(30), at(10)], at(12)), [at(10), at(10)]);
    assert_eq!(order.next([at(2), at(3)], at(13)), [at(3), at(3)]);
}
