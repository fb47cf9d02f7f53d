//! Device options, and the one place where the environment is read.

use core::num::NonZeroUsize;
use core::str::FromStr;

use crate::error::{Error, Result};
use crate::info::{Backend, DeviceKind};

mod kernel_cache;
mod metal;
mod reference;

pub use kernel_cache::KernelCache;
pub use metal::MetalOptions;
pub use reference::ReferenceOptions;

/// How conflicts between dispatches of one encoder are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hazards {
    /// The tracker inserts a barrier exactly where byte ranges conflict.
    #[default]
    Auto,
    /// The caller places barriers. Debug builds report the missing ones; the CPU backend, whose memory is
    /// the process's own, inserts them in every build.
    Manual,
    /// Every dispatch waits for the one before it, to tell races from wrong kernels.
    Serial,
}

impl FromStr for Hazards {
    type Err = ();

    fn from_str(text: &str) -> Result<Hazards, ()> {
        match text {
            "auto" => Ok(Hazards::Auto),
            "manual" => Ok(Hazards::Manual),
            "serial" => Ok(Hazards::Serial),
            _ => Err(()),
        }
    }
}

/// Which device to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceSelector {
    /// The best there is: Metal, then a discrete GPU through Vulkan, then an integrated one, then the CPU.
    /// Software GPU drivers and the reference interpreter are opened only when named.
    #[default]
    Best,
    /// The best device of one backend.
    Backend(Backend),
    /// The first device of this kind.
    Kind(DeviceKind),
    /// The device at this index of [`Device::enumerate`](crate::Device::enumerate).
    Index(usize),
    /// The first device whose name contains this text, in any case.
    Name(String),
}

impl FromStr for DeviceSelector {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<DeviceSelector, core::convert::Infallible> {
        Ok(match (text, text.parse(), Backend::from_str(text)) {
            ("best", _, _) => DeviceSelector::Best,
            ("discrete", _, _) => DeviceSelector::Kind(DeviceKind::DiscreteGpu),
            ("integrated", _, _) => DeviceSelector::Kind(DeviceKind::IntegratedGpu),
            ("software", _, _) => DeviceSelector::Kind(DeviceKind::SoftwareGpu),
            (_, Ok(index), _) => DeviceSelector::Index(index),
            (_, _, Ok(backend)) => DeviceSelector::Backend(backend),
            _ => DeviceSelector::Name(text.to_owned()),
        })
    }
}

/// How closely the use of a GPU is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GpuDebug {
    /// Not at all.
    #[default]
    Off,
    /// Scopes and buffers have their labels in the driver's tools.
    Labels,
    /// The validation layer checks every call; what it says becomes an error of the call or submission.
    Validation,
    /// As before, and the layer looks for missing barriers.
    Synchronization,
}

impl GpuDebug {
    pub(crate) fn validates(self) -> bool {
        self >= GpuDebug::Validation
    }
}

impl FromStr for GpuDebug {
    type Err = ();

    fn from_str(text: &str) -> Result<GpuDebug, ()> {
        match text {
            "off" => Ok(GpuDebug::Off),
            "labels" => Ok(GpuDebug::Labels),
            "validation" => Ok(GpuDebug::Validation),
            "synchronization" => Ok(GpuDebug::Synchronization),
            _ => Err(()),
        }
    }
}

/// Extras of a GPU to leave unused although it has them: to get around a driver's bug, and to test what
/// runs on devices without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GpuWithout {
    /// Descriptors recorded into the command buffer; without, sets are allocated for each dispatch.
    pub push_descriptors: bool,
    /// The newer barriers.
    pub synchronization2: bool,
    /// Device memory that the host sees; without, the host reaches it through staging copies.
    pub mapped_device_memory: bool,
    /// Arithmetic in half precision.
    pub f16: bool,
    /// Cooperative matrices.
    pub cooperative_matrix: bool,
    /// Push constants; without, inline bytes come from a buffer.
    pub push_constants: bool,
    /// Times of passes, which the times of single dispatches on Apple's GPUs are made of.
    pub counter_sampling: bool,
    /// Sets of what stays resident.
    pub residency_sets: bool,
}

impl FromStr for GpuWithout {
    type Err = ();

    fn from_str(text: &str) -> Result<GpuWithout, ()> {
        let mut without = GpuWithout::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            let field = match name {
                "push_descriptors" => &mut without.push_descriptors,
                "synchronization2" => &mut without.synchronization2,
                "mapped_device_memory" => &mut without.mapped_device_memory,
                "f16" => &mut without.f16,
                "cooperative_matrix" => &mut without.cooperative_matrix,
                "push_constants" => &mut without.push_constants,
                "counter_sampling" => &mut without.counter_sampling,
                "residency_sets" => &mut without.residency_sets,
                _ => return Err(()),
            };
            *field = true;
        }
        Ok(without)
    }
}

/// How a device is opened.
///
/// | field | environment variable | values |
/// |---|---|---|
/// | `device` | `DACAPO_DEVICE` | `best`, `cpu`, `vulkan`, `metal`, `reference`, `discrete`, `integrated`, `software`, an index, or part of a name |
/// | `hazards` | `DACAPO_HAZARDS` | `auto`, `manual`, `serial` |
/// | `threads` | `DACAPO_THREADS` | 1 to 1024 |
/// | `memory_limit` | `DACAPO_MEMORY_LIMIT` | bytes, or with a suffix `K`, `M` or `G` (powers of 1024) |
/// | `gpu_debug` | `DACAPO_GPU_DEBUG` | `off`, `labels`, `validation`, `synchronization` |
/// | `gpu_without` | `DACAPO_GPU_WITHOUT` | a list of `push_descriptors`, `synchronization2`, `mapped_device_memory`, `f16`, `cooperative_matrix`, `push_constants`, `counter_sampling`, `residency_sets` |
/// | `kernel_cache` | `DACAPO_KERNEL_CACHE` | `off`, or the path of a folder |
/// | `metal` | `DACAPO_METAL` | a list of `indirect`, `retained` |
/// | `reference` | `DACAPO_REFERENCE` | a list of `subgroup=N`, `matrix=8` or `16`, `order=parallel`, `forward`, `reverse` or `shuffled:SEED`, `checks=off`, `zeroed`, `finite`, `steps=N`, `reports=N`, `collect` |
///
/// The environment only counts where [`DeviceOptions::with_env`] is called, except that it says where the user's
/// caches are.
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// Which device to open.
    pub device: DeviceSelector,
    /// The default for encoders of this device.
    pub hazards: Hazards,
    /// Worker threads of the CPU and of the reference interpreter. By default one per core that the process may use.
    pub threads: Option<NonZeroUsize>,
    /// Bytes the device may allocate in all. By default what the system has free when the device is opened.
    pub memory_limit: Option<u64>,
    /// How closely the use of a GPU is watched.
    pub gpu_debug: GpuDebug,
    /// Extras of a GPU to leave unused.
    pub gpu_without: GpuWithout,
    /// Where kernels compiled for GPUs are kept between processes.
    pub kernel_cache: KernelCache,
    /// How Metal is used.
    pub metal: MetalOptions,
    /// How the reference interpreter runs kernels, and what it checks.
    pub reference: ReferenceOptions,
}

/// Most worker threads that can be asked for.
pub(crate) const MAX_THREADS: usize = 1024;

impl DeviceOptions {
    /// The defaults, for the processor: it runs native kernels, which a GPU does not.
    pub fn cpu() -> DeviceOptions {
        DeviceOptions {
            device: DeviceSelector::Backend(Backend::Cpu),
            ..DeviceOptions::default()
        }
    }

    /// These options, overlaid with what the environment sets.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] names a variable with a bad value and what it may be.
    pub fn with_env(self) -> Result<DeviceOptions> {
        self.overlay(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    fn overlay(mut self, lookup: impl Fn(&'static str) -> Option<String>) -> Result<DeviceOptions> {
        let apply = |name, allowed, set: &mut dyn FnMut(&str) -> Option<()>| match lookup(name) {
            Some(value) if set(&value).is_none() => Err(Error::InvalidOption {
                name,
                value: value.into(),
                allowed,
            }),
            _ => Ok(()),
        };
        apply(
            "DACAPO_DEVICE",
            "best, cpu, vulkan, metal, reference, discrete, integrated, software, an index, or part of a name",
            &mut |value| {
                self.device = value.parse().ok().filter(|_| !value.is_empty())?;
                Some(())
            },
        )?;
        apply("DACAPO_HAZARDS", "auto, manual, serial", &mut |value| {
            self.hazards = value.parse().ok()?;
            Some(())
        })?;
        apply("DACAPO_THREADS", "1 to 1024", &mut |value| {
            self.threads = Some(
                value
                    .parse()
                    .ok()
                    .filter(|n: &NonZeroUsize| n.get() <= MAX_THREADS)?,
            );
            Some(())
        })?;
        apply(
            "DACAPO_MEMORY_LIMIT",
            "a number of bytes above 0, with or without K, M or G",
            &mut |value| {
                self.memory_limit = Some(parse_bytes(value)?);
                Some(())
            },
        )?;
        apply(
            "DACAPO_GPU_DEBUG",
            "off, labels, validation, synchronization",
            &mut |value| {
                self.gpu_debug = value.parse().ok()?;
                Some(())
            },
        )?;
        apply(
            "DACAPO_GPU_WITHOUT",
            "push_descriptors, synchronization2, mapped_device_memory, f16, cooperative_matrix, push_constants, \
             counter_sampling, residency_sets, joined by commas",
            &mut |value| {
                self.gpu_without = value.parse().ok()?;
                Some(())
            },
        )?;
        apply(
            "DACAPO_METAL",
            "indirect, retained, joined by a comma",
            &mut |value| {
                self.metal = value.parse().ok()?;
                Some(())
            },
        )?;
        apply(
            "DACAPO_KERNEL_CACHE",
            "off, or the path of a folder",
            &mut |value| {
                self.kernel_cache = KernelCache::parse(value)?;
                Some(())
            },
        )?;
        apply("DACAPO_REFERENCE", reference::CHOICES, &mut |value| {
            self.reference = value.parse().ok()?;
            Some(())
        })?;
        Ok(self)
    }
}

fn parse_bytes(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 1 << 10),
        b'M' | b'm' => (&text[..text.len() - 1], 1 << 20),
        b'G' | b'g' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> Result<DeviceOptions> {
        DeviceOptions::default().overlay(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn environment_overlays_options() {
        assert_eq!(
            with("DACAPO_DEVICE", "2").unwrap().device,
            DeviceSelector::Index(2)
        );
        assert_eq!(
            with("DACAPO_DEVICE", "cpu").unwrap().device,
            DeviceSelector::Backend(Backend::Cpu)
        );
        assert_eq!(
            with("DACAPO_DEVICE", "software").unwrap().device,
            DeviceSelector::Kind(DeviceKind::SoftwareGpu)
        );
        assert_eq!(
            with("DACAPO_DEVICE", "reference").unwrap().device,
            DeviceSelector::Backend(Backend::Reference)
        );
        assert_eq!(
            with("DACAPO_DEVICE", "H100").unwrap().device,
            DeviceSelector::Name("H100".into())
        );
        assert_eq!(
            with("DACAPO_HAZARDS", "serial").unwrap().hazards,
            Hazards::Serial
        );
        assert_eq!(
            with("DACAPO_THREADS", "3").unwrap().threads,
            NonZeroUsize::new(3)
        );
        assert_eq!(
            with("DACAPO_MEMORY_LIMIT", "2G").unwrap().memory_limit,
            Some(2 << 30)
        );
        assert_eq!(
            with("DACAPO_GPU_DEBUG", "synchronization")
                .unwrap()
                .gpu_debug,
            GpuDebug::Synchronization
        );
        let without = with("DACAPO_GPU_WITHOUT", "f16,push_constants").unwrap();
        assert_eq!(
            without.gpu_without,
            GpuWithout {
                f16: true,
                push_constants: true,
                ..GpuWithout::default()
            }
        );
        let without = with("DACAPO_GPU_WITHOUT", "counter_sampling,residency_sets").unwrap();
        assert!(without.gpu_without.counter_sampling && without.gpu_without.residency_sets);
        assert_eq!(
            with("DACAPO_METAL", "retained,indirect").unwrap().metal,
            MetalOptions {
                indirect: true,
                retained: true,
            }
        );
        assert_eq!(
            with("DACAPO_KERNEL_CACHE", "off").unwrap().kernel_cache,
            KernelCache::Off
        );
        assert_eq!(
            with("DACAPO_KERNEL_CACHE", "/a/b").unwrap().kernel_cache,
            KernelCache::Folder("/a/b".into())
        );
        assert_eq!(
            with("DACAPO_REFERENCE", "subgroup=8,collect")
                .unwrap()
                .reference,
            ReferenceOptions {
                subgroup_size: 8,
                collect: true,
                ..ReferenceOptions::default()
            }
        );
        assert_eq!(with("DACAPO_OTHER", "x").unwrap().hazards, Hazards::Auto);
    }

    #[test]
    fn bad_values_name_the_choices() {
        for (name, value, choice) in [
            ("DACAPO_DEVICE", "", "vulkan"),
            ("DACAPO_HAZARDS", "Auto", "auto, manual, serial"),
            ("DACAPO_THREADS", "0", "1 to 1024"),
            ("DACAPO_THREADS", "1025", "1 to 1024"),
            ("DACAPO_MEMORY_LIMIT", "0", "bytes"),
            ("DACAPO_MEMORY_LIMIT", "99999999999G", "bytes"),
            ("DACAPO_MEMORY_LIMIT", "é", "bytes"),
            ("DACAPO_GPU_DEBUG", "on", "labels"),
            ("DACAPO_GPU_WITHOUT", "f16,f64", "push_constants"),
            ("DACAPO_METAL", "unretained", "indirect"),
            ("DACAPO_KERNEL_CACHE", "", "off, or the path"),
            ("DACAPO_REFERENCE", "subgroup=3", "power of two"),
        ] {
            let message = with(name, value).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains(choice),
                "{message}"
            );
        }
    }
}
