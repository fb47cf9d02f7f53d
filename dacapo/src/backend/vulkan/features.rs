//! What a physical device can do, as far as this backend uses it.
#![allow(unsafe_code, reason = "asks the driver")]

use core::ffi::CStr;

use ash::{ext, khr, nv, vk};

use crate::backend::vulkan::instance::Instance;
use crate::info::{CooperativeMatrix, GpuFeatures, Limits};
use crate::options::GpuWithout;

/// The slots of a kernel, and its inline constants where they are too many for push constants.
const MAX_BINDINGS: u32 = crate::encoder::MAX_BINDINGS as u32 + 1;

/// Bytes that a kernel's inline constants may have, wherever they are put.
const MAX_INLINE_BYTES: u32 = 256;

/// Facts about a physical device, and which of its extras are used.
#[derive(Clone)]
pub(super) struct Features {
    pub(super) name: String,
    pub(super) device_type: vk::PhysicalDeviceType,
    pub(super) api_version: u32,
    pub(super) limits: Limits,
    pub(super) gpu: GpuFeatures,
    /// Bindings of the one set layout that all kernels share.
    pub(super) bindings: u32,
    /// The queue family for everything.
    pub(super) family: u32,
    pub(super) timestamp_bits: u32,
    /// Nanoseconds of one tick.
    pub(super) timestamp_period: f32,
    /// Whether the device's clock can be compared with the host's.
    pub(super) calibrated_timestamps: bool,
    pub(super) max_push_constants: u32,
    pub(super) max_buffer_size: u64,
    /// Bytes of the largest device-local heap, and its index.
    pub(super) device_memory: u64,
    pub(super) device_heap: u32,
    pub(super) compute_units: u32,
    /// Whether all device-local memory can be mapped.
    pub(super) mapped_device_memory: bool,
    pub(super) push_descriptors: bool,
    pub(super) synchronization2: bool,
    pub(super) memory_budget: bool,
    pub(super) pageable_memory: bool,
    /// Whether kernels must be told to use `gpu.subgroup_size`.
    pub(super) subgroup_size_varies: bool,
    pub(super) full_subgroups: bool,
    pub(super) subgroups: bool,
    pub(super) storage_f16: bool,
    pub(super) memory_model: bool,
    /// The driver and its version, as it names itself.
    pub(super) driver: String,
    /// The device, the driver and its version, for the kernel cache.
    pub(super) cache_identity: Vec<u8>,
}

/// `1.2.3` of a packed version.
pub(super) fn version(packed: u32) -> String {
    let (major, minor, patch) = (
        vk::api_version_major(packed),
        vk::api_version_minor(packed),
        vk::api_version_patch(packed),
    );
    format!("{major}.{minor}.{patch}")
}

/// What `physical` can do, or why it cannot be used.
pub(super) fn query(instance: &Instance, physical: vk::PhysicalDevice) -> Result<Features, String> {
    // SAFETY: the physical device belongs to the instance, which is alive.
    let basic = unsafe { instance.raw.get_physical_device_properties(physical) };
    let name = basic
        .device_name_as_c_str()
        .unwrap_or(c"a device without a name")
        .to_string_lossy()
        .into_owned();
    if basic.api_version < vk::API_VERSION_1_2 {
        let found = version(basic.api_version);
        return Err(format!("{name} offers Vulkan {found}; 1.2 is needed"));
    }
    // SAFETY: as above.
    let known = unsafe { instance.raw.enumerate_device_extension_properties(physical) };
    let known = known.map_err(|error| format!("{name} lists no extensions: {error}"))?;
    let has = |extension: &CStr| {
        known
            .iter()
            .any(|found| found.extension_name_as_c_str() == Ok(extension))
    };
    let is_1_3 = basic.api_version >= vk::API_VERSION_1_3;

    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut subgroup = vk::PhysicalDeviceSubgroupProperties::default();
    let mut sizes = vk::PhysicalDeviceSubgroupSizeControlProperties::default();
    let mut maintenance3 = vk::PhysicalDeviceMaintenance3Properties::default();
    let mut maintenance4 = vk::PhysicalDeviceMaintenance4Properties::default();
    let mut multiprocessors = vk::PhysicalDeviceShaderSMBuiltinsPropertiesNV::default();
    let mut properties = vk::PhysicalDeviceProperties2::default()
        .push_next(&mut driver)
        .push_next(&mut subgroup)
        .push_next(&mut maintenance3);
    let size_control = is_1_3 || has(ext::subgroup_size_control::NAME);
    if size_control {
        properties = properties.push_next(&mut sizes);
    }
    let has_maintenance4 = is_1_3 || has(khr::maintenance4::NAME);
    if has_maintenance4 {
        properties = properties.push_next(&mut maintenance4);
    }
    if has(nv::shader_sm_builtins::NAME) {
        properties = properties.push_next(&mut multiprocessors);
    }
    // SAFETY: as above; the chain lives until the call returns.
    unsafe {
        instance
            .raw
            .get_physical_device_properties2(physical, &mut properties);
    }

    let mut f11 = vk::PhysicalDeviceVulkan11Features::default();
    let mut f12 = vk::PhysicalDeviceVulkan12Features::default();
    let mut sync2 = vk::PhysicalDeviceSynchronization2Features::default();
    let mut control = vk::PhysicalDeviceSubgroupSizeControlFeatures::default();
    let mut cooperative = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
    let mut pageable = vk::PhysicalDevicePageableDeviceLocalMemoryFeaturesEXT::default();
    let mut features = vk::PhysicalDeviceFeatures2::default()
        .push_next(&mut f11)
        .push_next(&mut f12);
    if has(khr::synchronization2::NAME) {
        features = features.push_next(&mut sync2);
    }
    if size_control {
        features = features.push_next(&mut control);
    }
    if has(khr::cooperative_matrix::NAME) {
        features = features.push_next(&mut cooperative);
    }
    let can_page = has(ext::pageable_device_local_memory::NAME) && has(ext::memory_priority::NAME);
    if can_page {
        features = features.push_next(&mut pageable);
    }
    // SAFETY: as above.
    unsafe {
        instance
            .raw
            .get_physical_device_features2(physical, &mut features);
    }
    if f12.timeline_semaphore == vk::FALSE {
        return Err(format!("{name} has no timeline semaphores"));
    }

    // SAFETY: as above.
    let families = unsafe {
        instance
            .raw
            .get_physical_device_queue_family_properties(physical)
    };
    // A family for compute alone runs beside graphics, where there is one.
    let computes = |only: bool| {
        families.iter().position(|family| {
            family.queue_flags.contains(vk::QueueFlags::COMPUTE)
                && !(only && family.queue_flags.contains(vk::QueueFlags::GRAPHICS))
        })
    };
    let Some(family) = computes(true).or_else(|| computes(false)) else {
        return Err(format!("{name} has no compute queue"));
    };

    // SAFETY: as above.
    let memory = unsafe { instance.raw.get_physical_device_memory_properties(physical) };
    let heaps = &memory.memory_heaps[..memory.memory_heap_count as usize];
    let device_heap = (0..heaps.len())
        .filter(|&heap| {
            heaps[heap]
                .flags
                .contains(vk::MemoryHeapFlags::DEVICE_LOCAL)
        })
        .max_by_key(|&heap| heaps[heap].size)
        .unwrap_or(0);
    let mapped = vk::MemoryPropertyFlags::DEVICE_LOCAL
        | vk::MemoryPropertyFlags::HOST_VISIBLE
        | vk::MemoryPropertyFlags::HOST_COHERENT;
    let mapped_device_memory = memory.memory_types[..memory.memory_type_count as usize]
        .iter()
        .any(|kind| {
            kind.heap_index as usize == device_heap && kind.property_flags.contains(mapped)
        });

    let limits = basic.limits;
    // Atomics in buffers have the scope of the device.
    let memory_model =
        f12.vulkan_memory_model == vk::TRUE && f12.vulkan_memory_model_device_scope == vk::TRUE;
    let storage_f16 = f11.storage_buffer16_bit_access == vk::TRUE;
    let operations = vk::SubgroupFeatureFlags::BASIC
        | vk::SubgroupFeatureFlags::VOTE
        | vk::SubgroupFeatureFlags::ARITHMETIC
        | vk::SubgroupFeatureFlags::BALLOT
        | vk::SubgroupFeatureFlags::SHUFFLE
        | vk::SubgroupFeatureFlags::SHUFFLE_RELATIVE;
    let bindings = limits
        .max_per_stage_descriptor_storage_buffers
        .min(MAX_BINDINGS);
    let full_subgroups = control.compute_full_subgroups == vk::TRUE;
    // Drivers have forgotten to change the one or the other.
    let mut identity = basic.pipeline_cache_uuid.to_vec();
    for number in [basic.vendor_id, basic.device_id, basic.driver_version] {
        identity.extend(number.to_le_bytes());
    }
    Ok(Features {
        name,
        device_type: basic.device_type,
        api_version: basic.api_version,
        limits: Limits {
            max_bindings: bindings - 1,
            max_slot: Some(bindings - 2),
            max_binding_bytes: limits.max_storage_buffer_range.into(),
            max_inline_bytes: MAX_INLINE_BYTES,
            max_groups: limits.max_compute_work_group_count,
            max_total_groups: u64::MAX,
            max_group_threads: limits.max_compute_work_group_invocations,
            max_shared_bytes: limits.max_compute_shared_memory_size,
            min_binding_alignment: limits.min_storage_buffer_offset_alignment.max(4) as u32,
        },
        gpu: GpuFeatures {
            subgroup_size: subgroup.subgroup_size,
            f16: f12.shader_float16 == vk::TRUE && storage_f16,
            cooperative_matrix: (cooperative.cooperative_matrix == vk::TRUE
                && memory_model
                && multiplies_16(instance, physical))
            .then_some(CooperativeMatrix::Size16),
        },
        bindings,
        family: family as u32,
        timestamp_bits: families[family].timestamp_valid_bits,
        timestamp_period: limits.timestamp_period,
        calibrated_timestamps: has(ext::calibrated_timestamps::NAME)
            && counts_device_time(instance, physical),
        max_push_constants: limits.max_push_constants_size.min(MAX_INLINE_BYTES),
        max_buffer_size: match has_maintenance4 {
            true => maintenance4.max_buffer_size,
            false => maintenance3.max_memory_allocation_size,
        },
        device_memory: heaps.get(device_heap).map_or(0, |heap| heap.size),
        device_heap: device_heap as u32,
        compute_units: multiprocessors.shader_sm_count,
        mapped_device_memory,
        push_descriptors: has(khr::push_descriptor::NAME),
        synchronization2: sync2.synchronization2 == vk::TRUE,
        memory_budget: has(ext::memory_budget::NAME),
        pageable_memory: can_page && pageable.pageable_device_local_memory == vk::TRUE,
        subgroup_size_varies: control.subgroup_size_control == vk::TRUE
            && sizes.min_subgroup_size != sizes.max_subgroup_size,
        full_subgroups,
        subgroups: subgroup.supported_operations.contains(operations)
            && subgroup
                .supported_stages
                .contains(vk::ShaderStageFlags::COMPUTE),
        storage_f16,
        memory_model,
        driver: driver_name(&driver),
        cache_identity: identity,
    })
}

/// What the driver calls itself and its version. A text that has no end counts as none.
fn driver_name(driver: &vk::PhysicalDeviceDriverProperties<'_>) -> String {
    let texts = [driver.driver_name_as_c_str(), driver.driver_info_as_c_str()];
    let texts = texts.into_iter().flatten().map(CStr::to_string_lossy);
    let words: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    words.join(" ")
}

/// Whether the device tells its own time on demand.
fn counts_device_time(instance: &Instance, physical: vk::PhysicalDevice) -> bool {
    let clocks = ext::calibrated_timestamps::Instance::new(&instance.entry, &instance.raw);
    // SAFETY: the device has the extension.
    let domains = unsafe { clocks.get_physical_device_calibrateable_time_domains(physical) };
    domains.is_ok_and(|domains| domains.contains(&vk::TimeDomainKHR::DEVICE))
}

/// Whether the device multiplies 16x16 matrices of f16 and sums in f32.
fn multiplies_16(instance: &Instance, physical: vk::PhysicalDevice) -> bool {
    let matrices = khr::cooperative_matrix::Instance::new(&instance.entry, &instance.raw);
    // SAFETY: the device has the extension.
    let kinds = unsafe { matrices.get_physical_device_cooperative_matrix_properties(physical) };
    kinds.unwrap_or_default().iter().any(|kind| {
        (kind.m_size, kind.n_size, kind.k_size) == (16, 16, 16)
            && kind.a_type == vk::ComponentTypeKHR::FLOAT16
            && kind.b_type == vk::ComponentTypeKHR::FLOAT16
            && kind.c_type == vk::ComponentTypeKHR::FLOAT32
            && kind.result_type == vk::ComponentTypeKHR::FLOAT32
            && kind.scope == vk::ScopeKHR::SUBGROUP
    })
}

impl Features {
    /// These, less what the caller does not want used.
    pub(super) fn without(mut self, without: GpuWithout) -> Features {
        self.push_descriptors &= !without.push_descriptors;
        self.synchronization2 &= !without.synchronization2;
        self.mapped_device_memory &= !without.mapped_device_memory;
        self.gpu.f16 &= !without.f16;
        if without.cooperative_matrix || without.f16 {
            self.gpu.cooperative_matrix = None;
        }
        self
    }

    /// These, of a device that was opened with only these extensions.
    pub(super) fn enabled(mut self, extensions: &[&CStr], f16: bool) -> Features {
        let has = |name| extensions.contains(&name);
        self.push_descriptors &= has(khr::push_descriptor::NAME);
        self.synchronization2 &= has(khr::synchronization2::NAME);
        self.memory_budget &= has(ext::memory_budget::NAME);
        self.calibrated_timestamps &= has(ext::calibrated_timestamps::NAME);
        self.gpu.f16 &= f16;
        // What only a feature tells, and no extension, counts as not enabled.
        self.gpu.cooperative_matrix = None;
        self.pageable_memory = false;
        self.subgroup_size_varies = false;
        self.full_subgroups = false;
        self.memory_model = false;
        self
    }

    /// What sets its speed apart.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let all = [
            ("f16", self.gpu.f16),
            (
                "cooperative matrices",
                self.gpu.cooperative_matrix.is_some(),
            ),
            ("push descriptors", self.push_descriptors),
            ("synchronization2", self.synchronization2),
            ("mapped device memory", self.mapped_device_memory),
        ];
        all.into_iter()
            .filter_map(|(name, there)| there.then_some(name))
            .collect()
    }

    /// Device extensions to enable.
    pub(super) fn extensions(&self) -> Vec<&'static CStr> {
        let all = [
            (khr::push_descriptor::NAME, self.push_descriptors),
            (khr::synchronization2::NAME, self.synchronization2),
            (
                khr::cooperative_matrix::NAME,
                self.gpu.cooperative_matrix.is_some(),
            ),
            (ext::memory_budget::NAME, self.memory_budget),
            (ext::calibrated_timestamps::NAME, self.calibrated_timestamps),
            (
                ext::pageable_device_local_memory::NAME,
                self.pageable_memory,
            ),
            (ext::memory_priority::NAME, self.pageable_memory),
            (
                ext::subgroup_size_control::NAME,
                self.controls_subgroups() && self.api_version < vk::API_VERSION_1_3,
            ),
        ];
        all.into_iter()
            .filter_map(|(name, used)| used.then_some(name))
            .collect()
    }

    pub(super) fn controls_subgroups(&self) -> bool {
        self.subgroup_size_varies || self.full_subgroups
    }
}
