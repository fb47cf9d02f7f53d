//! Barriers between the commands of a queue, no wider than what runs on their two sides.
#![allow(unsafe_code, reason = "records into a command buffer")]

use core::ops::{BitOr, BitOrAssign};

use ash::vk;

use crate::backend::vulkan::gpu::Gpu;

/// Kinds of commands.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Stages(u8);

impl Stages {
    pub(super) const NONE: Stages = Stages(0);
    /// Dispatches: they read and write buffers.
    pub(super) const COMPUTE: Stages = Stages(1);
    /// Copies and fills.
    pub(super) const TRANSFER: Stages = Stages(2);
    /// Reading the grid of an indirect dispatch.
    pub(super) const INDIRECT: Stages = Stages(4);
    /// The host, after the submission.
    pub(super) const HOST: Stages = Stages(8);

    pub(super) fn without(self, other: Stages) -> Stages {
        Stages(self.0 & !other.0)
    }

    fn has(self, other: Stages) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Stages {
    type Output = Stages;

    fn bitor(self, other: Stages) -> Stages {
        Stages(self.0 | other.0)
    }
}

impl BitOrAssign for Stages {
    fn bitor_assign(&mut self, other: Stages) {
        self.0 |= other.0;
    }
}

/// Orders all earlier commands of kinds `before` before all later ones of kinds `after`, and makes what the
/// former wrote visible to the latter.
pub(super) fn record(gpu: &Gpu, commands: vk::CommandBuffer, before: Stages, after: Stages) {
    let (earlier, later) = (stages(before), stages(after));
    let (written, touched) = (writes(before), writes(after) | reads(after));
    match &gpu.sync2 {
        Some(sync2) => {
            // The flags of both kinds of barriers have the same bits.
            let stage = |flags: vk::PipelineStageFlags| {
                vk::PipelineStageFlags2::from_raw(flags.as_raw().into())
            };
            let access = |flags: vk::AccessFlags| vk::AccessFlags2::from_raw(flags.as_raw().into());
            let barrier = [vk::MemoryBarrier2::default()
                .src_stage_mask(stage(earlier))
                .src_access_mask(access(written))
                .dst_stage_mask(stage(later))
                .dst_access_mask(access(touched))];
            let info = vk::DependencyInfo::default().memory_barriers(&barrier);
            // SAFETY: the command buffer is being recorded.
            unsafe { sync2.cmd_pipeline_barrier2(commands, &info) };
        }
        None => {
            let barrier = [vk::MemoryBarrier::default()
                .src_access_mask(written)
                .dst_access_mask(touched)];
            let none = vk::DependencyFlags::empty();
            // SAFETY: as above.
            unsafe {
                gpu.device
                    .cmd_pipeline_barrier(commands, earlier, later, none, &barrier, &[], &[]);
            }
        }
    }
}

/// The flags of the kinds that are there: of dispatches, transfers, indirect grids and the host.
fn gather<F: BitOr<Output = F> + Default>(stages: Stages, flags: [F; 4]) -> F {
    let kinds = [
        Stages::COMPUTE,
        Stages::TRANSFER,
        Stages::INDIRECT,
        Stages::HOST,
    ];
    let there = kinds
        .into_iter()
        .zip(flags)
        .filter(|(kind, _)| stages.has(*kind));
    there.fold(F::default(), |all, (_, flag)| all | flag)
}

fn stages(stages: Stages) -> vk::PipelineStageFlags {
    type S = vk::PipelineStageFlags;
    gather(
        stages,
        [S::COMPUTE_SHADER, S::TRANSFER, S::DRAW_INDIRECT, S::HOST],
    )
}

fn writes(stages: Stages) -> vk::AccessFlags {
    type A = vk::AccessFlags;
    gather(
        stages,
        [A::SHADER_WRITE, A::TRANSFER_WRITE, A::empty(), A::empty()],
    )
}

fn reads(stages: Stages) -> vk::AccessFlags {
    type A = vk::AccessFlags;
    gather(
        stages,
        [
            A::SHADER_READ,
            A::TRANSFER_READ,
            A::INDIRECT_COMMAND_READ,
            A::HOST_READ,
        ],
    )
}
