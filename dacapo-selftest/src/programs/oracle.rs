//! Which dispatches conflict, found by comparing each with each.

use std::ops::Range;

use dacapo::hazard::{Hazard, HazardKind};
use dacapo::{Barrier, BarrierCause, BufferView};

/// Bytes of an allocation that a dispatch touches.
#[derive(Clone, Debug)]
pub struct Touch {
    pub allocation: u32,
    pub bytes: Range<u64>,
    pub reads: bool,
    pub writes: bool,
}

impl Touch {
    pub fn new(view: &BufferView, (reads, writes): (bool, bool)) -> Touch {
        Touch {
            allocation: view.allocation().index(),
            bytes: view.offset()..view.offset() + view.len(),
            reads,
            writes,
        }
    }

    fn meets(&self, other: &Touch) -> Option<Range<u64>> {
        let start = self.bytes.start.max(other.bytes.start);
        let end = self.bytes.end.min(other.bytes.end);
        (self.allocation == other.allocation && start < end).then_some(start..end)
    }
}

#[derive(Clone, Debug)]
pub struct Dispatch {
    pub touches: Vec<Touch>,
    /// Declared as touching anything.
    pub wild: bool,
}

impl Dispatch {
    pub fn conflicts(&self, earlier: &Dispatch) -> bool {
        self.wild
            || earlier.wild
            || self.touches.iter().any(|a| {
                let mut touches = earlier.touches.iter();
                touches.any(|b| (a.writes || b.writes) && a.meets(b).is_some())
            })
    }

    /// Whether `hazard`, said to be between `self` and `earlier`, is.
    fn confirms(&self, earlier: &Dispatch, hazard: &Hazard) -> bool {
        let fits = |later: &Touch, earlier: &Touch| match hazard.kind {
            HazardKind::ReadAfterWrite => later.reads && earlier.writes,
            HazardKind::WriteAfterRead => later.writes && earlier.reads,
            HazardKind::WriteAfterWrite => later.writes && earlier.writes,
            HazardKind::Unknown => false,
        };
        if hazard.kind == HazardKind::Unknown {
            return self.wild || earlier.wild;
        }
        self.touches.iter().any(|a| {
            earlier.touches.iter().any(|b| {
                let bytes = hazard.overlap.start..hazard.overlap.end;
                let common = a.meets(b).filter(|_| fits(a, b));
                hazard.allocation.map(|id| id.index()) == Some(a.allocation)
                    && !bytes.is_empty()
                    && common.is_some_and(|both| both.start <= bytes.start && bytes.end <= both.end)
            })
        })
    }
}

/// Follows the dispatches of one encoder.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    pub dispatches: Vec<Dispatch>,
    /// The first dispatch after each barrier, whoever put it, and whether the caller did.
    pub barriers: Vec<(usize, bool)>,
    wave: usize,
    /// No barrier is put where one is missing.
    pub leaves_races: bool,
}

impl Oracle {
    pub fn barrier(&mut self) {
        self.barriers.push((self.dispatches.len(), true));
        self.wave = self.dispatches.len();
    }

    pub fn needs_barrier(&self, next: &Dispatch) -> bool {
        let wave = &self.dispatches[self.wave..];
        wave.iter().any(|earlier| next.conflicts(earlier))
    }

    pub fn dispatch(&mut self, next: Dispatch) {
        if self.needs_barrier(&next) {
            self.barriers.push((self.dispatches.len(), false));
            if !self.leaves_races {
                self.wave = self.dispatches.len();
            }
        }
        self.dispatches.push(next);
    }

    /// The waves, as ranges of dispatches.
    pub fn waves(&self) -> Vec<Range<usize>> {
        let mut starts: Vec<usize> = self.barriers.iter().map(|(before, _)| *before).collect();
        starts.insert(0, 0);
        starts.push(self.dispatches.len());
        starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }

    /// Panics unless `reported` are exactly the barriers that are needed, with true reasons.
    pub fn assert_agrees(&self, reported: &[Barrier]) {
        let places: Vec<(usize, bool)> = reported
            .iter()
            .map(|barrier| {
                let explicit = barrier.cause == BarrierCause::Explicit;
                (barrier.before as usize, explicit)
            })
            .collect();
        assert_eq!(places, self.barriers);
        let mut wave = 0;
        for barrier in reported {
            if let BarrierCause::Hazard(hazard) = &barrier.cause {
                let earlier = hazard.earlier as usize;
                assert!(
                    (wave..barrier.before as usize).contains(&earlier),
                    "{barrier}"
                );
                let later = &self.dispatches[barrier.before as usize];
                let confirmed = later.confirms(&self.dispatches[earlier], hazard);
                assert!(confirmed, "{barrier}: no such hazard");
            }
            wave = barrier.before as usize;
        }
    }
}
