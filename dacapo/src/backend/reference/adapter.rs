use core::any::Any;
use core::num::NonZeroUsize;
use core::time::Duration;
use std::sync::Arc;

use dacapo_reference::report::Reports;
use dacapo_reference::{MAX_GROUPS, Machine, Settings};

use crate::backend::cpu::system_memory;
use crate::backend::reference::encoder::ReferenceEncoder;
use crate::backend::reference::memory::ReferenceMemory;
use crate::backend::reference::pipeline;
use crate::backend::reference::queue::{Queue, Runner};
use crate::backend::{self, Compiled, Refused};
use crate::encoder::Recording;
use crate::error::{Error, Result};
use crate::info::{Backend, DeviceInfo, DeviceKind, GpuFeatures, Limits};
use crate::kernel::KernelSource;
use crate::memory::{HostBytes, MemoryKind};
use crate::options::DeviceOptions;
use crate::range::ByteRange;

/// Those of generous GPUs.
pub(super) const LIMITS: Limits = Limits {
    max_bindings: crate::encoder::MAX_BINDINGS as u32,
    max_slot: Some(31),
    max_binding_bytes: u32::MAX as u64,
    max_inline_bytes: 256,
    max_groups: [MAX_GROUPS, 65535, 65535],
    max_total_groups: MAX_GROUPS as u64,
    max_group_threads: 1024,
    max_shared_bytes: 64 << 10,
    min_binding_alignment: 4,
};

const NAME: &str = "reference interpreter";

/// The interpreter.
pub(crate) struct ReferenceDevice {
    queue: Arc<Queue>,
    reports: Arc<Reports>,
    features: GpuFeatures,
    /// Whether NaN and infinities are looked for.
    finite: bool,
}

/// The interpreter as it is listed where there are no GPUs: behind the processor.
pub(crate) fn info() -> DeviceInfo {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    DeviceInfo {
        index: 1,
        name: NAME.to_owned(),
        backend: Backend::Reference,
        driver: String::new(),
        kind: DeviceKind::Reference,
        memory: system_memory().total,
        compute_units: threads as u32,
        features: vec!["f16", "cooperative matrices"],
    }
}

impl ReferenceDevice {
    /// Starts the thread that runs submissions. It ends when the device is dropped and its submissions have run.
    pub(crate) fn open(info: &DeviceInfo, options: &DeviceOptions) -> Result<ReferenceDevice> {
        let asked = &options.reference;
        let without = &options.gpu_without;
        let reports = Arc::new(Reports::new(asked.max_reports));
        let mut settings = Settings::default();
        settings.order = asked.order;
        settings.threads = info.compute_units as usize;
        settings.checks = asked.checks;
        settings.zeroed = asked.zeroed;
        settings.steps = asked.steps;
        let machine = {
            let reports = reports.clone();
            move || Machine::new(settings.clone(), reports.clone())
        };
        let runner = Runner::new(machine, reports.clone(), asked.collect);
        let queue = Arc::new(Queue::new());
        let jobs = queue.clone();
        std::thread::Builder::new()
            .name("dacapo-reference".to_owned())
            .spawn(move || runner.lead(&jobs))
            .map_err(|error| Error::System {
                device: NAME.into(),
                what: "starting a thread",
                reason: error.to_string().into(),
            })?;
        Ok(ReferenceDevice {
            queue,
            reports,
            features: GpuFeatures {
                subgroup_size: asked.subgroup_size,
                f16: !without.f16,
                cooperative_matrix: (!without.cooperative_matrix && !without.f16)
                    .then_some(asked.cooperative_matrix),
            },
            finite: asked.finite,
        })
    }

    /// What was reported.
    pub(crate) fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }
}

impl Drop for ReferenceDevice {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl backend::Device for ReferenceDevice {
    fn limits(&self) -> &Limits {
        &LIMITS
    }

    fn gpu(&self) -> Option<GpuFeatures> {
        Some(self.features)
    }

    fn allocate(
        &self,
        size: u64,
        _: MemoryKind,
        label: &str,
    ) -> Result<Box<dyn backend::Memory>, Refused> {
        match ReferenceMemory::zeroed(label, size) {
            Some(memory) => Ok(Box::new(memory)),
            None => Err(Refused::OutOfMemory(
                "the system allocator has no such block".into(),
            )),
        }
    }

    fn import(&self, bytes: HostBytes, label: &str) -> Result<Box<dyn backend::Memory>, HostBytes> {
        Ok(Box::new(ReferenceMemory::foreign(label, bytes)?))
    }

    fn write(
        &self,
        memory: &dyn backend::Memory,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        own(memory).region.write(offset, bytes);
        Ok(())
    }

    fn read(
        &self,
        memory: &dyn backend::Memory,
        range: ByteRange,
        bytes: &mut [u8],
    ) -> Result<(), Refused> {
        own(memory).region.read(range.start, bytes);
        Ok(())
    }

    fn pipeline(&self, source: &KernelSource) -> Result<Compiled> {
        pipeline::compile(self.features, self.finite, NAME, source)
    }

    fn encoder(&self) -> Box<dyn backend::Encoder> {
        Box::new(ReferenceEncoder::default())
    }

    fn part(&self, _first: bool) -> Box<dyn backend::Encoder> {
        Box::new(ReferenceEncoder::default())
    }

    fn submit(&self, recording: Box<Recording>) {
        self.queue.push(recording);
    }

    fn clock_error(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn must_prevent_races(&self) -> bool {
        false
    }
}

fn own(memory: &dyn backend::Memory) -> &ReferenceMemory {
    let memory: &dyn Any = memory;
    match memory.downcast_ref() {
        Some(memory) => memory,
        None => unreachable!("the memory belongs to this device"),
    }
}
