use crate::graph::dag::Map;
use crate::graph::dag::map::Run;

/// The waves in which steps run that have been placed so far, by the bytes they touch.
///
/// Steps come in program order, or all in reverse. A step that conflicts with one placed before is placed in a later
/// wave, so of the accesses to a byte only the latest write and the latest read ever count, and both only grow: trees of
/// maxima do, one of the writes and one of the reads of each allocation (after "Efficient and easy segment trees",
/// Al.Cash, Codeforces 2014, with tags that stay where they are).
pub(crate) struct Frontier<'m> {
    map: &'m Map,
    written: Trees,
    read: Trees,
    /// The latest of all steps placed so far.
    last: Mark,
    /// Everything from here on comes after this one.
    floor: Mark,
}

/// A wave, counted from 1 so that 0 is none, and a step in it; later waves are greater.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Mark(u64);

/// Where a step can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first wave after all that it conflicts with.
    pub(crate) wave: u32,
    /// One of those in the wave before.
    pub(crate) after: Option<u32>,
}

/// For each allocation a tree over its pieces: two marks for each node, the greatest below it and its tag.
struct Trees {
    greatest: Vec<Mark>,
    tags: Vec<Mark>,
}

impl Mark {
    fn new(wave: u32, step: usize) -> Mark {
        Mark((u64::from(wave) + 1) << 32 | step as u64)
    }

    fn place(self) -> Place {
        match (self.0 >> 32) as u32 {
            0 => Place {
                wave: 0,
                after: None,
            },
            wave => Place {
                wave,
                after: Some(self.0 as u32),
            },
        }
    }
}

impl<'m> Frontier<'m> {
    pub(crate) fn new(map: &'m Map) -> Frontier<'m> {
        Frontier {
            map,
            written: Trees::new(map.pieces()),
            read: Trees::new(map.pieces()),
            last: Mark::default(),
            floor: Mark::default(),
        }
    }

    /// Puts everything so far before everything from now on.
    pub(crate) fn fence(&mut self) {
        self.floor = self.last;
    }

    /// The first wave in which a step can run.
    pub(crate) fn earliest(&self, step: usize, unknown: bool) -> Place {
        if unknown {
            return self.last.place();
        }
        let conflict = self.map.runs(step).iter().map(|run| {
            let written = self.written.greatest(run);
            match run.access.writes() {
                true => written.max(self.read.greatest(run)),
                false => written,
            }
        });
        conflict.fold(self.floor, Mark::max).place()
    }

    /// Places a step, in a wave not before its earliest.
    pub(crate) fn put(&mut self, step: usize, unknown: bool, wave: u32) {
        let mark = Mark::new(wave, step);
        self.last = self.last.max(mark);
        if unknown {
            self.floor = mark;
            return;
        }
        for run in self.map.runs(step) {
            match run.access.writes() {
                true => self.written.raise(run, mark),
                false => self.read.raise(run, mark),
            }
        }
    }
}

impl Trees {
    fn new(pieces: usize) -> Trees {
        Trees {
            greatest: vec![Mark::default(); 2 * pieces],
            tags: vec![Mark::default(); 2 * pieces],
        }
    }

    /// The greatest mark of the pieces of a run.
    fn greatest(&self, run: &Run) -> Mark {
        let base = 2 * run.base as usize;
        let len = run.len as usize;
        let (mut low, mut high) = (run.first as usize + len, run.end as usize + len);
        // What was raised as part of a larger run is noted above.
        let mut found = self.above(base, low).max(self.above(base, high - 1));
        while low < high {
            if low % 2 == 1 {
                found = found.max(self.greatest[base + low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                found = found.max(self.greatest[base + high]);
            }
            (low, high) = (low / 2, high / 2);
        }
        found
    }

    fn above(&self, base: usize, leaf: usize) -> Mark {
        let mut found = Mark::default();
        let mut node = leaf / 2;
        while node > 0 {
            found = found.max(self.tags[base + node]);
            node /= 2;
        }
        found
    }

    /// Raises the marks of the pieces of a run that are below `mark`.
    fn raise(&mut self, run: &Run, mark: Mark) {
        let base = 2 * run.base as usize;
        let len = run.len as usize;
        let (first, last) = (run.first as usize + len, run.end as usize - 1 + len);
        let (mut low, mut high) = (first, last + 1);
        while low < high {
            if low % 2 == 1 {
                self.apply(base + low, mark);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                self.apply(base + high, mark);
            }
            (low, high) = (low / 2, high / 2);
        }
        self.rebuild(base, first);
        self.rebuild(base, last);
    }

    fn apply(&mut self, node: usize, mark: Mark) {
        self.greatest[node] = self.greatest[node].max(mark);
        self.tags[node] = self.tags[node].max(mark);
    }

    fn rebuild(&mut self, base: usize, leaf: usize) {
        let mut node = leaf / 2;
        while node > 0 {
            let below = self.greatest[base + 2 * node].max(self.greatest[base + 2 * node + 1]);
            self.greatest[base + node] = below.max(self.tags[base + node]);
            node /= 2;
        }
    }
}
