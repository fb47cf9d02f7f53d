//! Which passes are in flight, and which had ended when a command buffer was committed: what orders passes besides fences and
//! events is that the host saw one end before it committed the other.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

/// Number of a pass (an encoder's work), growing in order of commits.
pub(crate) type PassId = u64;

/// How many ended passes are remembered for events that the host signals.
const REMEMBERED: usize = 1024;

struct Passes {
    next: PassId,
    in_flight: HashSet<PassId>,
    finished: VecDeque<PassId>,
}

static PASSES: Mutex<Option<Passes>> = Mutex::new(None);

/// What a command buffer knows about other passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Number of its own first pass: higher ones were committed with it or later.
    pub(crate) first: PassId,
    in_flight: Arc<HashSet<PassId>>,
}

impl Known {
    /// Whether the host had seen the end of the pass when it committed the command buffer.
    pub(crate) fn had_ended(&self, pass: PassId) -> bool {
        pass < self.first && !self.in_flight.contains(&pass)
    }
}

fn with<R>(f: impl FnOnce(&mut Passes) -> R) -> R {
    let mut passes = PASSES.lock();
    f(passes.get_or_insert_with(|| Passes {
        next: 1,
        in_flight: HashSet::new(),
        finished: VecDeque::new(),
    }))
}

/// Numbers the passes of a command buffer that is being committed.
pub(crate) fn commit(count: u64) -> Known {
    with(|passes| {
        let known = Known {
            first: passes.next,
            in_flight: Arc::new(passes.in_flight.clone()),
        };
        passes.in_flight.extend(passes.next..passes.next + count);
        passes.next += count;
        known
    })
}

/// The passes of a command buffer have ended, and the host can know it.
pub(crate) fn complete(first: PassId, count: u64) {
    with(|passes| {
        for pass in first..first + count {
            passes.in_flight.remove(&pass);
            passes.finished.push_back(pass);
        }
        while passes.finished.len() > REMEMBERED {
            passes.finished.pop_front();
        }
    });
}

/// Passes that ended lately.
pub(crate) fn finished() -> HashSet<PassId> {
    with(|passes| passes.finished.iter().copied().collect())
}

/// The lowest number among passes in flight.
pub(crate) fn oldest_in_flight() -> PassId {
    with(|passes| {
        passes
            .in_flight
            .iter()
            .copied()
            .min()
            .unwrap_or(passes.next)
    })
}
