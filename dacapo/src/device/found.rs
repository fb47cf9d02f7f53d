//! The devices of this machine, and which of them is meant.

#[cfg(any(target_vendor = "apple", dacapo_metal_double))]
use crate::backend::metal;
use crate::backend::reference::{self, ReferenceDevice};
use crate::backend::vulkan::{self, VulkanDevice};
use crate::backend::{self, cpu};
use crate::error::{Error, Result};
use crate::info::{AbsentBackend, Backend, DeviceInfo, DeviceKind, Devices};
use crate::options::{DeviceOptions, DeviceSelector, GpuDebug};

/// A device that can be opened.
pub(super) struct Found {
    info: DeviceInfo,
    source: Source,
}

/// Where it comes from.
enum Source {
    Cpu,
    Vulkan(Box<vulkan::Candidate>),
    #[cfg(any(target_vendor = "apple", dacapo_metal_double))]
    Metal(Box<metal::Candidate>),
    Reference,
}

impl Found {
    fn cpu() -> Found {
        Found {
            info: cpu::info(),
            source: Source::Cpu,
        }
    }

    fn reference() -> Found {
        Found {
            info: reference::info(),
            source: Source::Reference,
        }
    }

    /// The opened backend, what it is, and the bytes it has free.
    pub(super) fn open(
        mut self,
        options: &DeviceOptions,
    ) -> Result<(Box<dyn backend::Device>, DeviceInfo, u64)> {
        // Of processors, as many worker threads as are asked for.
        if let (Source::Cpu | Source::Reference, Some(threads)) = (&self.source, options.threads) {
            self.info.compute_units = threads.get() as u32;
        }
        let info = self.info;
        let (device, free): (Box<dyn backend::Device>, _) = match self.source {
            Source::Cpu => {
                let device = cpu::CpuDevice::open(&info)?;
                (Box::new(device), cpu::system_memory().free)
            }
            Source::Reference => {
                let device = ReferenceDevice::open(&info, options)?;
                (Box::new(device), cpu::system_memory().free)
            }
            Source::Vulkan(candidate) => {
                let device = VulkanDevice::open(&candidate, options)?;
                let free = device.memory_budget();
                (Box::new(device), free)
            }
            #[cfg(any(target_vendor = "apple", dacapo_metal_double))]
            Source::Metal(candidate) => {
                let device = metal::MetalDevice::open(*candidate, options)?;
                let free = device.memory_budget();
                (Box::new(device), free)
            }
        };
        Ok((device, info, free))
    }
}

/// The devices of this machine, best first, and their list, which also says why backends without one have none.
pub(super) fn all(debug: GpuDebug) -> (Vec<Found>, Devices) {
    let mut absent = Vec::new();
    let mut found = vec![Found::cpu(), Found::reference()];
    for (backend, devices) in [
        (Backend::Metal, metal_devices()),
        (Backend::Vulkan, vulkan_devices(debug)),
    ] {
        match devices {
            Ok(devices) => found.extend(devices),
            Err(reason) => absent.push(AbsentBackend { backend, reason }),
        }
    }
    found.sort_by_key(|found| match (found.info.kind, found.info.backend) {
        (DeviceKind::DiscreteGpu | DeviceKind::IntegratedGpu, Backend::Metal) => 0,
        (DeviceKind::DiscreteGpu, _) => 1,
        (DeviceKind::IntegratedGpu, _) => 2,
        (DeviceKind::Cpu, _) => 3,
        (DeviceKind::SoftwareGpu, _) => 4,
        (DeviceKind::Reference, _) => 5,
    });
    for (index, found) in found.iter_mut().enumerate() {
        found.info.index = index;
    }
    let devices = found.iter().map(|found| found.info.clone()).collect();
    (found, Devices { devices, absent })
}

fn vulkan_devices(debug: GpuDebug) -> core::result::Result<Vec<Found>, String> {
    let candidates = vulkan::enumerate(debug)?.into_iter().map(|it| Found {
        info: it.info.clone(),
        source: Source::Vulkan(Box::new(it)),
    });
    Ok(candidates.collect())
}

#[cfg(any(target_vendor = "apple", dacapo_metal_double))]
fn metal_devices() -> core::result::Result<Vec<Found>, String> {
    let candidates = metal::enumerate()?.into_iter().map(|it| Found {
        info: it.info.clone(),
        source: Source::Metal(Box::new(it)),
    });
    Ok(candidates.collect())
}

#[cfg(not(any(target_vendor = "apple", dacapo_metal_double)))]
fn metal_devices() -> core::result::Result<Vec<Found>, String> {
    Err("Metal is there on Apple's systems alone".to_owned())
}

/// The device that the options select. The GPU drivers are left alone where none of theirs can be meant.
pub(super) fn choose(options: &DeviceOptions) -> Result<Found> {
    match options.device {
        DeviceSelector::Backend(Backend::Cpu) => return Ok(Found::cpu()),
        DeviceSelector::Backend(Backend::Reference) => return Ok(Found::reference()),
        _ => {}
    }
    let (mut found, devices) = all(options.gpu_debug);
    let index = select(&devices, &options.device)?.index;
    Ok(found.swap_remove(index))
}

fn select<'d>(devices: &'d Devices, selector: &DeviceSelector) -> Result<&'d DeviceInfo> {
    let mut candidates = devices.devices.iter();
    let found = match selector {
        DeviceSelector::Best => candidates
            .find(|device| !matches!(device.kind, DeviceKind::SoftwareGpu | DeviceKind::Reference)),
        DeviceSelector::Backend(backend) => candidates.find(|device| device.backend == *backend),
        DeviceSelector::Kind(kind) => candidates.find(|device| device.kind == *kind),
        DeviceSelector::Index(index) => candidates.find(|device| device.index == *index),
        DeviceSelector::Name(part) => {
            let part = part.to_lowercase();
            candidates.find(|device| device.name.to_lowercase().contains(&part))
        }
    };
    found.ok_or_else(|| {
        let asked = match selector {
            DeviceSelector::Best => "any device".to_owned(),
            DeviceSelector::Backend(backend) => match devices
                .absent
                .iter()
                .find(|absent| absent.backend == *backend)
            {
                Some(absent) => format!("backend {backend} ({})", absent.reason),
                None => format!("backend {backend}"),
            },
            DeviceSelector::Kind(kind) => kind.to_string(),
            DeviceSelector::Index(index) => format!("index {index}"),
            DeviceSelector::Name(part) => format!("name {part:?}"),
        };
        let list = devices
            .devices
            .iter()
            .map(|d| format!("{}: {} ({})", d.index, d.name, d.backend));
        let available = list.collect::<Vec<_>>().join(", ").into();
        Error::NoDevice {
            asked: asked.into(),
            available,
        }
    })
}
