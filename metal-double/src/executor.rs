//! The GPU's side of a queue: a thread that runs command buffers in their order.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use objc2::rc::{Retained, autoreleasepool};
use objc2_metal::MTLCommandBufferError;
use parking_lot::{Condvar, Mutex};

use crate::command_buffer::CommandBuffer;
use crate::encoding::{Executed, Step};
use crate::faults::CommandBufferFault;
use crate::held::Notes;
use crate::order::{self, Known, PassId};
use crate::pass::{self, Surroundings};
use crate::residency::{ResidencySet, Resident};
use crate::settings;
use crate::time;

/// How long a command buffer waits for an event before the device gives up, as a GPU's watchdog does.
const WATCHDOG: Duration = Duration::from_secs(30);

/// A command buffer that was committed, with all that it needs to run. Fields are dropped in this order: commands before what
/// they point to.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) steps: Vec<Step>,
    #[expect(dead_code, reason = "kept until the work has ended")]
    pub(crate) notes: Notes,
    pub(crate) known: Known,
    pub(crate) passes: u64,
    pub(crate) resident: Vec<Resident>,
    pub(crate) executed: Executed,
    #[expect(dead_code, reason = "kept until the work has ended")]
    pub(crate) sets: Vec<Retained<ResidencySet>>,
    pub(crate) fault: Option<CommandBufferFault>,
    /// Whether accesses are watched.
    pub(crate) watch: bool,
    pub(crate) command_buffer: Retained<CommandBuffer>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    /// Nothing while its place is only reserved.
    committed: Option<Box<Committed>>,
}

#[derive(Debug, Default)]
struct Line {
    entries: VecDeque<Entry>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    line: Mutex<Line>,
    changed: Condvar,
}

/// The queue's end of the thread.
#[derive(Debug)]
pub(crate) struct Executor(Arc<Shared>);

impl Drop for Executor {
    fn drop(&mut self) {
        self.0.line.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Executor {
    /// Starts the thread of a queue.
    pub(crate) fn start(queue: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let spawned = std::thread::Builder::new()
            .name("metal double queue".into())
            .spawn(move || work(&of_thread, queue));
        if let Err(error) = spawned {
            crate::rules::fail(
                "metal double",
                format_args!("no thread for a queue: {error}"),
            );
        }
        Self(shared)
    }

    /// Reserves the next place for a command buffer.
    pub(crate) fn enqueue(&self, id: u64) {
        self.0.line.lock().entries.push_back(Entry {
            id,
            committed: None,
        });
    }

    /// Gives up a reserved place.
    pub(crate) fn forget(&self, id: u64) {
        self.0.line.lock().entries.retain(|entry| entry.id != id);
        self.0.changed.notify_all();
    }

    /// Takes a committed command buffer, in its reserved place or at the end.
    pub(crate) fn commit(&self, id: u64, committed: Committed) {
        let mut line = self.0.line.lock();
        let committed = Some(Box::new(committed));
        match line.entries.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.committed = committed,
            None => line.entries.push_back(Entry { id, committed }),
        }
        self.0.changed.notify_all();
    }
}

static HELD: AtomicBool = AtomicBool::new(false);
static HOLDING: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

/// Keeps every queue from starting command buffers, or lets them go on.
pub(crate) fn hold(on: bool) {
    let _guard = HOLDING.0.lock();
    HELD.store(on, SeqCst);
    HOLDING.1.notify_all();
}

fn wait_while_held() {
    if HELD.load(SeqCst) {
        let mut guard = HOLDING.0.lock();
        while HELD.load(SeqCst) {
            HOLDING.1.wait(&mut guard);
        }
    }
}

fn next(shared: &Shared) -> Option<Box<Committed>> {
    let mut line = shared.line.lock();
    loop {
        if let Some(entry) = line.entries.front_mut()
            && let Some(committed) = entry.committed.take()
        {
            line.entries.pop_front();
            return Some(committed);
        }
        if line.closed {
            return None;
        }
        shared.changed.wait(&mut line);
    }
}

fn work(shared: &Shared, queue: u64) {
    let mut thread = Thread {
        queue,
        before: HashSet::new(),
        coin: queue,
    };
    while let Some(committed) = next(shared) {
        autoreleasepool(|_| thread.run(*committed));
    }
}

struct Thread {
    queue: u64,
    /// Passes that events put before whatever runs now.
    before: HashSet<PassId>,
    coin: u64,
}

impl Thread {
    fn run(&mut self, mut committed: Committed) {
        let command_buffer = committed.command_buffer.clone();
        command_buffer.scheduled();
        wait_while_held();
        command_buffer.started(time::cpu_nanoseconds());
        let mut fault = committed.fault.take();
        let labels: Vec<(String, Vec<String>)> =
            committed.steps.iter().filter_map(labels).collect();
        // A command buffer that fails stops in the middle.
        let stop = if fault.is_some() {
            committed.steps.len() / 2
        } else {
            usize::MAX
        };
        let mut pass = committed.known.first;
        let mut ran = 0;
        for (i, step) in committed.steps.iter().enumerate() {
            if i >= stop {
                break;
            }
            if !self.step(step, &committed, pass) {
                let text =
                    "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)";
                fault = Some(CommandBufferFault {
                    code: MTLCommandBufferError::Timeout.0,
                    text: text.into(),
                });
                break;
            }
            if step.is_pass() {
                pass += 1;
                ran += 1;
            }
        }
        for indirect in &committed.executed {
            indirect.ended();
        }
        if committed.watch {
            order::complete(committed.known.first, committed.passes);
            self.prune();
        }
        // What the command buffer kept is let go before anybody is told, so that a waiter can count on it.
        drop(committed);
        let end = time::cpu_nanoseconds();
        let handlers = command_buffer.ended(end, fault.as_ref(), &labels, ran);
        if !handlers.is_empty() && self.tails() {
            // Waiters may come first as well as last.
            std::thread::sleep(Duration::from_micros(200));
        }
        command_buffer.call(handlers);
    }

    /// False if the device gave up.
    fn step(&mut self, step: &Step, committed: &Committed, pass: PassId) -> bool {
        match step {
            Step::Wait(event, value) => match event.wait(*value, WATCHDOG) {
                Some(before) => self.before.extend(before),
                None => return false,
            },
            Step::Signal(event, value) => {
                let mut before = self.before.clone();
                before.extend(committed.known.first..pass);
                event.signal(*value, &before);
            }
            Step::Compute(_) | Step::Blit(_) if !settings::execute() => {}
            Step::Compute(_) | Step::Blit(_) => {
                let surroundings = Surroundings {
                    queue: self.queue,
                    pass,
                    known: &committed.known,
                    before: &self.before,
                    resident: &committed.resident,
                    watch: committed.watch,
                };
                match step {
                    Step::Compute(work) => pass::compute(work, &surroundings),
                    Step::Blit(work) => pass::blit(work, &surroundings),
                    Step::Wait(..) | Step::Signal(..) => {}
                }
            }
        }
        true
    }

    /// Forgets passes that every command buffer to come knows to have ended.
    fn prune(&mut self) {
        if self.before.len() > 4096 {
            let oldest = order::oldest_in_flight();
            self.before.retain(|pass| *pass >= oldest);
        }
    }

    fn tails(&mut self) -> bool {
        self.coin = self
            .coin
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.coin >> 63 == 1
    }
}

fn labels(step: &Step) -> Option<(String, Vec<String>)> {
    match step {
        Step::Compute(pass) => Some((pass.label.clone(), pass.signposts.clone())),
        Step::Blit(pass) => Some((pass.label.clone(), pass.signposts.clone())),
        Step::Wait(..) | Step::Signal(..) => None,
    }
}
