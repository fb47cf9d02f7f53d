#![allow(unsafe_code, reason = "records into a Vulkan command buffer")]

use core::any::Any;
use std::sync::Arc;
use std::time::Instant;

use ash::vk;
use smallvec::SmallVec;

use crate::backend::own::known;
use crate::backend::vulkan::barrier::{self, Stages};
use crate::backend::vulkan::binder::Binder;
use crate::backend::vulkan::frame::Frame;
#[cfg(test)]
use crate::backend::vulkan::gpu::Spoilt;
use crate::backend::vulkan::gpu::{Gpu, with_c_str};
use crate::backend::vulkan::memory::VulkanMemory;
use crate::backend::vulkan::pipeline::{ComputePipeline, FillTable, VulkanPipeline};
use crate::backend::vulkan::stopwatch::Stopwatch;
use crate::backend::vulkan::timer::Timer;
use crate::backend::{self, Bound, Dispatch, Groups, Launch, Refused};
use crate::kernel::Kernel;

/// A command buffer in a pool of its own, recorded as dispatches come.
pub(super) struct VulkanEncoder {
    gpu: Arc<Gpu>,
    pool: vk::CommandPool,
    commands: vk::CommandBuffer,
    role: Role,
    timer: Timer,
    stopwatch: Stopwatch,
    recording: bool,
    binder: Binder,
    pipeline: vk::Pipeline,
    /// What the pipelines belong to.
    kernels: Vec<Kernel>,
    /// What ran before the last barrier, and what since.
    ran: Stages,
    wave: Stages,
    /// The kinds of commands that already wait for `ran`.
    ordered: Stages,
    open_labels: u32,
    /// Why recording stopped.
    refused: Option<Refused>,
    /// What the validation layer has said of the recording, which goes on.
    complaint: Option<Refused>,
    /// What stands around the parts of a launch.
    frame: Option<Frame>,
    /// Bytes that the launch fetches.
    fetches: u64,
    /// What the queue runs: nothing for an empty encoder.
    submitted: Vec<vk::CommandBuffer>,
}

/// What becomes of the commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// They are a submission, and run once.
    Submission,
    /// They are a part of launches, and run any number of times.
    Part,
}

/// The end of a part, ready to be launched.
struct Part(VulkanEncoder);

impl backend::Prepared for Part {
    fn timings(&self, times: &mut Vec<[Instant; 2]>) {
        backend::Encoder::timings(&self.0, times);
    }
}

impl VulkanEncoder {
    /// Commands of a submission of their own.
    pub(super) fn new(gpu: &Arc<Gpu>) -> VulkanEncoder {
        VulkanEncoder::with(gpu, Role::Submission)
    }

    /// Commands of a part of launches: the first one, or one that waits for all before it.
    pub(super) fn part(gpu: &Arc<Gpu>, first: bool) -> VulkanEncoder {
        let mut encoder = VulkanEncoder::with(gpu, Role::Part);
        if !first {
            encoder.ran = Stages::COMPUTE | Stages::TRANSFER | Stages::INDIRECT;
        }
        encoder
    }

    fn with(gpu: &Arc<Gpu>, role: Role) -> VulkanEncoder {
        VulkanEncoder {
            gpu: gpu.clone(),
            pool: vk::CommandPool::null(),
            commands: vk::CommandBuffer::null(),
            role,
            timer: Timer::default(),
            stopwatch: Stopwatch::default(),
            recording: false,
            binder: Binder::default(),
            pipeline: vk::Pipeline::null(),
            kernels: Vec::new(),
            ran: Stages::NONE,
            wave: Stages::NONE,
            ordered: Stages::NONE,
            open_labels: 0,
            refused: None,
            complaint: None,
            frame: None,
            fetches: 0,
            submitted: Vec::new(),
        }
    }

    /// Keeps what the validation layer says of a command for the submission, before another call takes it.
    fn note_complaints(&mut self) {
        if self.gpu.debug.validates()
            && let Err(complaint) = self.gpu.validated()
        {
            self.complaint.get_or_insert(complaint);
        }
    }

    /// Fails with what the validation layer has said of the recording.
    pub(super) fn validated(&mut self) -> Result<(), Refused> {
        self.note_complaints();
        self.complaint.take().map_or(Ok(()), Err)
    }

    /// Ends the recording; gives what the queue shall run.
    pub(super) fn finish(&mut self) -> Result<&[vk::CommandBuffer], Refused> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        if self.recording {
            self.end()?;
            self.submitted.push(self.commands);
        }
        Ok(&self.submitted)
    }

    fn end(&mut self) -> Result<(), Refused> {
        while self.open_labels > 0 {
            backend::Encoder::pop_scope(self);
        }
        if self.role == Role::Submission {
            let everything = Stages::COMPUTE | Stages::TRANSFER;
            barrier::record(&self.gpu, self.commands, everything, Stages::HOST);
            self.timer.end(&self.gpu, self.commands);
        }
        self.recording = false;
        // SAFETY: the command buffer is being recorded.
        unsafe { self.gpu.device.end_command_buffer(self.commands) }
            .map_err(|error| self.gpu.refused("ending a command buffer", error))
    }

    /// The device's clock when it began and ended, once it has run the commands.
    pub(super) fn ticks(&self) -> Option<[u64; 2]> {
        self.timer.ticks(&self.gpu)
    }

    fn start_watch(&mut self) -> Result<(), Refused> {
        self.stopwatch.start(&self.gpu, self.commands)
    }

    fn stop_watch(&mut self) {
        self.stopwatch.stop(&self.gpu, self.commands);
    }

    fn surround(&mut self, launch: &Launch<'_>) -> Result<(), Refused> {
        self.gpu.alive()?;
        let frame = match &mut self.frame {
            Some(frame) => frame,
            empty => empty.insert(Frame::new(&self.gpu)?),
        };
        let [opening, closing] = frame.around(&self.gpu, &mut self.timer, launch)?;
        self.submitted.push(opening);
        for part in launch.parts {
            let part: &dyn Any = &**part;
            match part.downcast_ref::<Part>() {
                Some(Part(part)) if part.commands != vk::CommandBuffer::null() => {
                    self.submitted.push(part.commands);
                }
                Some(_) => {}
                None => unreachable!("the part was prepared by this device"),
            }
        }
        self.submitted.push(closing);
        self.fetches = launch.fetch.map_or(0, |source| source.range.len());
        Ok(())
    }

    /// Makes sure that commands can be recorded. The first of a submission waits for all submissions before:
    /// their order on the queue alone does not make what they wrote visible.
    fn begin(&mut self) -> Result<(), Refused> {
        if self.recording {
            return Ok(());
        }
        self.gpu.alive()?;
        if self.pool == vk::CommandPool::null() {
            self.create()?;
        }
        let info = vk::CommandBufferBeginInfo::default().flags(match self.role {
            Role::Submission => vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT,
            Role::Part => vk::CommandBufferUsageFlags::SIMULTANEOUS_USE,
        });
        // SAFETY: the pool was reset since the commands last ran.
        unsafe { self.gpu.device.begin_command_buffer(self.commands, &info) }
            .map_err(|error| self.gpu.refused("beginning a command buffer", error))?;
        self.recording = true;
        if self.role == Role::Part {
            return Ok(());
        }
        self.timer.begin(&self.gpu, self.commands)?;
        #[cfg(test)]
        if self.gpu.spoils(Spoilt::Submission) {
            return Ok(());
        }
        let everything = Stages::COMPUTE | Stages::TRANSFER | Stages::INDIRECT;
        barrier::record(&self.gpu, self.commands, everything, everything);
        Ok(())
    }

    fn create(&mut self) -> Result<(), Refused> {
        let gpu = &self.gpu;
        let family = gpu.features.family;
        let info = vk::CommandPoolCreateInfo::default().queue_family_index(family);
        // SAFETY: the device is alive, as below.
        self.pool = unsafe { gpu.device.create_command_pool(&info, None) }
            .map_err(|error| gpu.refused("creating a command pool", error))?;
        let info = vk::CommandBufferAllocateInfo::default()
            .command_pool(self.pool)
            .command_buffer_count(1);
        // SAFETY: the pool was just created.
        let commands = unsafe { gpu.device.allocate_command_buffers(&info) }
            .map_err(|error| gpu.refused("allocating a command buffer", error))?;
        self.commands = commands.first().copied().unwrap_or_default();
        Ok(())
    }

    /// Puts the barrier that a command of this kind needs in front of it, if it is not there yet.
    fn order(&mut self, kind: Stages) {
        self.wave |= kind;
        #[cfg(test)]
        if self.gpu.spoils(Spoilt::Wave) {
            return;
        }
        if self.ran == Stages::NONE {
            return;
        }
        let missing = kind.without(self.ordered);
        if missing != Stages::NONE {
            barrier::record(&self.gpu, self.commands, self.ran, missing);
            self.ordered |= missing;
        }
    }

    fn record(&mut self, dispatch: &Dispatch<'_>) -> Result<(), Refused> {
        // SAFETY: the kernel was checked to belong to this device.
        let pipeline: &VulkanPipeline = unsafe { known(dispatch.kernel.pipeline()) };
        self.begin()?;
        if self.kernels.last() != Some(dispatch.kernel) {
            self.kernels.push(dispatch.kernel.clone());
        }
        match pipeline {
            VulkanPipeline::Compute(pipeline) => self.compute(pipeline, dispatch),
            VulkanPipeline::Copy => {
                self.order(Stages::TRANSFER);
                self.start_watch()?;
                self.copy(&dispatch.bound[0], &dispatch.bound[1]);
                self.stop_watch();
                Ok(())
            }
            VulkanPipeline::Fill(table) => {
                self.order(Stages::TRANSFER);
                self.start_watch()?;
                let value: u32 = bytemuck::pod_read_unaligned(dispatch.inline);
                self.fill(table, &dispatch.bound[0], value as u8);
                self.stop_watch();
                Ok(())
            }
        }
    }

    /// Gives the command buffer to somebody who may record and bind anything.
    pub(super) fn native(&mut self, record: impl FnOnce(&ash::Device, vk::CommandBuffer)) {
        if self.refused.is_some() {
            return;
        }
        if let Err(refused) = self.begin() {
            self.refused = Some(refused);
            return;
        }
        self.order(Stages::COMPUTE | Stages::TRANSFER | Stages::INDIRECT);
        if let Err(refused) = self.start_watch() {
            self.refused = Some(refused);
            return;
        }
        record(&self.gpu.device, self.commands);
        self.stop_watch();
        self.pipeline = vk::Pipeline::null();
        self.binder.forget();
    }

    fn compute(
        &mut self,
        pipeline: &ComputePipeline,
        dispatch: &Dispatch<'_>,
    ) -> Result<(), Refused> {
        self.order(match *dispatch.groups {
            Groups::Direct { .. } => Stages::COMPUTE,
            Groups::Indirect(_) => Stages::COMPUTE | Stages::INDIRECT,
        });
        let (gpu, commands) = (&self.gpu, self.commands);
        if self.pipeline != pipeline.raw {
            self.pipeline = pipeline.raw;
            let point = vk::PipelineBindPoint::COMPUTE;
            // SAFETY: the command buffer is being recorded, and holds the kernel of the pipeline.
            unsafe { gpu.device.cmd_bind_pipeline(commands, point, pipeline.raw) };
        }
        self.binder.bind(gpu, commands, pipeline, dispatch)?;
        self.start_watch()?;
        let (gpu, commands) = (&self.gpu, self.commands);
        match *dispatch.groups {
            Groups::Direct { groups, .. } => {
                let [x, y, z] = groups;
                // SAFETY: as above; the grid was checked against the limits, and everything is bound.
                unsafe { gpu.device.cmd_dispatch(commands, x, y, z) };
            }
            Groups::Indirect(grid) => {
                // SAFETY: as above; the view was checked to hold an aligned grid.
                unsafe {
                    gpu.device
                        .cmd_dispatch_indirect(commands, buffer(&grid), grid.range.start);
                }
            }
        }
        self.stop_watch();
        Ok(())
    }

    fn copy(&self, source: &Bound<'_>, target: &Bound<'_>) {
        let region = vk::BufferCopy {
            src_offset: source.range.start,
            dst_offset: target.range.start,
            size: target.range.len(),
        };
        // SAFETY: the command buffer is being recorded, and the buffers hold the ranges, which do not overlap.
        unsafe {
            self.gpu.device.cmd_copy_buffer(
                self.commands,
                buffer(source),
                buffer(target),
                &[region],
            );
        }
    }

    /// Fills whole words, and copies what is left at the ends.
    fn fill(&self, table: &FillTable, target: &Bound<'_>, value: u8) {
        let (raw, range) = (buffer(target), target.range);
        let (first, last) = (range.start.next_multiple_of(4), range.end / 4 * 4);
        let mut ends = SmallVec::<[vk::BufferCopy; 2]>::new();
        let mut end = |from: u64, to: u64| {
            if from < to {
                ends.push(vk::BufferCopy {
                    src_offset: FillTable::offset(value),
                    dst_offset: from,
                    size: to - from,
                });
            }
        };
        if first < last {
            let word = u32::from_ne_bytes([value; 4]);
            // SAFETY: as for a copy.
            unsafe {
                self.gpu
                    .device
                    .cmd_fill_buffer(self.commands, raw, first, last - first, word);
            }
            end(range.start, first);
            end(last, range.end);
        } else {
            let middle = first.clamp(range.start, range.end);
            end(range.start, middle);
            end(middle, range.end);
        }
        if !ends.is_empty() {
            // SAFETY: as for a copy; each end is shorter than the four bytes of the table.
            unsafe {
                self.gpu
                    .device
                    .cmd_copy_buffer(self.commands, table.buffer(), raw, &ends);
            }
        }
    }
}

/// The buffer that a view of this device is bound to.
pub(super) fn buffer(bound: &Bound<'_>) -> vk::Buffer {
    // SAFETY: the view was checked to belong to this device.
    let memory: &VulkanMemory = unsafe { known(&*bound.view.allocation.memory) };
    memory.buffer
}

impl backend::Encoder for VulkanEncoder {
    fn time(&mut self) {
        self.stopwatch.run(&self.gpu);
    }

    fn dispatch(&mut self, dispatch: &Dispatch<'_>) {
        if self.refused.is_none()
            && let Err(refused) = self.record(dispatch)
        {
            self.refused = Some(refused);
        }
        self.note_complaints();
    }

    fn barrier(&mut self) {
        if self.wave != Stages::NONE {
            self.ran |= self.wave;
            self.wave = Stages::NONE;
            self.ordered = Stages::NONE;
        }
    }

    fn push_scope(&mut self, label: &str) {
        if self.gpu.labels.is_none() || self.refused.is_some() {
            return;
        }
        if let Err(refused) = self.begin() {
            self.refused = Some(refused);
            return;
        }
        let Some(labels) = &self.gpu.labels else {
            return;
        };
        with_c_str(label, |label| {
            let info = vk::DebugUtilsLabelEXT::default().label_name(label);
            // SAFETY: the command buffer is being recorded.
            unsafe { labels.cmd_begin_debug_utils_label(self.commands, &info) };
        });
        self.open_labels += 1;
    }

    fn pop_scope(&mut self) {
        if let (Some(labels), Some(open)) = (&self.gpu.labels, self.open_labels.checked_sub(1)) {
            self.open_labels = open;
            // SAFETY: the command buffer is being recorded, and the label was begun in it.
            unsafe { labels.cmd_end_debug_utils_label(self.commands) };
        }
    }

    fn reset(&mut self) {
        if self.pool != vk::CommandPool::null() {
            let keep = vk::CommandPoolResetFlags::empty();
            // SAFETY: the device has run the commands, or never got them.
            let reset = unsafe { self.gpu.device.reset_command_pool(self.pool, keep) };
            self.refused = reset
                .err()
                .map(|error| self.gpu.refused("resetting a command pool", error));
        } else {
            self.refused = None;
        }
        self.complaint = None;
        self.recording = false;
        self.binder.reset(&self.gpu);
        self.pipeline = vk::Pipeline::null();
        self.kernels.clear();
        (self.ran, self.wave, self.ordered) = (Stages::NONE, Stages::NONE, Stages::NONE);
        self.open_labels = 0;
        self.submitted.clear();
        self.stopwatch.reset();
        self.fetches = 0;
    }

    fn timings(&self, times: &mut Vec<[Instant; 2]>) {
        self.stopwatch.add_to(&self.gpu, times);
    }

    fn prepare(mut self: Box<Self>) -> Result<Arc<dyn backend::Prepared>, Refused> {
        self.finish()?;
        self.validated()?;
        Ok(Arc::new(Part(*self)))
    }

    fn launch(&mut self, launch: &Launch<'_>) {
        if self.refused.is_none()
            && let Err(refused) = self.surround(launch)
        {
            self.refused = Some(refused);
        }
        self.note_complaints();
    }

    fn fetched(&self) -> &[u8] {
        match &self.frame {
            Some(frame) => frame.fetched(self.fetches),
            None => &[],
        }
    }
}

impl Drop for VulkanEncoder {
    fn drop(&mut self) {
        self.binder.destroy(&self.gpu);
        // SAFETY: the device has run the commands, or never got them.
        unsafe {
            self.timer.destroy(&self.gpu);
            self.stopwatch.destroy(&self.gpu);
            if let Some(frame) = &mut self.frame {
                frame.destroy(&self.gpu);
            }
            self.gpu.device.destroy_command_pool(self.pool, None);
        }
    }
}
