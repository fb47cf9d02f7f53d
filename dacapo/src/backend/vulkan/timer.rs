//! When the device runs a submission.
#![allow(unsafe_code, reason = "records timestamps and reads them")]

use ash::vk;

use crate::backend::Refused;
use crate::backend::vulkan::gpu::Gpu;

/// Two timestamps: when the device begins and ends. None where the queue has no clock, or nothing was timed yet.
#[derive(Default)]
pub(super) struct Timer {
    queries: vk::QueryPool,
}

impl Timer {
    fn create(&mut self, gpu: &Gpu) -> Result<(), Refused> {
        if gpu.features.timestamp_bits == 0 || self.queries != vk::QueryPool::null() {
            return Ok(());
        }
        let info = vk::QueryPoolCreateInfo::default()
            .query_type(vk::QueryType::TIMESTAMP)
            .query_count(2);
        // SAFETY: the device is alive.
        self.queries = unsafe { gpu.device.create_query_pool(&info, None) }
            .map_err(|error| gpu.refused("creating a query pool", error))?;
        Ok(())
    }

    /// Records the beginning.
    pub(super) fn begin(&mut self, gpu: &Gpu, commands: vk::CommandBuffer) -> Result<(), Refused> {
        self.create(gpu)?;
        if self.queries != vk::QueryPool::null() {
            // SAFETY: the command buffer is being recorded, and the pool has two queries.
            unsafe {
                gpu.device
                    .cmd_reset_query_pool(commands, self.queries, 0, 2);
            }
        }
        self.write(gpu, commands, vk::PipelineStageFlags::TOP_OF_PIPE, 0);
        Ok(())
    }

    /// Records the end.
    pub(super) fn end(&self, gpu: &Gpu, commands: vk::CommandBuffer) {
        self.write(gpu, commands, vk::PipelineStageFlags::BOTTOM_OF_PIPE, 1);
    }

    fn write(
        &self,
        gpu: &Gpu,
        commands: vk::CommandBuffer,
        stage: vk::PipelineStageFlags,
        query: u32,
    ) {
        if self.queries != vk::QueryPool::null() {
            // SAFETY: the command buffer is being recorded, and the pool has two queries.
            unsafe {
                gpu.device
                    .cmd_write_timestamp(commands, stage, self.queries, query);
            }
        }
    }

    /// The device's clock at the beginning and the end, once the device has run both.
    pub(super) fn ticks(&self, gpu: &Gpu) -> Option<[u64; 2]> {
        if self.queries == vk::QueryPool::null() {
            return None;
        }
        let mut ticks = [0u64; 2];
        // SAFETY: the pool has two queries, and the commands that write them have run.
        unsafe {
            gpu.device.get_query_pool_results(
                self.queries,
                0,
                &mut ticks,
                vk::QueryResultFlags::TYPE_64,
            )
        }
        .ok()?;
        Some(ticks)
    }

    /// Gives the queries back.
    ///
    /// # Safety
    /// The device has run the commands that write them, or never got them.
    pub(super) unsafe fn destroy(&mut self, gpu: &Gpu) {
        // SAFETY: the caller promises it.
        unsafe { gpu.device.destroy_query_pool(self.queries, None) };
    }
}
