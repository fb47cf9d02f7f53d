//! When each dispatch of a command buffer runs.
#![allow(unsafe_code, reason = "records timestamps and reads them")]

use std::time::Instant;

use ash::vk;

use crate::backend::Refused;
use crate::backend::vulkan::gpu::Gpu;

/// Timestamps in pools that are added as they are needed, two for each dispatch.
#[derive(Default)]
pub(super) struct Stopwatch {
    running: bool,
    pools: Vec<vk::QueryPool>,
    dispatches: u32,
}

/// Dispatches whose timestamps share a pool. The validation layer remembers every query that was ever reset.
const CHUNK: u32 = 128;

impl Stopwatch {
    /// Times dispatches from now on, if the queue has a clock.
    pub(super) fn run(&mut self, gpu: &Gpu) {
        self.running = gpu.features.timestamp_bits > 0;
    }

    /// Records that the next dispatch begins.
    pub(super) fn start(&mut self, gpu: &Gpu, commands: vk::CommandBuffer) -> Result<(), Refused> {
        if !self.running {
            return Ok(());
        }
        let (pool, within) = (self.dispatches / CHUNK, self.dispatches % CHUNK);
        if within == 0 {
            if pool as usize == self.pools.len() {
                let info = vk::QueryPoolCreateInfo::default()
                    .query_type(vk::QueryType::TIMESTAMP)
                    .query_count(2 * CHUNK);
                // SAFETY: the device is alive.
                let pool = unsafe { gpu.device.create_query_pool(&info, None) }
                    .map_err(|error| gpu.refused("creating a query pool", error))?;
                self.pools.push(pool);
            }
            let pool = self.pools[pool as usize];
            // SAFETY: the command buffer is being recorded.
            unsafe {
                gpu.device
                    .cmd_reset_query_pool(commands, pool, 0, 2 * CHUNK)
            };
        }
        let pool = self.pools[pool as usize];
        let stage = vk::PipelineStageFlags::TOP_OF_PIPE;
        // SAFETY: as above; the pool has the query.
        unsafe {
            gpu.device
                .cmd_write_timestamp(commands, stage, pool, 2 * within);
        }
        Ok(())
    }

    /// Records that the dispatch has ended.
    pub(super) fn stop(&mut self, gpu: &Gpu, commands: vk::CommandBuffer) {
        if !self.running {
            return;
        }
        let (pool, within) = (self.dispatches / CHUNK, self.dispatches % CHUNK);
        let stage = vk::PipelineStageFlags::BOTTOM_OF_PIPE;
        // SAFETY: as in `start`, which came before.
        unsafe {
            gpu.device.cmd_write_timestamp(
                commands,
                stage,
                self.pools[pool as usize],
                2 * within + 1,
            );
        }
        self.dispatches += 1;
    }

    /// Forgets the dispatches, and times no others.
    pub(super) fn reset(&mut self) {
        self.running = false;
        self.dispatches = 0;
    }

    /// Adds beginnings and ends, once the device has run the commands; nothing where it cannot tell.
    pub(super) fn add_to(&self, gpu: &Gpu, times: &mut Vec<[Instant; 2]>) {
        let first = times.len();
        let mut left = self.dispatches;
        for &pool in &self.pools {
            let count = left.min(CHUNK);
            left -= count;
            if count == 0 {
                break;
            }
            let mut ticks = vec![0u64; 2 * count as usize];
            let flags = vk::QueryResultFlags::TYPE_64;
            // SAFETY: the pool has these queries, and the commands that write them have run.
            let read = unsafe {
                gpu.device
                    .get_query_pool_results(pool, 0, &mut ticks, flags)
            };
            let placed = ticks.chunks_exact(2).map(|pair| {
                let [start, end] = [pair[0], pair[1]].map(|ticks| gpu.clock.moment(ticks));
                Some([start?, end?])
            });
            match (read, placed.collect::<Option<Vec<_>>>()) {
                (Ok(()), Some(placed)) => times.extend(placed),
                _ => return times.truncate(first),
            }
        }
    }

    /// Gives the pools back.
    ///
    /// # Safety
    /// The device has run the commands that write them, or never got them.
    pub(super) unsafe fn destroy(&mut self, gpu: &Gpu) {
        for pool in self.pools.drain(..) {
            // SAFETY: the caller promises it.
            unsafe { gpu.device.destroy_query_pool(pool, None) };
        }
    }
}
