//! Finds all conflicts, with the whole history and a vector clock for each invocation: it knows nothing of ticks.

use super::{Now, Touch};

pub(super) const GROUPS: usize = 4;
pub(super) const LANES: usize = 8;
pub(super) const SUBGROUPS: usize = 2;
pub(super) const WORDS: usize = 2;

const SUBGROUP_SHIFT: u32 = (LANES / SUBGROUPS).ilog2();

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Read,
    Write,
    Atomic,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Access {
        group: usize,
        lane: usize,
        word: usize,
        kind: Kind,
        bytes: u32,
    },
    Barrier {
        group: usize,
        orders: bool,
    },
    SubgroupBarrier {
        group: usize,
        subgroup: usize,
    },
    Wave,
}

/// What tells touches apart: group, invocation, tick.
pub(super) fn name(touch: Touch) -> (u32, u32, u32) {
    (touch.group(), touch.lane(), touch.tick())
}

struct Past {
    group: usize,
    lane: usize,
    kind: Kind,
    bytes: u32,
    /// The invocation's own time.
    time: u32,
    name: (u32, u32, u32),
}

/// What an invocation knows of the time of each invocation of its group.
type Clock = [u32; LANES];

#[derive(Clone, Default)]
struct Group {
    clocks: [Clock; LANES],
    tick: u32,
    barrier: u32,
    subgroup_barriers: Vec<u32>,
}

impl Group {
    fn join(&mut self, lanes: core::ops::Range<usize>) {
        let joined: Clock = core::array::from_fn(|of| {
            lanes
                .clone()
                .map(|lane| self.clocks[lane][of])
                .max()
                .unwrap()
        });
        for lane in lanes {
            self.clocks[lane] = joined;
        }
    }
}

pub(super) struct Oracle {
    groups: [Group; GROUPS],
    history: [Vec<Past>; WORDS],
    clean: [bool; WORDS],
    wave: u32,
    shared: bool,
}

impl Oracle {
    pub(super) fn new(shared: bool) -> Oracle {
        let mut oracle = Oracle {
            groups: Default::default(),
            history: Default::default(),
            clean: [true; WORDS],
            wave: 0,
            shared,
        };
        oracle.order(&Event::Wave);
        oracle
    }

    /// Whether a word has had no conflict in this wave.
    pub(super) fn is_clean(&self, word: usize) -> bool {
        self.clean[word]
    }

    pub(super) fn order(&mut self, event: &Event) {
        match *event {
            Event::Access { .. } => {}
            Event::Barrier { group, orders } => {
                let group = &mut self.groups[group];
                group.tick += 1;
                if orders {
                    group.barrier = group.tick;
                    group.join(0..LANES);
                }
            }
            Event::SubgroupBarrier { group, subgroup } => {
                let group = &mut self.groups[group];
                group.tick += 1;
                group.subgroup_barriers[subgroup] = group.tick;
                let lanes = LANES / SUBGROUPS;
                group.join(subgroup * lanes..(subgroup + 1) * lanes);
            }
            Event::Wave => {
                self.wave += 1;
                self.clean = [true; WORDS];
                self.history = Default::default();
                for group in &mut self.groups {
                    *group = Group {
                        subgroup_barriers: vec![0; SUBGROUPS],
                        ..Group::default()
                    };
                }
            }
        }
    }

    fn number(&self, group: usize) -> u32 {
        self.wave * GROUPS as u32 + group as u32
    }

    pub(super) fn touch(&self, group: usize, lane: usize, bytes: u32) -> Touch {
        Touch::new(self.number(group), self.groups[group].tick, 0)
            .by(lane as u32)
            .of(bytes)
    }

    pub(super) fn now(&self, group: usize) -> Now<'_> {
        Now {
            first_group: self.number(0),
            barrier: self.groups[group].barrier,
            subgroup_barriers: &self.groups[group].subgroup_barriers,
            subgroup_shift: SUBGROUP_SHIFT,
            shared: self.shared,
        }
    }

    /// The names of all earlier accesses that this one conflicts with.
    pub(super) fn access(
        &mut self,
        group: usize,
        lane: usize,
        word: usize,
        kind: Kind,
        bytes: u32,
        touch: Touch,
    ) -> Vec<(u32, u32, u32)> {
        let clock = &mut self.groups[group].clocks[lane];
        clock[lane] += 1;
        let known = *clock;
        let found: Vec<_> = self.history[word]
            .iter()
            .filter(|past| {
                let before = past.group == group && past.time <= known[past.lane];
                let harmless = past.kind == kind && kind != Kind::Write;
                !before && !harmless && past.bytes & bytes != 0
            })
            .map(|past| past.name)
            .collect();
        self.clean[word] &= found.is_empty();
        self.history[word].push(Past {
            group,
            lane,
            kind,
            bytes,
            time: known[lane],
            name: name(touch),
        });
        found
    }
}
