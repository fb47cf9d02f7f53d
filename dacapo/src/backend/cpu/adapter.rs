use core::num::NonZeroUsize;
use core::time::Duration;
use std::sync::Arc;

use crate::backend::cpu::crew::Crew;
use crate::backend::cpu::encoder::CpuEncoder;
use crate::backend::cpu::memory::{CpuMemory, ImportedMemory};
use crate::backend::cpu::pipeline::CpuPipeline;
use crate::backend::cpu::queue::{Queue, lead};
use crate::backend::{self, Compiled, Refused};
use crate::encoder::Recording;
use crate::error::{Error, Result};
use crate::info::{Backend, DeviceInfo, DeviceKind, GpuFeatures, Limits};
use crate::kernel::KernelSource;
use crate::memory::{HostBytes, MemoryKind};
use crate::range::ByteRange;

const LIMITS: Limits = Limits {
    max_bindings: crate::encoder::MAX_BINDINGS as u32,
    max_slot: None,
    max_binding_bytes: isize::MAX as u64,
    max_inline_bytes: 256,
    max_groups: [u32::MAX; 3],
    max_total_groups: u32::MAX as u64,
    max_group_threads: 1024,
    max_shared_bytes: 16 << 20,
    min_binding_alignment: 1,
};

/// The processor.
pub(crate) struct CpuDevice {
    queue: Arc<Queue>,
}

/// The processor as it is listed, first in its backend and the only one.
pub(crate) fn info() -> DeviceInfo {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    DeviceInfo {
        index: 0,
        name: system_name(),
        backend: Backend::Cpu,
        driver: String::new(),
        kind: DeviceKind::Cpu,
        memory: system_memory().total,
        compute_units: threads as u32,
        features: instruction_sets(),
    }
}

impl CpuDevice {
    /// Starts the worker threads. They end when the device is dropped and its submissions have run.
    pub(crate) fn open(info: &DeviceInfo) -> Result<CpuDevice> {
        let queue = Arc::new(Queue::new());
        let (crew, workers) = Crew::new(info.compute_units as usize);
        let spawn = |number: usize, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(format!("dacapo-cpu-{number}"));
            thread.spawn(work).map(drop).map_err(|error| Error::System {
                device: info.name.as_str().into(),
                what: "starting a worker thread",
                reason: error.to_string().into(),
            })
        };
        for (number, worker) in workers.into_iter().enumerate() {
            spawn(number + 1, Box::new(|| worker.run()))?;
        }
        let jobs = queue.clone();
        spawn(0, Box::new(move || lead(&jobs, crew, &LIMITS)))?;
        Ok(CpuDevice { queue })
    }
}

impl Drop for CpuDevice {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl backend::Device for CpuDevice {
    fn limits(&self) -> &Limits {
        &LIMITS
    }

    fn gpu(&self) -> Option<GpuFeatures> {
        None
    }

    fn allocate(
        &self,
        size: u64,
        _: MemoryKind,
        _: &str,
    ) -> Result<Box<dyn backend::Memory>, Refused> {
        match CpuMemory::zeroed(size) {
            Some(memory) => Ok(Box::new(memory)),
            None => Err(Refused::OutOfMemory(
                "the system allocator has no such block".into(),
            )),
        }
    }

    fn import(&self, bytes: HostBytes, _: &str) -> Result<Box<dyn backend::Memory>, HostBytes> {
        Ok(Box::new(ImportedMemory(bytes)))
    }

    fn write(&self, _: &dyn backend::Memory, _: u64, _: &[u8]) -> Result<(), Refused> {
        unreachable!("the host sees all memory of this device")
    }

    fn read(&self, _: &dyn backend::Memory, _: ByteRange, _: &mut [u8]) -> Result<(), Refused> {
        unreachable!("the host sees all memory of this device")
    }

    fn pipeline(&self, source: &KernelSource) -> Result<Compiled> {
        source.interface().check(source.name(), &LIMITS)?;
        match source.cpu_entry() {
            Some(entry) => Ok(Compiled {
                pipeline: Box::new(CpuPipeline { entry }),
                interface: source.interface().clone(),
            }),
            None => Err(Error::UnsupportedKernel {
                kernel: source.name().into(),
                offered: source.offered().into(),
                device: system_name().into(),
                takes: "a native CPU form",
            }),
        }
    }

    fn encoder(&self) -> Box<dyn backend::Encoder> {
        Box::new(CpuEncoder::default())
    }

    fn part(&self, _first: bool) -> Box<dyn backend::Encoder> {
        Box::new(CpuEncoder::default())
    }

    fn submit(&self, recording: Box<Recording>) {
        self.queue.push(recording);
    }

    fn clock_error(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn must_prevent_races(&self) -> bool {
        true
    }
}

/// Memory of this machine, or of the control group that this process runs in.
#[derive(Clone, Copy)]
pub(crate) struct SystemMemory {
    pub(crate) total: u64,
    pub(crate) free: u64,
}

pub(crate) fn system_memory() -> SystemMemory {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let machine = SystemMemory {
        total: system.total_memory(),
        free: system.available_memory(),
    };
    match system.cgroup_limits() {
        Some(group) if group.total_memory > 0 && group.total_memory < machine.total => {
            SystemMemory {
                total: group.total_memory,
                free: group.free_memory.min(machine.free),
            }
        }
        _ => machine,
    }
}

fn system_name() -> String {
    use sysinfo::{CpuRefreshKind, RefreshKind, System};
    let system =
        System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system
        .cpus()
        .first()
        .map(|cpu| cpu.brand().trim().to_owned());
    brand
        .filter(|brand| !brand.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn instruction_sets() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("FMA", is_x86_feature_detected!("fma")),
        ("F16C", is_x86_feature_detected!("f16c")),
        ("AVX-512", is_x86_feature_detected!("avx512f")),
        ("AVX-512 VNNI", is_x86_feature_detected!("avx512vnni")),
        ("AVX-512 BF16", is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(target_arch = "aarch64")]
    let found = [
        ("NEON", std::arch::is_aarch64_feature_detected!("neon")),
        (
            "dot product",
            std::arch::is_aarch64_feature_detected!("dotprod"),
        ),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found: [(&str, bool); 0] = [];
    found
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
}
