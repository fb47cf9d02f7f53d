//! Sees the accesses of one dispatch and judges them.

use std::sync::Arc;

use super::{Place, Watched};
use crate::memory::Storage;
use crate::msl;
use crate::rules::fail;
use crate::shadow::{Serial, Touch};

/// Bytes that a dispatch may touch.
#[derive(Debug)]
pub(crate) struct Area<'a> {
    start: usize,
    end: usize,
    /// Nothing for bytes that the encoder copied.
    storage: Option<&'a Storage>,
    tracked: bool,
}

impl<'a> Area<'a> {
    /// A buffer from an offset on.
    pub(crate) fn of_buffer(storage: &'a Storage, offset: usize, tracked: bool) -> Self {
        Self {
            start: storage.address(offset) as usize,
            end: storage.address(storage.length) as usize,
            storage: Some(storage),
            tracked,
        }
    }

    /// Bytes of `setBytes`.
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        let start = bytes.as_ptr() as usize;
        Self {
            start,
            end: start + bytes.len(),
            storage: None,
            tracked: true,
        }
    }
}

/// Sees the accesses of one dispatch.
#[derive(Debug)]
pub(crate) struct Watcher<'a, 'b> {
    pub(super) watched: &'b mut Watched<'a>,
    pub(super) serial: Serial,
    pub(super) kernel: Arc<str>,
    pub(super) place: Place,
    pub(super) areas: &'b [Area<'b>],
    pub(super) last: usize,
    /// What was reported already: the other dispatch and the buffer, or 0 and 0 for accesses outside.
    pub(super) reported: Vec<(Serial, u64)>,
}

impl msl::Watch for Watcher<'_, '_> {
    fn access(&mut self, address: usize, len: usize, write: bool, atomic: bool) {
        let inside = |area: &Area<'_>| address >= area.start && address + len <= area.end;
        if !self.areas.get(self.last).is_some_and(inside) {
            match self.areas.iter().position(inside) {
                Some(found) => self.last = found,
                None => return self.outside(address, len, write),
            }
        }
        let area = &self.areas[self.last];
        let tracked = area.tracked;
        match area.storage {
            Some(storage) => self.touch(
                storage,
                tracked,
                address - storage.base.as_ptr() as usize,
                len,
                write,
                atomic,
            ),
            None if write => self.outside(address, len, write),
            None => {}
        }
    }
}

impl Watcher<'_, '_> {
    /// Reads bytes outside the kernel's own accesses.
    pub(crate) fn reads(&mut self, storage: &Storage, offset: usize, len: usize) {
        self.touch(storage, !storage.untracked, offset, len, false, false);
    }

    /// Writes bytes outside a kernel.
    pub(crate) fn writes(&mut self, storage: &Storage, offset: usize, len: usize) {
        self.touch(storage, !storage.untracked, offset, len, true, false);
    }

    fn touch(
        &mut self,
        storage: &Storage,
        tracked: bool,
        offset: usize,
        len: usize,
        write: bool,
        atomic: bool,
    ) {
        let floor = self.watched.floor(storage, tracked);
        let end = offset + len;
        for word in offset / 4..end.div_ceil(4) {
            let from = offset.max(word * 4) - word * 4;
            let to = end.min(word * 4 + 4) - word * 4;
            let new = Touch {
                serial: self.serial,
                bytes: ((1u8 << to) - 1) & !((1u8 << from) - 1),
                atomic,
            };
            // SAFETY: the lock of the hazards is held, and the word is let go before the next one.
            let known = unsafe { storage.shadow.word(word) };
            let before = *known;
            let touched = if write {
                &mut known.writers
            } else {
                &mut known.readers
            };
            touched.update(new);
            let does = if write { "writes" } else { "reads" };
            for old in before.writers.0 {
                self.compare(storage, tracked, floor, word, new, old, does, "wrote");
            }
            if write {
                for old in before.readers.0 {
                    self.compare(storage, tracked, floor, word, new, old, does, "read");
                }
            }
        }
    }

    #[inline]
    #[allow(
        clippy::too_many_arguments,
        reason = "one comparison, called three times"
    )]
    fn compare(
        &mut self,
        storage: &Storage,
        tracked: bool,
        floor: Serial,
        word: usize,
        new: Touch,
        old: Touch,
        does: &str,
        did: &str,
    ) {
        if old.serial < floor
            || old.serial == 0
            || old.serial == new.serial
            || old.bytes & new.bytes == 0
            || (old.atomic && new.atomic)
        {
            return;
        }
        self.judge(storage, tracked, word, new, old, does, did);
    }

    /// Finds out whether two dispatches, one of which may be unordered with this one, are.
    #[allow(clippy::too_many_arguments, reason = "as above")]
    fn judge(
        &mut self,
        storage: &Storage,
        tracked: bool,
        word: usize,
        new: Touch,
        old: Touch,
        does: &str,
        did: &str,
    ) {
        let watched = &*self.watched;
        let Some(other) = watched.state.info(old.serial) else {
            return;
        };
        let why = if other.pass == watched.pass {
            // SAFETY: the lock of the hazards is held.
            let barrier = unsafe { storage.shadow.barrier.get().read() };
            if other.place.wave != self.place.wave || old.serial < watched.wave.max(barrier) {
                return;
            }
            let same_execution =
                other.place.execution != 0 && other.place.execution == self.place.execution;
            if same_execution && other.place.step != self.place.step {
                return;
            }
            if same_execution {
                "no setBarrier between them in the indirect command buffer"
            } else {
                "no memoryBarrier between them in the encoder"
            }
        } else {
            if watched.known.had_ended(other.pass) || watched.before.contains(&other.pass) {
                return;
            }
            let elsewhere = watched
                .state
                .pass_of(old.serial)
                .is_some_and(|ran| ran.queue != watched.queue);
            match (elsewhere, tracked, storage.untracked) {
                (true, ..) => "no event or wait between them, and their command queues differ",
                (false, true, _) => return,
                (false, false, true) => {
                    "no fence, event or wait between their encoders, and the buffer is not hazard tracked (MTLResourceHazardTrackingModeUntracked)"
                }
                (false, false, false) => {
                    "no fence, event or wait between their encoders, and the buffer's hazards are not tracked, because the encoder of the indirect command buffer did not call useResource:usage: for it"
                }
            }
        };
        let key = (old.serial, storage.lifetime.id);
        if self.reported.contains(&key) {
            return;
        }
        self.reported.push(key);
        let offset = word * 4 + (old.bytes & new.bytes).trailing_zeros() as usize;
        fail(
            "-[MTLDebugComputeCommandEncoder endEncoding]",
            format_args!(
                "Hazard: kernel \"{}\" {does} buffer \"{}\" at byte offset {offset}, which kernel \"{}\" {did}: {why}",
                self.kernel,
                storage.lifetime.name(),
                other.kernel
            ),
        );
    }

    #[cold]
    fn outside(&mut self, address: usize, len: usize, write: bool) {
        if self.reported.contains(&(0, 0)) {
            return;
        }
        self.reported.push((0, 0));
        let access = if write { "store" } else { "load" };
        // The nearest area below says what it probably ran out of.
        let nearest = self
            .areas
            .iter()
            .filter(|area| area.start <= address)
            .max_by_key(|area| area.start);
        let nearest = nearest.or(self.areas.iter().min_by_key(|area| area.start));
        let text = match nearest {
            Some(Area {
                start,
                end,
                storage: Some(storage),
                ..
            }) => format!(
                "buffer: \"{}\", offset {} of {} bound bytes",
                storage.lifetime.name(),
                address.wrapping_sub(*start).cast_signed(),
                end - start
            ),
            Some(Area {
                start,
                end,
                storage: None,
                ..
            }) => {
                format!(
                    "constant bytes, offset {} of {}",
                    address.wrapping_sub(*start).cast_signed(),
                    end - start
                )
            }
            None => "no buffer is bound".into(),
        };
        fail(
            "-[MTLDebugCommandBuffer execute]",
            format_args!(
                "Invalid device {access} executing kernel function \"{}\": {len} bytes, {text}",
                self.kernel
            ),
        );
    }
}
