//! An opened device: what all its objects share.
#![allow(unsafe_code, reason = "creates and destroys Vulkan objects")]

use core::ffi::CStr;
use std::sync::{Arc, OnceLock};

use ash::{ext, khr, vk};
use gpu_allocator::vulkan::{Allocator, AllocatorCreateDesc};
use gpu_allocator::{AllocationSizes, AllocatorDebugSettings};
use parking_lot::Mutex;

use crate::backend::Refused;
use crate::backend::vulkan::cache::PipelineCache;
use crate::backend::vulkan::clock::Clock;
use crate::backend::vulkan::features::Features;
use crate::backend::vulkan::instance::Instance;
use crate::backend::vulkan::staging::Staging;
use crate::disk_cache::DiskCache;
use crate::options::{DeviceOptions, GpuDebug};

/// Nanoseconds after which a wait asks whether another call has found the device lost.
const LOOK: u64 = 1_000_000_000;

/// A logical device with one queue.
pub(super) struct Gpu {
    pub(super) features: Features,
    pub(super) device: ash::Device,
    pub(super) push: Option<khr::push_descriptor::Device>,
    pub(super) sync2: Option<khr::synchronization2::Device>,
    pub(super) labels: Option<ext::debug_utils::Device>,
    pub(super) pageable: Option<ext::pageable_device_local_memory::Device>,
    pub(super) clock: Clock,
    /// Submissions take turns.
    pub(super) queue: Mutex<vk::Queue>,
    /// Counts the submissions that the device has run.
    pub(super) timeline: vk::Semaphore,
    /// One layout for all kernels, so that what is bound stays bound from one to the next.
    pub(super) set_layout: vk::DescriptorSetLayout,
    pub(super) layout: vk::PipelineLayout,
    pub(super) cache: PipelineCache,
    pub(super) allocator: Mutex<Option<Allocator>>,
    pub(super) staging: Mutex<Option<Staging>>,
    pub(super) physical: vk::PhysicalDevice,
    pub(super) instance: Arc<Instance>,
    pub(super) debug: GpuDebug,
    /// Why the device is gone, once it is.
    lost: OnceLock<Box<str>>,
    /// Whether this destroys the device.
    owned: bool,
    #[cfg(test)]
    pub(super) injected: Mutex<Injected>,
}

/// What tests make go wrong.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Injected {
    /// What the next submission gives.
    pub(super) submitting: Option<vk::Result>,
    /// What the next wait for a submission gives.
    pub(super) waiting: Option<vk::Result>,
    /// A barrier that is left out, or weaker than it must be.
    pub(super) barrier: Option<Spoilt>,
}

/// How barriers are spoilt, to prove that somebody notices.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoilt {
    /// There is none between the waves of an encoder.
    Wave,
    /// There is none between submissions.
    Submission,
    /// They wait, and make no writes visible.
    Visibility,
    /// They wait for nothing that shaders do.
    Stage,
}

#[cfg(test)]
impl Gpu {
    pub(super) fn spoils(&self, how: Spoilt) -> bool {
        self.injected.lock().barrier == Some(how)
    }

    /// A device that is said to be lost must have stopped, as a lost one has.
    fn inject_while_waiting(&self) -> Result<(), Refused> {
        let injected = self.injected.lock().waiting.take();
        if injected.is_some() || self.alive().is_err() {
            let _queue = self.queue.lock();
            // SAFETY: the device is alive, and its queue locked.
            unsafe { self.device.device_wait_idle() }
                .map_err(|error| self.refused("waiting", error))?;
        }
        injected.map_or(Ok(()), |error| Err(self.refused("waiting", error)))
    }
}

/// A device and queue that somebody else made.
pub(super) struct Foreign {
    pub(super) device: ash::Device,
    pub(super) family: u32,
    pub(super) queue: vk::Queue,
}

impl Gpu {
    /// Opens a device, or takes over one that is open.
    pub(super) fn open(
        instance: &Arc<Instance>,
        physical: vk::PhysicalDevice,
        features: &Features,
        options: &DeviceOptions,
        foreign: Option<Foreign>,
    ) -> Result<Gpu, vk::Result> {
        let mut features = features.clone().without(options.gpu_without);
        if options.gpu_without.push_constants {
            features.max_push_constants = 0;
        }
        let owned = foreign.is_none();
        let (device, queue) = match foreign {
            Some(foreign) => {
                features.family = foreign.family;
                (foreign.device, foreign.queue)
            }
            None => {
                let device = create(instance, physical, &features)?;
                // SAFETY: the device was created with one queue of this family.
                let queue = unsafe { device.get_device_queue(features.family, 0) };
                (device, queue)
            }
        };
        let disk = DiskCache::open(options.kernel_cache.folder().as_deref());
        let raw = &instance.raw;
        let used = |used: bool| used.then_some(());
        let mut gpu = Gpu {
            push: used(features.push_descriptors)
                .map(|()| khr::push_descriptor::Device::new(raw, &device)),
            sync2: used(features.synchronization2)
                .map(|()| khr::synchronization2::Device::new(raw, &device)),
            labels: used(instance.debug.is_some())
                .map(|()| ext::debug_utils::Device::new(raw, &device)),
            pageable: used(features.pageable_memory)
                .map(|()| ext::pageable_device_local_memory::Device::new(raw, &device)),
            clock: Clock::new(
                features.timestamp_bits,
                features.timestamp_period,
                used(features.calibrated_timestamps)
                    .map(|()| ext::calibrated_timestamps::Device::new(raw, &device)),
            ),
            queue: Mutex::new(queue),
            timeline: vk::Semaphore::null(),
            set_layout: vk::DescriptorSetLayout::null(),
            layout: vk::PipelineLayout::null(),
            cache: PipelineCache::new(disk, &features.cache_identity),
            allocator: Mutex::new(None),
            staging: Mutex::new(None),
            physical,
            instance: instance.clone(),
            debug: options.gpu_debug,
            lost: OnceLock::new(),
            owned,
            #[cfg(test)]
            injected: Mutex::default(),
            features,
            device,
        };
        // From here on dropping `gpu` destroys what there is.
        gpu.create_objects()?;
        Ok(gpu)
    }

    fn create_objects(&mut self) -> Result<(), vk::Result> {
        let mut kind = vk::SemaphoreTypeCreateInfo::default()
            .semaphore_type(vk::SemaphoreType::TIMELINE)
            .initial_value(0);
        let info = vk::SemaphoreCreateInfo::default().push_next(&mut kind);
        // SAFETY: the device is alive, as in all blocks below.
        self.timeline = unsafe { self.device.create_semaphore(&info, None)? };

        let bindings: Vec<_> = (0..self.features.bindings)
            .map(|slot| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(slot)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let mut info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        if self.push.is_some() {
            info = info.flags(vk::DescriptorSetLayoutCreateFlags::PUSH_DESCRIPTOR_KHR);
        }
        // SAFETY: as above.
        self.set_layout = unsafe { self.device.create_descriptor_set_layout(&info, None)? };

        let sets = [self.set_layout];
        let constants = [vk::PushConstantRange::default()
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .size(self.features.max_push_constants)];
        let mut info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
        if self.features.max_push_constants > 0 {
            info = info.push_constant_ranges(&constants);
        }
        // SAFETY: as above.
        self.layout = unsafe { self.device.create_pipeline_layout(&info, None)? };

        self.cache.load(&self.device)?;

        let allocator = Allocator::new(&AllocatorCreateDesc {
            instance: self.instance.raw.clone(),
            device: self.device.clone(),
            physical_device: self.physical,
            debug_settings: AllocatorDebugSettings::default(),
            buffer_device_address: false,
            allocation_sizes: AllocationSizes::default(),
        });
        let allocator = allocator.map_err(|_| vk::Result::ERROR_INITIALIZATION_FAILED)?;
        *self.allocator.lock() = Some(allocator);
        Ok(())
    }

    /// An error of the driver as a value; remembers when it says that the device is lost.
    pub(super) fn refused(&self, what: &str, error: vk::Result) -> Refused {
        let text = format!("{what}: {error:?} ({error})").into_boxed_str();
        match error {
            vk::Result::ERROR_DEVICE_LOST => Refused::Lost(self.lost.get_or_init(|| text).clone()),
            vk::Result::ERROR_OUT_OF_DEVICE_MEMORY
            | vk::Result::ERROR_OUT_OF_HOST_MEMORY
            | vk::Result::ERROR_OUT_OF_POOL_MEMORY => Refused::OutOfMemory(text),
            _ => Refused::Other(text),
        }
    }

    /// Fails once the device is lost.
    pub(super) fn alive(&self) -> Result<(), Refused> {
        match self.lost.get() {
            Some(reason) => Err(Refused::Lost(reason.clone())),
            None => Ok(()),
        }
    }

    /// What the validation layer has said since it was last asked.
    pub(super) fn validated(&self) -> Result<(), Refused> {
        match self.instance.messages() {
            Some(text) => Err(Refused::Validation(text.into())),
            None => Ok(()),
        }
    }

    /// Hands the queue commands, to signal `fence`, or the timeline with `value`.
    pub(super) fn submit(
        &self,
        commands: &[vk::CommandBuffer],
        value: Option<u64>,
        fence: vk::Fence,
    ) -> Result<(), Refused> {
        self.alive()?;
        #[cfg(test)]
        if let Some(error) = self.injected.lock().submitting.take() {
            return Err(self.refused("submitting", error));
        }
        let semaphores = [self.timeline];
        let values = [value.unwrap_or(0)];
        let mut timeline =
            vk::TimelineSemaphoreSubmitInfo::default().signal_semaphore_values(&values);
        let mut info = vk::SubmitInfo::default().command_buffers(commands);
        if value.is_some() {
            info = info.signal_semaphores(&semaphores).push_next(&mut timeline);
        }
        let queue = self.queue.lock();
        // SAFETY: the queue is locked, and the caller has finished recording the commands.
        unsafe { self.device.queue_submit(*queue, &[info], fence) }
            .map_err(|error| self.refused("submitting", error))
    }

    /// Waits until the timeline has reached `value`.
    pub(super) fn wait_for(&self, value: u64) -> Result<(), Refused> {
        let semaphores = [self.timeline];
        let values = [value];
        let info = vk::SemaphoreWaitInfo::default()
            .semaphores(&semaphores)
            .values(&values);
        loop {
            #[cfg(test)]
            self.inject_while_waiting()?;
            self.alive()?;
            // SAFETY: the semaphore is alive.
            match unsafe { self.device.wait_semaphores(&info, LOOK) } {
                Ok(()) => return Ok(()),
                Err(vk::Result::TIMEOUT) => {}
                Err(error) => return Err(self.refused("waiting", error)),
            }
        }
    }

    /// Waits for a fence, and resets it.
    pub(super) fn wait_for_fence(&self, fence: vk::Fence) -> Result<(), Refused> {
        loop {
            self.alive()?;
            // SAFETY: the fence is alive.
            match unsafe { self.device.wait_for_fences(&[fence], true, LOOK) } {
                Ok(()) => break,
                Err(vk::Result::TIMEOUT) => {}
                Err(error) => return Err(self.refused("waiting", error)),
            }
        }
        // SAFETY: the fence is alive and signalled, so no submission is about to signal it.
        unsafe { self.device.reset_fences(&[fence]) }
            .map_err(|error| self.refused("resetting a fence", error))
    }

    /// Names an object in the driver's tools.
    pub(super) fn name(&self, object: impl vk::Handle, label: &str) {
        let (Some(labels), false) = (&self.labels, label.is_empty()) else {
            return;
        };
        with_c_str(label, |label| {
            let info = vk::DebugUtilsObjectNameInfoEXT::default()
                .object_handle(object)
                .object_name(label);
            // A name that cannot be set is not worth an error.
            // SAFETY: the object is alive and belongs to the device.
            let _ = unsafe { labels.set_debug_utils_object_name(&info) };
        });
    }

    /// Bytes of device-local memory that this process may use, as the driver sees it now.
    pub(super) fn memory_budget(&self) -> u64 {
        if !self.features.memory_budget {
            return self.features.device_memory;
        }
        let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
        let mut memory = vk::PhysicalDeviceMemoryProperties2::default().push_next(&mut budget);
        // SAFETY: the physical device belongs to the instance, which is alive.
        unsafe {
            self.instance
                .raw
                .get_physical_device_memory_properties2(self.physical, &mut memory);
        }
        let heap = self.features.device_heap as usize;
        budget.heap_budget[heap].saturating_sub(budget.heap_usage[heap])
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: everything made from the device holds the value, so nothing else is left; submissions that
        // use the objects have completed, or the device is lost.
        unsafe {
            // Nothing can be done about an error here.
            let _ = self.device.device_wait_idle();
            if let Some(staging) = self.staging.get_mut().take() {
                staging.destroy(self);
            }
            self.cache.close(&self.device);
            self.device.destroy_pipeline_layout(self.layout, None);
            self.device
                .destroy_descriptor_set_layout(self.set_layout, None);
            self.device.destroy_semaphore(self.timeline, None);
            drop(self.allocator.get_mut().take());
            if self.owned {
                self.device.destroy_device(None);
            }
        }
    }
}

/// Calls `use_text` with `text` as C has it, up to its first NUL.
pub(super) fn with_c_str<R>(text: &str, use_text: impl FnOnce(&CStr) -> R) -> R {
    let mut bytes = smallvec::SmallVec::<[u8; 64]>::from_slice(text.as_bytes());
    bytes.push(0);
    use_text(CStr::from_bytes_until_nul(&bytes).unwrap_or_default())
}

fn create(
    instance: &Instance,
    physical: vk::PhysicalDevice,
    features: &Features,
) -> Result<ash::Device, vk::Result> {
    let priorities = [1.0];
    let queues = [vk::DeviceQueueCreateInfo::default()
        .queue_family_index(features.family)
        .queue_priorities(&priorities)];
    let extensions: Vec<_> = features
        .extensions()
        .into_iter()
        .map(CStr::as_ptr)
        .collect();
    let mut f11 = vk::PhysicalDeviceVulkan11Features::default()
        .storage_buffer16_bit_access(features.storage_f16);
    let mut f12 = vk::PhysicalDeviceVulkan12Features::default()
        .timeline_semaphore(true)
        .shader_float16(features.gpu.f16)
        .vulkan_memory_model(features.memory_model)
        .vulkan_memory_model_device_scope(features.memory_model);
    let mut sync2 = vk::PhysicalDeviceSynchronization2Features::default().synchronization2(true);
    let mut control = vk::PhysicalDeviceSubgroupSizeControlFeatures::default()
        .subgroup_size_control(features.subgroup_size_varies)
        .compute_full_subgroups(features.full_subgroups);
    let mut cooperative =
        vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
    let mut pageable = vk::PhysicalDevicePageableDeviceLocalMemoryFeaturesEXT::default()
        .pageable_device_local_memory(true);
    let mut priority = vk::PhysicalDeviceMemoryPriorityFeaturesEXT::default().memory_priority(true);
    let mut info = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queues)
        .enabled_extension_names(&extensions)
        .push_next(&mut f11)
        .push_next(&mut f12);
    if features.synchronization2 {
        info = info.push_next(&mut sync2);
    }
    if features.controls_subgroups() {
        info = info.push_next(&mut control);
    }
    if features.gpu.cooperative_matrix.is_some() {
        info = info.push_next(&mut cooperative);
    }
    if features.pageable_memory {
        info = info.push_next(&mut pageable).push_next(&mut priority);
    }
    // SAFETY: the physical device belongs to the instance, and everything `info` points to lives until the
    // call returns.
    unsafe { instance.raw.create_device(physical, &info, None) }
}
