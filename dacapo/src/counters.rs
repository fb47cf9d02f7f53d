use core::ops::{Add, Sub};
use core::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What a device has done since it was opened: a snapshot, to be subtracted from a later one.
        ///
        /// ```
        /// # let device = dacapo::Device::open(&dacapo::DeviceOptions::default())?;
        /// let before = device.counters();
        /// device.encoder("empty")?.commit()?.wait()?;
        /// assert_eq!((device.counters() - before).submissions, 1);
        /// # Ok::<(), dacapo::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Every counter with its stable name and what it counts, in the order of the fields.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), concat!($($doc),*).trim_ascii(), self.$name),)*].into_iter()
            }
        }

        impl Add for Counters {
            type Output = Counters;

            fn add(self, other: Counters) -> Counters {
                Counters { $($name: self.$name.saturating_add(other.$name),)* }
            }
        }

        impl Sub for Counters {
            type Output = Counters;

            fn sub(self, earlier: Counters) -> Counters {
                Counters { $($name: self.$name.saturating_sub(earlier.$name),)* }
            }
        }

        #[derive(Debug, Default)]
        pub(crate) struct AtomicCounters {
            $($name: AtomicU64,)*
        }

        impl AtomicCounters {
            pub(crate) fn add(&self, counts: &Counters) {
                $(if counts.$name != 0 {
                    self.$name.fetch_add(counts.$name, Ordering::Relaxed);
                })*
            }

            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Encoders committed.
    submissions,
    /// Waits for a submission that had not completed when the wait began.
    waits,
    /// Dispatches committed, those of replays included.
    dispatches,
    /// Graphs replayed.
    replays,
    /// Barriers put because a dispatch reads what an earlier one writes.
    barriers_read_after_write,
    /// Barriers put because a dispatch writes what an earlier one reads.
    barriers_write_after_read,
    /// Barriers put because two dispatches write the same bytes.
    barriers_write_after_write,
    /// Barriers put because a kernel may touch anything.
    barriers_unknown_access,
    /// Barriers put because the encoder is serial.
    barriers_serial,
    /// Barriers the caller placed.
    barriers_explicit,
    /// Conflicts found under manual hazards where the caller placed no barrier.
    barriers_missing,
    /// Dispatches, other than an encoder's first, that needed no barrier in front of them.
    barriers_elided,
    /// Bytes the host moved through staging memory.
    bytes_staged,
    /// Pipelines compiled.
    pipelines_compiled,
    /// Flushes of residency changes.
    residency_flushes,
}

impl Counters {
    /// All barriers that were put, whatever the cause.
    pub fn barriers(&self) -> u64 {
        self.barriers_read_after_write
            + self.barriers_write_after_read
            + self.barriers_write_after_write
            + self.barriers_unknown_access
            + self.barriers_serial
            + self.barriers_explicit
    }
}
