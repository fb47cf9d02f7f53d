//! Finds accesses that nothing orders: within a pass between barriers, and between passes.
//!
//! Within a concurrent pass, dispatches between two barriers are in no order. Between passes of a queue, Metal orders what
//! touches a tracked resource; untracked resources are ordered by fences, events, or the host that waits, and by nothing else
//! (Apple: "Metal doesn't track memory dependencies for untracked resources, which means you're responsible for ensuring that
//! commands access those resources safely with barriers, fences, or events"). Between queues only events and the host do.

mod watcher;

pub(crate) use watcher::{Area, Watcher};

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::memory::Storage;
use crate::order::{self, Known, PassId};
use crate::pass::Surroundings;
use crate::shadow::Serial;

/// How many dispatches are remembered for reports.
const REMEMBERED: usize = 1 << 20;

/// Where in its pass a dispatch is. Two dispatches of a pass are ordered if their waves differ, or if one execution of an
/// indirect command buffer has them in different steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) wave: u32,
    /// Which execution of an indirect command buffer; 0 for none.
    pub(crate) execution: u32,
    pub(crate) step: u32,
}

#[derive(Debug)]
struct Info {
    kernel: Arc<str>,
    pass: PassId,
    place: Place,
}

/// A pass that ran.
#[derive(Debug)]
struct Ran {
    pass: PassId,
    queue: u64,
    first: Serial,
    end: Serial,
}

#[derive(Debug)]
struct State {
    next: Serial,
    infos: VecDeque<Info>,
    ran: VecDeque<Ran>,
}

static STATE: Mutex<State> = Mutex::new(State {
    next: 1,
    infos: VecDeque::new(),
    ran: VecDeque::new(),
});

impl State {
    fn info(&self, serial: Serial) -> Option<&Info> {
        let oldest = self.next as usize - self.infos.len();
        self.infos.get((serial as usize).checked_sub(oldest)?)
    }

    fn pass_of(&self, serial: Serial) -> Option<&Ran> {
        self.ran
            .iter()
            .rev()
            .find(|ran| (ran.first..ran.end).contains(&serial))
    }
}

/// A pass under watch. Passes of all queues run one at a time while they are watched.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    state: MutexGuard<'a, State>,
    pass: PassId,
    queue: u64,
    known: &'a Known,
    before: &'a HashSet<PassId>,
    first: Serial,
    wave: Serial,
    /// Lowest dispatch of a pass that is not ordered before this one: of any queue, and of other queues.
    unordered: Serial,
    unordered_elsewhere: Serial,
}

/// Starts to watch a pass that comes after the passes of `before`.
pub(crate) fn begin<'a>(around: &'a Surroundings<'a>, before: &'a HashSet<PassId>) -> Watched<'a> {
    let mut state = STATE.lock();
    let oldest = order::oldest_in_flight();
    let queue = around.queue;
    let known = around.known;
    // Passes that ended before the oldest one in flight was committed come before whatever is to come.
    let kept = oldest.min(known.first);
    while state.ran.len() > 4096 && state.ran.front().is_some_and(|ran| ran.pass < kept) {
        state.ran.pop_front();
    }
    let (mut unordered, mut unordered_elsewhere) = (Serial::MAX, Serial::MAX);
    for ran in &state.ran {
        if !known.had_ended(ran.pass) && !before.contains(&ran.pass) && ran.pass != around.pass {
            unordered = unordered.min(ran.first);
            if ran.queue != queue {
                unordered_elsewhere = unordered_elsewhere.min(ran.first);
            }
        }
    }
    let first = state.next;
    Watched {
        state,
        pass: around.pass,
        queue,
        known,
        before,
        first,
        wave: first,
        unordered,
        unordered_elsewhere,
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let ran = Ran {
            pass: self.pass,
            queue: self.queue,
            first: self.first,
            end: self.state.next,
        };
        if ran.end > ran.first {
            self.state.ran.push_back(ran);
        }
        while self.state.infos.len() > REMEMBERED {
            self.state.infos.pop_front();
        }
    }
}

impl<'a> Watched<'a> {
    /// Dispatches to come are after those that were.
    pub(crate) fn barrier(&mut self) {
        self.wave = self.state.next;
    }

    /// The same for one buffer.
    pub(crate) fn barrier_for(&mut self, storage: &Storage) {
        // SAFETY: the lock of the hazards is held.
        unsafe { storage.shadow.barrier.get().write(self.state.next) };
    }

    /// Starts to watch a dispatch.
    pub(crate) fn dispatch<'b>(
        &'b mut self,
        kernel: &Arc<str>,
        place: Place,
        areas: &'b [Area<'b>],
    ) -> Watcher<'a, 'b> {
        let serial = self.state.next;
        self.state.next += 1;
        self.state.infos.push_back(Info {
            kernel: kernel.clone(),
            pass: self.pass,
            place,
        });
        Watcher {
            watched: self,
            serial,
            kernel: kernel.clone(),
            place,
            areas,
            last: 0,
            reported: Vec::new(),
        }
    }

    /// From which dispatch on a touch of this buffer may be unordered.
    fn floor(&self, storage: &Storage, tracked: bool) -> Serial {
        // SAFETY: the lock of the hazards is held.
        let barrier = unsafe { storage.shadow.barrier.get().read() };
        self.wave.max(barrier).min(if tracked {
            self.unordered_elsewhere
        } else {
            self.unordered
        })
    }
}
