//! Submits recordings and notices when the device has run them.
#![allow(unsafe_code, reason = "registers completion handlers")]

use core::any::Any;
use core::ptr::NonNull;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use block2::RcBlock;
use objc2::rc::autoreleasepool;
use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLCommandBuffer, MTLCommandBufferStatus};

use crate::backend::Refused;
use crate::backend::jobs::Jobs;
use crate::backend::metal::encoder::MetalEncoder;
use crate::backend::metal::fault;
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::object::Commands;
use crate::encoder::{Outcome, Recording};
use crate::sync::{Condvar, Mutex, lock, wait};

type Handler = RcBlock<dyn Fn(NonNull<ProtocolObject<dyn MTLCommandBuffer>>)>;

/// The device's queue, and the thread that completes what it has run.
pub(super) struct Queue {
    gpu: Arc<Gpu>,
    jobs: Arc<Jobs<Job>>,
    watcher: Option<JoinHandle<()>>,
    /// One for all command buffers.
    handler: Handler,
}

// SAFETY: the block captures what any thread may use, and Metal calls it on threads of its own anyhow.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

/// A recording on its way back.
struct Job {
    recording: Box<Recording>,
    /// Whether the device has it, or why it does not.
    submitted: Result<Submitted, Refused>,
}

#[derive(Clone, Copy)]
enum Submitted {
    /// Nothing was recorded.
    Empty,
    /// The address of the command buffer, which the recording holds.
    Commands(usize),
}

/// Command buffers that Metal has completed and nobody has asked for.
#[derive(Default)]
struct Landed {
    addresses: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

impl Landed {
    fn note(&self, address: usize) {
        lock(&self.addresses).push_back(address);
        self.changed.notify_one();
    }

    /// Waits for a command buffer.
    fn wait_for(&self, address: usize) {
        let mut addresses = lock(&self.addresses);
        loop {
            if let Some(at) = addresses.iter().position(|landed| *landed == address) {
                addresses.remove(at);
                return;
            }
            addresses = wait(&self.changed, addresses);
        }
    }
}

impl Queue {
    pub(super) fn new(gpu: &Arc<Gpu>) -> std::io::Result<Queue> {
        let jobs = Arc::new(Jobs::new());
        let landed = Arc::new(Landed::default());
        let (watched, finished, noted) = (gpu.clone(), jobs.clone(), landed.clone());
        let watcher = std::thread::Builder::new()
            .name("dacapo-metal".to_owned())
            .spawn(move || watch(&watched, &finished, &noted))?;
        Ok(Queue {
            gpu: gpu.clone(),
            jobs,
            watcher: Some(watcher),
            handler: RcBlock::new(move |commands: NonNull<_>| landed.note(commands.addr().get())),
        })
    }

    /// Hands a recording to the device, after those before.
    pub(super) fn submit(&self, mut recording: Box<Recording>) {
        let submitted = match recording.is_void() {
            true => Err(Refused::Other("an earlier part has failed".into())),
            false => self.commit(&mut recording),
        };
        if submitted.is_err() {
            recording.give_up();
        }
        self.jobs.push(Job {
            recording,
            submitted,
        });
    }

    fn commit(&self, recording: &mut Recording) -> Result<Submitted, Refused> {
        self.gpu.alive()?;
        let label = core::mem::take(&mut recording.label);
        let finished = encoder(recording)
            .finish(&label)
            .map(|commands| commands.cloned());
        recording.label = label;
        let Some(commands) = finished? else {
            return Ok(Submitted::Empty);
        };
        self.gpu.residency.commit();
        // SAFETY: the block lives as long as the queue, which outlives its submissions, and Metal copies it.
        unsafe { commands.addCompletedHandler(RcBlock::as_ptr(&self.handler)) };
        commands.commit();
        Ok(Submitted::Commands(address(&commands)))
    }
}

fn address(commands: &Commands) -> usize {
    let commands: &ProtocolObject<dyn MTLCommandBuffer> = commands;
    core::ptr::from_ref(commands).addr()
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.jobs.close();
        // The last handle can be that of a submission, whose end drops it on the watcher itself.
        if let Some(watcher) = self.watcher.take()
            && watcher.thread().id() != std::thread::current().id()
            && watcher.join().is_err()
        {
            tracing::error!("the thread that watches a Metal queue has panicked");
        }
    }
}

/// Completes recordings in the order of their submission, until the queue is closed and empty.
fn watch(gpu: &Gpu, jobs: &Jobs<Job>, landed: &Landed) {
    while let Some(job) = jobs.next() {
        autoreleasepool(|_| complete(gpu, landed, job));
    }
}

fn complete(gpu: &Gpu, landed: &Landed, job: Job) {
    let Job {
        mut recording,
        submitted,
    } = job;
    let outcome = submitted.and_then(|submitted| match submitted {
        Submitted::Empty => Ok(None),
        Submitted::Commands(address) => {
            landed.wait_for(address);
            let commands = encoder(&mut recording).commands();
            commands.map(ended).transpose()
        }
    });
    let outcome = outcome.map_err(|refused| gpu.note(refused));
    if let Ok(Some(seconds)) = outcome {
        recording.ran(gpu.clock.submission(seconds));
    }
    let outcome = outcome.map(drop).map_err(|refused| {
        Box::new(Outcome {
            kernel: Box::default(),
            scope: Box::default(),
            fault: refused.into_fault(),
        })
    });
    recording.complete(outcome);
}

/// When the device ran it, in seconds of its clock.
fn ended(commands: &Commands) -> Result<[f64; 2], Refused> {
    match commands.status() {
        MTLCommandBufferStatus::Completed => Ok([commands.GPUStartTime(), commands.GPUEndTime()]),
        _ => Err(fault::of_commands(commands)),
    }
}

fn encoder(recording: &mut Recording) -> &mut MetalEncoder {
    let native: &mut dyn Any = &mut *recording.native;
    match native.downcast_mut() {
        Some(encoder) => encoder,
        None => unreachable!("the recording was made by this device"),
    }
}
