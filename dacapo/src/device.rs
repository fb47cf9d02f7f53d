//! Opening a device, and what all its handles share.

mod accounts;
mod found;
mod turn;

use core::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::backend::{self, Refused};
use crate::counters::{AtomicCounters, Counters};
use crate::encoder::{CommandEncoder, EncoderOptions, Order, Recording};
use crate::error::{Error, Result};
use crate::info::{DeviceInfo, Devices, GpuFeatures, Limits, MemoryBudget};
use crate::kernel::{Builtins, Kernel, KernelSource, Registry};
use crate::memory::{Allocation, Buffer, BufferOptions, HostBytes, MemoryKind};
use crate::options::{DeviceOptions, GpuDebug, Hazards, MAX_THREADS};
use crate::profile::{ProfileLevel, Tape, spanned};
use crate::residency::Residency;
use crate::submission::{Record, Submission};
use crate::timeline::Timeline;
use accounts::{AllocationIds, Budget};
pub(crate) use turn::Turn;

/// A device that runs kernels. Cheap to clone; all clones share one queue.
#[derive(Clone)]
pub struct Device {
    pub(crate) core: Arc<DeviceCore>,
}

/// What the handles of a device share.
pub(crate) struct DeviceCore {
    pub(crate) backend: Box<dyn backend::Device>,
    order: Order,
    /// The backend's answers, asked for once: every dispatch needs them.
    pub(crate) limits: Limits,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) allocations: AllocationIds,
    pub(crate) budget: Budget,
    pub(crate) residency: Residency,
    pub(crate) counters: AtomicCounters,
    pub(crate) tape: Tape,
    registry: Registry,
    builtins: OnceLock<Result<Builtins>>,
    options: DeviceOptions,
    info: DeviceInfo,
    opened: Instant,
    /// The number of the last submission; held while one is submitted, so that numbers follow queue order.
    submitted: Mutex<u64>,
    #[allow(
        clippy::vec_box,
        reason = "recordings move between encoders and queue as boxes"
    )]
    spare_recordings: Mutex<Vec<Box<Recording>>>,
    spare_records: Mutex<Vec<Arc<Record>>>,
}

/// Idle recordings and records kept for later encoders; as many as can be in flight without allocating anew.
const SPARES: usize = 64;

impl Device {
    /// The devices of this machine, in the order in which
    /// [`DeviceSelector::Best`](crate::DeviceSelector::Best) prefers them, and why
    /// backends without one have none.
    pub fn enumerate() -> Devices {
        found::all(GpuDebug::Off).1
    }

    /// Opens a device.
    ///
    /// ```
    /// use dacapo::{Device, DeviceOptions};
    ///
    /// let device = Device::open(&DeviceOptions::default().with_env()?)?;
    /// println!("{}", device.info().name);
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoDevice`] when none matches `options.device`, [`Error::InvalidOption`] for a number out of range, [`Error::System`] when the system refuses what the device needs.
    pub fn open(options: &DeviceOptions) -> Result<Device> {
        if let Some(threads) = options
            .threads
            .filter(|threads| threads.get() > MAX_THREADS)
        {
            let value = threads.to_string().into();
            return Err(Error::InvalidOption {
                name: "threads",
                value,
                allowed: "1 to 1024",
            });
        }
        if let Some((name, value, allowed)) = options.reference.invalid() {
            let value = value.into();
            return Err(Error::InvalidOption {
                name,
                value,
                allowed,
            });
        }
        let (backend, info, free) = found::choose(options)?.open(options)?;
        Ok(Device::with_backend(backend, info, free, options))
    }

    /// A device on an opened backend with so many bytes free.
    pub(crate) fn with_backend(
        backend: Box<dyn backend::Device>,
        info: DeviceInfo,
        free: u64,
        options: &DeviceOptions,
    ) -> Device {
        let budget = options.memory_limit.unwrap_or(free);
        Device {
            core: Arc::new(DeviceCore {
                limits: *backend.limits(),
                order: Order {
                    hazards: options.hazards,
                    prevents_races: backend.must_prevent_races(),
                },
                backend,
                timeline: Arc::new(Timeline::new()),
                allocations: AllocationIds::default(),
                budget: Budget::new(budget),
                residency: Residency::default(),
                counters: AtomicCounters::default(),
                tape: Tape::default(),
                registry: Registry::default(),
                builtins: OnceLock::new(),
                options: options.clone(),
                info,
                opened: Instant::now(),
                submitted: Mutex::new(0),
                spare_recordings: Mutex::default(),
                spare_records: Mutex::default(),
            }),
        }
    }

    /// Opens the same device afresh, with the same options and none of its buffers or kernels.
    ///
    /// # Errors
    /// Those of [`Device::open`].
    pub fn reopen(&self) -> Result<Device> {
        Device::open(&self.core.options)
    }

    /// What the device is.
    pub fn info(&self) -> &DeviceInfo {
        &self.core.info
    }

    /// The largest values it takes.
    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }

    /// What kernels in WGSL can count on; `None` where only native kernels run.
    pub fn gpu(&self) -> Option<GpuFeatures> {
        self.core.backend.gpu()
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.core.counters.snapshot()
    }

    /// How much memory it may use, and uses.
    pub fn memory_budget(&self) -> MemoryBudget {
        self.core.budget.get()
    }

    /// A zeroed buffer of `len` bytes.
    ///
    /// # Errors
    /// [`Error::OverBudget`], [`Error::OutOfMemory`], [`Error::EmptyBuffer`].
    pub fn buffer(&self, len: u64, kind: MemoryKind) -> Result<Buffer> {
        self.buffer_with(&BufferOptions {
            len,
            kind,
            label: "",
        })
    }

    /// A zeroed buffer with a label.
    ///
    /// # Errors
    /// As for [`Device::buffer`].
    pub fn buffer_with(&self, options: &BufferOptions<'_>) -> Result<Buffer> {
        let BufferOptions { len, kind, label } = *options;
        if len == 0 {
            return Err(Error::EmptyBuffer);
        }
        self.core.budget.take(len, kind)?;
        match self.core.backend.allocate(len, kind, label) {
            Ok(memory) => Ok(Buffer::new(Allocation::new(
                &self.core, label, len, kind, memory,
            ))),
            Err(refused) => {
                self.core.budget.give_back(len);
                Err(match refused {
                    Refused::OutOfMemory(reason) => Error::OutOfMemory {
                        asked: len,
                        kind,
                        reason,
                    },
                    other => other.into_error(self.core.name()),
                })
            }
        }
    }

    /// A buffer over host memory that `owner` keeps, for reading only: a memory-mapped file, for example. The
    /// device uses the bytes where they lie if it can; otherwise they are copied to its own memory, and
    /// `owner` is dropped.
    ///
    /// # Errors
    /// [`Error::EmptyBuffer`] when there are no bytes, and those of [`Device::buffer`] where they are copied.
    pub fn import<O>(&self, label: &str, owner: O) -> Result<Buffer>
    where
        O: AsRef<[u8]> + Send + Sync + 'static,
    {
        let kind = MemoryKind::Unified;
        let bytes = HostBytes::new(owner);
        let len = bytes.len();
        if len == 0 {
            return Err(Error::EmptyBuffer);
        }
        match self.core.backend.import(bytes, label) {
            Ok(memory) => {
                let allocation = Allocation::new(&self.core, label, len, kind, memory);
                Ok(Buffer::new(allocation.foreign().read_only()))
            }
            Err(bytes) => {
                let buffer = self.buffer_with(&BufferOptions {
                    len,
                    kind: MemoryKind::DeviceLocal,
                    label,
                })?;
                buffer.write(bytes.get())?;
                Ok(buffer.into_read_only())
            }
        }
    }

    /// A buffer over memory that somebody else has allocated on this device.
    pub(crate) fn foreign_buffer(
        &self,
        memory: Box<dyn backend::Memory>,
        len: u64,
        label: &str,
    ) -> Buffer {
        let kind = MemoryKind::DeviceLocal;
        let allocation = Allocation::new(&self.core, label, len, kind, memory);
        Buffer::new(allocation.foreign())
    }

    /// The kernel compiled from `source`: compiled once for the same content, however often and from however
    /// many threads it is asked for.
    ///
    /// # Errors
    /// [`Error::InvalidKernel`] when its declaration contradicts itself or passes the device's limits,
    /// [`Error::UnsupportedKernel`] when it offers no form that the device runs.
    pub fn kernel(&self, source: &KernelSource) -> Result<Kernel> {
        self.core.kernel(source)
    }

    /// What all kernels that the device has compiled so far were compiled from, in no particular order.
    pub fn kernel_sources(&self) -> Vec<KernelSource> {
        self.core.registry.sources()
    }

    /// Opens an encoder with this label.
    ///
    /// # Errors
    /// None on the CPU; other backends may run out of command memory.
    pub fn encoder(&self, label: &str) -> Result<CommandEncoder> {
        self.encoder_with(EncoderOptions {
            label,
            ..EncoderOptions::default()
        })
    }

    /// Opens an encoder.
    ///
    /// # Errors
    /// As for [`Device::encoder`].
    pub fn encoder_with(&self, options: EncoderOptions<'_>) -> Result<CommandEncoder> {
        Ok(CommandEncoder::open(self, options, true))
    }

    /// Opens an encoder whose submission does not keep buffers alive, and does not guard them against the
    /// host.
    ///
    /// # Safety
    /// Every buffer that is bound must live until the submission has completed, and must not be mapped by the
    /// host in the meantime.
    ///
    /// # Errors
    /// As for [`Device::encoder`].
    #[allow(
        unsafe_code,
        reason = "the caller takes over what retention would guarantee"
    )]
    pub unsafe fn encoder_unretained(&self, options: EncoderOptions<'_>) -> Result<CommandEncoder> {
        Ok(CommandEncoder::open(self, options, false))
    }

    /// Waits until everything submitted so far has completed, well or not.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn wait_idle(&self) -> Result<()> {
        let last = *self.core.submitted.lock();
        self.core.wait_for(last, None).map(drop)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Device({}, {})",
            self.core.info.backend, self.core.info.name
        )
    }
}

impl DeviceCore {
    pub(crate) fn kernel(self: &Arc<DeviceCore>, source: &KernelSource) -> Result<Kernel> {
        self.registry.get_or_compile(source, || {
            let _span = spanned!(self, "compile", source.name());
            let compiled = self.backend.pipeline(source)?;
            self.counters.add(&Counters {
                pipelines_compiled: 1,
                ..Counters::default()
            });
            Ok(Kernel::new(source, compiled, self))
        })
    }

    /// How an encoder that asks for `hazards` keeps dispatches apart; by default as the options say.
    pub(crate) fn order(&self, hazards: Option<Hazards>) -> Order {
        Order {
            hazards: hazards.unwrap_or(self.order.hazards),
            ..self.order
        }
    }

    /// What is noted of an encoder or launch that asks for this much.
    pub(crate) fn profile_level(&self, asked: ProfileLevel) -> ProfileLevel {
        asked.max(self.tape.level())
    }

    pub(crate) fn builtins(self: &Arc<DeviceCore>) -> Result<Builtins> {
        self.builtins.get_or_init(|| Builtins::new(self)).clone()
    }

    /// An empty recording, an idle one if there is one.
    pub(crate) fn recording(&self, label: &str, retain: bool) -> Box<Recording> {
        let spare = self.spare_recordings.lock().pop();
        let mut recording = spare.unwrap_or_else(|| Recording::new(self.backend.encoder()));
        recording.label.push_str(label);
        recording.retains = retain;
        recording
    }

    /// Drops what a recording holds and keeps its memory for later.
    pub(crate) fn recycle(&self, mut recording: Box<Recording>) {
        recording.reset();
        let mut spares = self.spare_recordings.lock();
        if spares.len() < SPARES {
            spares.push(recording);
        }
    }

    /// Runs what was recorded, after everything that was submitted before.
    pub(crate) fn submit(self: &Arc<DeviceCore>, recording: Box<Recording>) -> Result<Submission> {
        let mut turn = Turn::begin(self, 1);
        match turn.claim(recording.allocations()) {
            Ok(()) => {
                turn.submit(recording);
                Ok(turn.end())
            }
            Err(refused) => {
                turn.cancel(recording);
                Err(refused)
            }
        }
    }

    /// Waits for submission `number`; false when the deadline came first.
    pub(crate) fn wait_for(&self, number: u64, deadline: Option<Instant>) -> Result<bool> {
        if self.timeline.is_complete(number) {
            return Ok(true);
        }
        let _span = spanned!(self, "wait", "");
        self.counters.add(&Counters {
            waits: 1,
            ..Counters::default()
        });
        Ok(self.timeline.wait(number, deadline))
    }

    pub(crate) fn name(&self) -> &str {
        &self.info.name
    }

    pub(crate) fn since_opened(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.opened)
    }

    fn record(&self) -> Arc<Record> {
        let mut spares = self.spare_records.lock();
        let idle = spares
            .iter_mut()
            .position(|record| Arc::get_mut(record).map(Record::reset).is_some());
        idle.map(|at| spares.swap_remove(at)).unwrap_or_default()
    }

    /// Keeps a record for later. The caller's handle may still refer to it: `record` looks for idle ones.
    pub(crate) fn spare_record(&self, record: Arc<Record>) {
        let mut spares = self.spare_records.lock();
        if spares.len() < SPARES {
            spares.push(record);
        }
    }
}
