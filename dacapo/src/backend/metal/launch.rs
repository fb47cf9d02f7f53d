//! Launches of prepared lists: updates before them, a fetch behind them, all in one pass.
#![allow(unsafe_code, reason = "reaches memory that host and device share")]

use core::any::Any;
use core::ptr::NonNull;
use std::sync::Arc;
use std::time::Instant;

use objc2::rc::autoreleasepool;
use objc2_metal::MTLBuffer;
use parking_lot::Mutex;

use crate::backend::metal::call::Resolved;
use crate::backend::metal::encoder::MetalEncoder;
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::indirect::IndirectPart;
use crate::backend::metal::list::{List, Step};
use crate::backend::metal::memory::place;
use crate::backend::metal::object::Buffer;
use crate::backend::metal::stopwatch::Stopwatch;
use crate::backend::{self, Launch, Refused};

/// A part of launches.
pub(super) struct Part {
    gpu: Arc<Gpu>,
    list: List,
    /// The same as one command, if that is asked for and can be.
    indirect: Option<IndirectPart>,
    /// Whoever launches a timed part launches it again only when it has run.
    stopwatch: Mutex<Stopwatch>,
}

impl Part {
    pub(super) fn new(gpu: Arc<Gpu>, list: List, stopwatch: Stopwatch) -> Result<Part, Refused> {
        // Dispatches that are timed need passes of their own.
        let wanted = gpu.features.indirect && !stopwatch.is_running();
        let indirect = match wanted {
            true => IndirectPart::new(&gpu, &list)?,
            false => None,
        };
        Ok(Part {
            gpu,
            list,
            indirect,
            stopwatch: Mutex::new(stopwatch),
        })
    }
}

impl backend::Prepared for Part {
    fn timings(&self, times: &mut Vec<[Instant; 2]>) {
        autoreleasepool(|_| self.stopwatch.lock().add_to(&self.gpu, times));
    }
}

/// Memory of a recording's own, for what goes into a launch and comes out of it.
#[derive(Default)]
pub(super) struct Fetched {
    updates: Option<Buffer>,
    buffer: Option<Buffer>,
    len: usize,
}

impl Fetched {
    /// What was fetched, once the device has run the launch.
    pub(super) fn get(&self) -> &[u8] {
        match &self.buffer {
            // SAFETY: the buffer has so many bytes, and the device has written them before the launch was over.
            Some(buffer) if self.len > 0 => unsafe {
                core::slice::from_raw_parts(start(buffer).as_ptr(), self.len)
            },
            _ => &[],
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }
}

fn start(buffer: &Buffer) -> NonNull<u8> {
    buffer.contents().cast()
}

/// The buffer in `slot`, if it has this many bytes; otherwise a new one.
fn at_least<'b>(
    slot: &'b mut Option<Buffer>,
    gpu: &Gpu,
    len: usize,
    label: &str,
) -> Result<&'b Buffer, Refused> {
    if slot.as_ref().is_none_or(|buffer| buffer.length() < len) {
        *slot = Some(gpu.buffer(len.next_power_of_two().max(256) as u64, label)?);
    }
    match slot {
        Some(buffer) => Ok(buffer),
        None => unreachable!("it was just filled"),
    }
}

impl MetalEncoder {
    /// Encodes a launch.
    pub(super) fn play(&mut self, launch: &Launch<'_>) -> Result<(), Refused> {
        self.update(launch)?;
        for part in launch.parts {
            let part: &dyn Any = &**part;
            match part.downcast_ref::<Part>() {
                Some(part) => self.play_part(part)?,
                None => unreachable!("the part was prepared by this device"),
            }
        }
        self.fetch(launch)
    }

    fn play_part(&mut self, part: &Part) -> Result<(), Refused> {
        let mut stopwatch = part.stopwatch.lock();
        stopwatch.restart();
        if let Some(indirect) = &part.indirect {
            return self.encode_indirect(indirect);
        }
        for step in &part.list.steps {
            match step {
                Step::Dispatch(prepared) => {
                    let list = &part.list;
                    let (call, places) = (list.call(prepared), list.places(prepared));
                    self.encode_prepared(&call, places, &mut stopwatch)?;
                }
                Step::Barrier => self.open_barrier(),
                Step::PushScope(label) => self.open_scope(label, stopwatch.is_running())?,
                Step::PopScope => self.close_scope(),
            }
        }
        Ok(())
    }

    /// Copies bytes of this launch to where the parts read them: earlier launches may still use what is there.
    fn update(&mut self, launch: &Launch<'_>) -> Result<(), Refused> {
        let lengths = launch.updates.iter().map(|(_, bytes)| bytes.len());
        let total: usize = lengths.map(|len| len.next_multiple_of(ALIGN)).sum();
        if total == 0 {
            return Ok(());
        }
        let gpu = self.gpu().clone();
        let staged = at_least(&mut self.fetched.updates, &gpu, total, "updates")?.clone();
        let mut at = 0;
        for (target, bytes) in launch.updates {
            // SAFETY: the buffer has this room, and no submission in flight uses it: it is this recording's.
            unsafe {
                let room = start(&staged).add(at);
                room.copy_from_nonoverlapping(NonNull::from(*bytes).cast(), bytes.len());
            }
            let len = bytes.len() as u64;
            let copy = Resolved::copy_between(&gpu, (&staged, at), place(target), len)?;
            self.encode_untimed(&copy)?;
            at += bytes.len().next_multiple_of(ALIGN);
        }
        self.open_barrier();
        Ok(())
    }

    /// Copies what is asked for to memory that later launches leave alone.
    fn fetch(&mut self, launch: &Launch<'_>) -> Result<(), Refused> {
        let Some(source) = &launch.fetch else {
            return Ok(());
        };
        let gpu = self.gpu().clone();
        let len = source.range.len();
        let buffer = at_least(&mut self.fetched.buffer, &gpu, len as usize, "fetched")?.clone();
        self.open_barrier();
        let copy = Resolved::copy_between(&gpu, place(source), (&buffer, 0), len)?;
        self.encode_untimed(&copy)?;
        self.fetched.len = len as usize;
        Ok(())
    }
}

/// What the widest copies want.
const ALIGN: usize = 16;
