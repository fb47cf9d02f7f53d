//! What a device can do, as far as this backend uses it.
#![allow(unsafe_code, reason = "asks Metal")]

use objc2::available;
use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLCounterSamplingPoint, MTLDevice, MTLGPUFamily, MTLLanguageVersion};

use crate::info::{CooperativeMatrix, GpuFeatures, Limits};
use crate::options::DeviceOptions;

/// Buffers of one kernel: Metal has 31, of which inline bytes and the sizes of the others take one each.
const MAX_BUFFERS: u32 = 31;
const OWN_BUFFERS: u32 = 2;

/// Bytes that a kernel's inline constants may have. Longer ones than [`MAX_SET_BYTES`] come from a buffer.
const MAX_INLINE_BYTES: u32 = 64 << 10;

/// Bytes of the longest argument that Metal copies by itself (`setBytes`).
pub(super) const MAX_SET_BYTES: usize = 4096;

/// Threads of a SIMD group, on every GPU that Apple has made.
const SIMD_WIDTH: u32 = 32;

/// Facts about a device, and which of its extras are used.
#[derive(Clone)]
pub(super) struct Features {
    pub(super) name: String,
    pub(super) limits: Limits,
    pub(super) gpu: GpuFeatures,
    /// SIMD-group functions of all kinds, reductions included.
    pub(super) subgroups: bool,
    /// The newest version of the language that the system compiles, major and minor.
    pub(super) language: (u8, u8),
    /// Whether host and device share their memory.
    pub(super) unified: bool,
    /// Bytes that the device uses without trouble.
    pub(super) memory: u64,
    pub(super) max_buffer: u64,
    /// Whether executables may be indirect command buffers.
    pub(super) indirect: bool,
    /// Whether the beginning and end of a pass can be timed.
    pub(super) counters: bool,
    pub(super) residency_sets: bool,
    /// The family and its generation.
    pub(super) family: &'static str,
}

/// The families that compute kernels need, newest first.
const FAMILIES: [(MTLGPUFamily, &str); 7] = [
    (MTLGPUFamily::Apple9, "Apple9"),
    (MTLGPUFamily::Apple8, "Apple8"),
    (MTLGPUFamily::Apple7, "Apple7"),
    (MTLGPUFamily::Apple6, "Apple6"),
    (MTLGPUFamily::Apple5, "Apple5"),
    (MTLGPUFamily::Apple4, "Apple4"),
    (MTLGPUFamily::Mac2, "Mac2"),
];

/// What `device` can do.
pub(super) fn query(device: &ProtocolObject<dyn MTLDevice>) -> Result<Features, String> {
    let name = device.name().to_string();
    let family = FAMILIES
        .iter()
        .find(|(family, _)| device.supportsFamily(*family));
    let Some(&(_, family)) = family else {
        return Err(format!(
            "{name} is of no family that runs compute kernels well: Apple4 or Mac2 is needed"
        ));
    };
    // SIMD-group matrices came with the A14 and the M1.
    let matrices = device.supportsFamily(MTLGPUFamily::Apple7);
    let threads = device.maxThreadsPerThreadgroup();
    let max_buffer = device.maxBufferLength() as u64;
    Ok(Features {
        limits: Limits {
            max_bindings: (MAX_BUFFERS - OWN_BUFFERS).min(crate::encoder::MAX_BINDINGS as u32),
            max_slot: None,
            // Kernels are told lengths in 32 bits.
            max_binding_bytes: max_buffer.min(u32::MAX.into()),
            max_inline_bytes: MAX_INLINE_BYTES,
            // Metal names no limit; this is what everybody can count on.
            max_groups: [65_535; 3],
            max_total_groups: u64::MAX,
            max_group_threads: u32::try_from(threads.width).unwrap_or(u32::MAX),
            max_shared_bytes: u32::try_from(device.maxThreadgroupMemoryLength())
                .unwrap_or(u32::MAX),
            min_binding_alignment: 4,
        },
        gpu: GpuFeatures {
            subgroup_size: SIMD_WIDTH,
            f16: true,
            cooperative_matrix: matrices.then_some(CooperativeMatrix::Size8),
        },
        subgroups: device.supportsFamily(MTLGPUFamily::Apple7)
            || device.supportsFamily(MTLGPUFamily::Mac2),
        language: language(),
        unified: device.hasUnifiedMemory(),
        memory: device.recommendedMaxWorkingSetSize(),
        max_buffer,
        // All of the families above have indirect compute commands.
        indirect: true,
        counters: device.supportsCounterSampling(MTLCounterSamplingPoint::AtStageBoundary),
        residency_sets: available!(macos = 15.0, ios = 18.0, ..),
        family,
        name,
    })
}

impl Features {
    /// Without what the options leave out.
    pub(super) fn with(mut self, options: &DeviceOptions) -> Features {
        let without = &options.gpu_without;
        self.gpu.f16 &= !without.f16;
        if without.cooperative_matrix || without.f16 {
            self.gpu.cooperative_matrix = None;
        }
        self.counters &= !without.counter_sampling;
        self.residency_sets &= !without.residency_sets;
        self.indirect &= options.metal.indirect;
        self
    }

    /// The language version as Metal names it.
    pub(super) fn language_version(&self) -> MTLLanguageVersion {
        match self.language {
            (3, 2) => MTLLanguageVersion::Version3_2,
            (3, 1) => MTLLanguageVersion::Version3_1,
            (3, _) => MTLLanguageVersion::Version3_0,
            _ => MTLLanguageVersion::Version2_4,
        }
    }
}

/// The newest version of the Metal Shading Language that this system compiles, up to those that kernels use.
fn language() -> (u8, u8) {
    if available!(macos = 15.0, ios = 18.0, ..) {
        (3, 2)
    } else if available!(macos = 14.0, ios = 17.0, ..) {
        (3, 1)
    } else if available!(macos = 13.0, ios = 16.0, ..) {
        (3, 0)
    } else {
        (2, 4)
    }
}
