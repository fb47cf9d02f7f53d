use crate::encoder::{Barrier, BarrierCause};
use crate::hazard::{HazardTracker, RangeAccess};
use crate::options::Hazards;
use crate::profile::Standing;

/// How dispatches are kept apart.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) hazards: Hazards,
    /// Whether the device inserts what is missing under manual hazards.
    pub(crate) prevents_races: bool,
}

impl Order {
    /// Whether a conflict puts a barrier, or only is reported.
    pub(crate) fn puts_barriers(self) -> bool {
        self.hazards != Hazards::Manual || self.prevents_races
    }

    fn tracks(self) -> bool {
        match self.hazards {
            Hazards::Auto => true,
            Hazards::Manual => self.prevents_races || cfg!(debug_assertions),
            Hazards::Serial => false,
        }
    }
}

/// What a step of an encoder touches.
#[derive(Clone, Copy)]
pub(crate) enum Uses<'a> {
    Ranges(&'a [RangeAccess]),
    Anything,
}

/// How a sequence of dispatches falls into waves: the one rule, for live encoding and for graphs.
#[derive(Default)]
pub(crate) struct Waves {
    tracker: HazardTracker,
    barriers: Vec<Barrier>,
    dispatches: u32,
    /// Dispatches since the last barrier.
    wave_dispatches: u32,
}

impl Waves {
    /// Why a barrier must stand in front of a dispatch, if it must.
    #[inline]
    pub(crate) fn cause(&mut self, order: Order, uses: Uses<'_>) -> Option<BarrierCause> {
        if order.hazards == Hazards::Serial {
            return (self.wave_dispatches > 0).then_some(BarrierCause::Serial);
        }
        if !order.tracks() {
            return None;
        }
        let found = match uses {
            Uses::Anything => self.tracker.check_unknown(),
            Uses::Ranges(accesses) => self.tracker.check(accesses),
        };
        found.map(BarrierCause::Hazard)
    }

    /// Ends the wave.
    pub(crate) fn barrier(&mut self, cause: BarrierCause) {
        self.tracker.barrier();
        self.wave_dispatches = 0;
        let before = self.dispatches;
        self.barriers.push(Barrier { before, cause });
    }

    /// Adds a dispatch to the wave.
    #[inline]
    pub(crate) fn dispatch(&mut self, order: Order, uses: Uses<'_>) {
        if order.tracks() {
            match uses {
                Uses::Anything => self.tracker.record_unknown(self.dispatches),
                Uses::Ranges(accesses) => self.tracker.record(self.dispatches, accesses),
            }
        }
        self.dispatches += 1;
        self.wave_dispatches += 1;
    }

    /// Where the next dispatch stands.
    pub(crate) fn standing(&self) -> Standing {
        let last = self.barriers.last();
        Standing {
            wave: self.barriers.len() as u32,
            barrier: last
                .filter(|barrier| barrier.before == self.dispatches)
                .map(|barrier| barrier.cause),
        }
    }

    pub(crate) fn barriers(&self) -> &[Barrier] {
        &self.barriers
    }

    pub(crate) fn into_barriers(self) -> Vec<Barrier> {
        self.barriers
    }

    pub(crate) fn dispatches(&self) -> u32 {
        self.dispatches
    }

    /// Whether nothing was dispatched since the last barrier.
    pub(crate) fn at_start(&self) -> bool {
        self.wave_dispatches == 0
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn reset(&mut self) {
        self.tracker.barrier();
        self.barriers.clear();
        self.dispatches = 0;
        self.wave_dispatches = 0;
    }
}
