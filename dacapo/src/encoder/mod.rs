//! Encoding dispatches into one submission.

mod barrier;
mod error;
mod recording;
mod retain;
mod scope;
mod validate;
mod waves;

use core::fmt;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::access::Access;
use crate::arg::Args;
use crate::backend::{self, Dispatch, Groups};
use crate::counters::Counters;
use crate::device::{Device, DeviceCore};
use crate::error::{Error, Result};
use crate::graph::Capture;
use crate::grid::Grid;
use crate::hazard::{Hazard, HazardKind, RangeAccess};
use crate::kernel::Kernel;
use crate::memory::BufferView;
use crate::options::Hazards;
use crate::profile::{Notes, ProfileLevel};
use crate::submission::Submission;

pub use barrier::{Barrier, BarrierCause};
pub use error::{DispatchError, DispatchProblem};
pub(crate) use recording::{Launched, Outcome, Recording, Submitted};
pub(crate) use retain::{Kept, Retained};
pub use scope::Scope;
pub(crate) use validate::{Checked, check, native_use};
pub(crate) use waves::{Order, Uses, Waves};

/// Most bindings that a kernel can have on any device.
pub(crate) const MAX_BINDINGS: usize = 31;

/// So many are kept without memory of their own.
pub(crate) const USUAL_BINDINGS: usize = 16;

/// How an encoder is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncoderOptions<'a> {
    /// A name for errors, profiles and the driver's tools.
    pub label: &'a str,
    /// How conflicts between dispatches are kept apart; by default as the device's options say.
    pub hazards: Option<Hazards>,
    /// How much is noted as it runs, for [`Submission::trace`]; a [`Recorder`](crate::Recorder) can ask for more.
    pub profile: ProfileLevel,
    /// The one size that only the device knows when this runs, such as how many positions of a cache are filled: for
    /// what profiles say of the work of kernels that depend on it.
    pub extent: Option<u64>,
}

/// Records dispatches and submits them in one go.
///
/// Dispatches between two barriers form a *wave* and may run at the same time. Under [`Hazards::Auto`] the
/// encoder puts a barrier exactly where a dispatch touches bytes that an earlier one of the same wave
/// touches, and one of the two writes them. [`CommandEncoder::commit`] consumes the encoder; dropping it
/// instead gives everything back.
pub struct CommandEncoder {
    core: Arc<DeviceCore>,
    target: Target,
    order: Order,
}

enum Target {
    Live(Option<Box<Recording>>),
    Capture(Box<Capture>),
}

impl CommandEncoder {
    pub(crate) fn open(
        device: &Device,
        options: EncoderOptions<'_>,
        retain: bool,
    ) -> CommandEncoder {
        let core = device.core.clone();
        let mut recording = core.recording(options.label, retain);
        let level = core.profile_level(options.profile);
        if level > ProfileLevel::Off {
            recording.note(Notes::new(level, Instant::now(), options.extent));
        }
        let order = core.order(options.hazards);
        if order.hazards == Hazards::Serial {
            recording.run_serially();
        }
        CommandEncoder {
            core,
            target: Target::Live(Some(recording)),
            order,
        }
    }

    pub(crate) fn capture(device: &Device, hazards: Option<Hazards>) -> CommandEncoder {
        let core = device.core.clone();
        let order = core.order(hazards);
        CommandEncoder {
            core,
            target: Target::Capture(Box::default()),
            order,
        }
    }

    /// Encodes one dispatch of `kernel`.
    ///
    /// Arguments are views for the kernel's slots, in ascending order unless they name one, and the kernel's
    /// inline constants anywhere among them. A view's offset and length always apply.
    ///
    /// # Errors
    /// [`Error::Dispatch`] when arguments, grid or shared memory contradict the kernel's interface or the
    /// device's limits. Nothing is recorded then, and the encoder can go on.
    pub fn dispatch<'a>(
        &mut self,
        kernel: &Kernel,
        args: impl Args<'a>,
        grid: Grid<'a>,
    ) -> Result<()> {
        args.with(|args| {
            let mut checked = Checked::new();
            validate::check(&self.core, kernel, args, &grid, &mut checked)?;
            match &mut self.target {
                Target::Capture(capture) => capture.dispatch(kernel, &checked, grid),
                Target::Live(Some(recording)) => {
                    let uses = kernel.uses(&checked.accesses);
                    keep_apart(recording, kernel.name(), uses, self.order);
                    record(recording, kernel, &checked, self.order);
                }
                Target::Live(None) => {}
            }
            Ok(())
        })
    }

    /// Copies all bytes of `source` to `target`.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] when they differ in length, and those of [`CommandEncoder::dispatch`], for
    /// example when they overlap.
    pub fn copy(&mut self, source: &BufferView, target: &BufferView) -> Result<()> {
        if source.len() != target.len() {
            return Err(Error::LengthMismatch {
                what: "a copy",
                given: source.len(),
                len: target.len(),
            });
        }
        let builtins = self.core.builtins()?;
        self.dispatch(
            &builtins.copy,
            (source, target),
            builtins.grid(target.len()),
        )
    }

    /// Sets every byte of `target` to `value`.
    ///
    /// # Errors
    /// Those of [`CommandEncoder::dispatch`].
    pub fn fill(&mut self, target: &BufferView, value: u8) -> Result<()> {
        let builtins = self.core.builtins()?;
        let value = u32::from(value);
        self.dispatch(
            &builtins.fill,
            (target, crate::arg::Bytes(&value)),
            builtins.grid(target.len()),
        )
    }

    /// Orders every dispatch so far before every later one, and makes their writes visible to them.
    pub fn barrier(&mut self) {
        match &mut self.target {
            Target::Capture(capture) => capture.barrier(),
            Target::Live(Some(recording)) => recording.barrier(BarrierCause::Explicit),
            Target::Live(None) => {}
        }
    }

    /// Says that nobody needs the bytes of `view` after what has been encoded so far: not the host, not a later
    /// dispatch before it has overwritten them. Until then they mean nothing. A plan of a captured graph can then do
    /// without them; what runs live does not care.
    ///
    /// The block of a [`BufferPool`](crate::BufferPool) that has been released need not be discarded.
    ///
    /// # Errors
    /// [`Error::ForeignDevice`] for a view of another device, [`Error::ReadOnly`] for one that nothing can write.
    pub fn discard(&mut self, view: &BufferView) -> Result<()> {
        validate::native_use(&self.core, view, Access::Write, "a discard")?;
        if let Target::Capture(capture) = &mut self.target {
            capture.discard(view);
        }
        Ok(())
    }

    /// Opens a scope that lasts until the returned guard is dropped. Scopes nest; their labels reach errors,
    /// profiles, captures and the driver's tools.
    ///
    /// ```
    /// # let device = dacapo::Device::open(&dacapo::DeviceOptions::default())?;
    /// let mut encoder = device.encoder("decode")?;
    /// {
    ///     let mut layer = encoder.scope("layer 3");
    ///     let mut attention = layer.scope("attention");
    ///     attention.barrier();
    /// }
    /// encoder.commit()?.wait()?;
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    pub fn scope(&mut self, label: &str) -> Scope<'_> {
        self.begin_scope(label);
        Scope::new(self)
    }

    /// Adds a step that `commands` records into the backend's own encoder, which uses these views, or anything.
    pub(crate) fn record_native(
        &mut self,
        uses: Option<&[(&BufferView, Access)]>,
        commands: impl FnOnce(&mut dyn backend::Encoder),
    ) -> Result<()> {
        let what = "a step of native commands";
        let mut accesses = SmallVec::<[RangeAccess; USUAL_BINDINGS]>::new();
        for (view, access) in uses.unwrap_or_default() {
            validate::native_use(&self.core, view, *access, what)?;
            accesses.push(RangeAccess {
                allocation: view.allocation.id,
                range: view.range,
                access: *access,
            });
        }
        let step = match uses {
            Some(_) => Uses::Ranges(&accesses),
            None => Uses::Anything,
        };
        match &mut self.target {
            Target::Capture(_) => return Err(Error::Capturing { what }),
            Target::Live(Some(recording)) => {
                keep_apart(recording, what, step, self.order);
                recording.count_step();
                recording.note_native(what);
                commands(&mut *recording.native);
                recording.waves.dispatch(self.order, step);
                for (view, access) in uses.unwrap_or_default() {
                    recording.retain(view, *access);
                }
            }
            Target::Live(None) => {}
        }
        Ok(())
    }

    pub(crate) fn begin_scope(&mut self, label: &str) {
        match &mut self.target {
            Target::Capture(capture) => capture.push_scope(label),
            Target::Live(Some(recording)) => recording.push_scope(label),
            Target::Live(None) => {}
        }
    }

    pub(crate) fn end_scope(&mut self) {
        match &mut self.target {
            Target::Capture(capture) => capture.pop_scope(),
            Target::Live(Some(recording)) => recording.pop_scope(),
            Target::Live(None) => {}
        }
    }

    /// The device this encodes for.
    pub fn device(&self) -> Device {
        Device {
            core: self.core.clone(),
        }
    }

    /// How conflicts are kept apart.
    pub fn hazards(&self) -> Hazards {
        self.order.hazards
    }

    /// Whether this records a graph instead of a submission.
    pub fn is_capturing(&self) -> bool {
        matches!(self.target, Target::Capture(_))
    }

    /// The barriers so far, each with its cause. While capturing, those that the caller placed are with the
    /// nodes of the graph instead.
    pub fn barriers(&self) -> &[Barrier] {
        match &self.target {
            Target::Live(Some(recording)) => recording.waves.barriers(),
            _ => &[],
        }
    }

    /// Submits what was recorded. Submissions of a device run in the order of their commits, each seeing what
    /// those before it wrote.
    ///
    /// # Errors
    /// [`Error::Mapped`] while the host has a buffer mapped that the submission uses.
    pub fn commit(mut self) -> Result<Submission> {
        match &mut self.target {
            Target::Live(recording) => match recording.take() {
                Some(recording) => {
                    let encoded = recording.opened().map(|at| (at, recording.label.clone()));
                    let submission = self.core.submit(recording);
                    if let Some((opened, label)) = encoded {
                        self.core.note_span("encode", &label, opened);
                    }
                    submission
                }
                None => unreachable!("only commit and drop take the recording"),
            },
            Target::Capture(_) => unreachable!("capturing encoders are only lent out by reference"),
        }
    }

    pub(crate) fn into_capture(mut self) -> Option<Box<Capture>> {
        match core::mem::replace(&mut self.target, Target::Live(None)) {
            Target::Capture(capture) => Some(capture),
            Target::Live(_) => None,
        }
    }

    pub(crate) fn count_replay(&mut self) {
        if let Target::Live(Some(recording)) = &mut self.target {
            recording.counts.replays += 1;
        }
    }
}

/// Puts a barrier in front of the next dispatch if it needs one.
#[inline]
fn keep_apart(recording: &mut Recording, step: &str, uses: Uses<'_>, order: Order) {
    let Some(cause) = recording.waves.cause(order, uses) else {
        return;
    };
    if let (Hazards::Manual, BarrierCause::Hazard(hazard)) = (order.hazards, &cause) {
        missing(recording, step, hazard);
    }
    if order.puts_barriers() {
        recording.barrier(cause);
    }
}

#[cold]
fn missing(recording: &mut Recording, step: &str, hazard: &Hazard) {
    recording.counts.barriers_missing += 1;
    let dispatch = recording.waves.dispatches();
    tracing::warn!(kernel = step, dispatch, %hazard, "a barrier is missing");
}

#[inline]
fn record(recording: &mut Recording, kernel: &Kernel, checked: &Checked<'_>, order: Order) {
    recording.count_step();
    recording.note_dispatch(kernel, checked);
    recording.native.dispatch(&Dispatch {
        kernel,
        bound: &checked.bound,
        inline: checked.inline,
        groups: &checked.groups,
        shared_bytes: checked.shared_bytes,
    });
    recording
        .waves
        .dispatch(order, kernel.uses(&checked.accesses));
    for bound in &checked.bound {
        recording.retain(bound.view, bound.access);
    }
    if let Groups::Indirect(bound) = checked.groups {
        recording.retain(bound.view, bound.access);
    }
}

impl Drop for CommandEncoder {
    fn drop(&mut self) {
        if let Target::Live(recording) = &mut self.target
            && let Some(recording) = recording.take()
        {
            self.core.recycle(recording);
        }
    }
}

impl fmt::Debug for CommandEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Live(recording) => {
                let dispatches = recording
                    .as_ref()
                    .map_or(0, |recording| recording.waves.dispatches());
                write!(f, "CommandEncoder({dispatches} dispatches)")
            }
            Target::Capture(capture) => {
                write!(f, "CommandEncoder(capturing, {} nodes)", capture.len())
            }
        }
    }
}

/// Which counter a barrier belongs to.
pub(crate) fn counter<'c>(counts: &'c mut Counters, cause: &BarrierCause) -> &'c mut u64 {
    match cause {
        BarrierCause::Explicit => &mut counts.barriers_explicit,
        BarrierCause::Serial => &mut counts.barriers_serial,
        BarrierCause::Hazard(hazard) => match hazard.kind {
            HazardKind::ReadAfterWrite => &mut counts.barriers_read_after_write,
            HazardKind::WriteAfterRead => &mut counts.barriers_write_after_read,
            HazardKind::WriteAfterWrite => &mut counts.barriers_write_after_write,
            HazardKind::Unknown => &mut counts.barriers_unknown_access,
        },
    }
}
