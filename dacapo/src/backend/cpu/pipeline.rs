use crate::backend;
use crate::backend::cpu::CpuEntry;

/// A native kernel needs no compilation: its pipeline is the function.
pub(super) struct CpuPipeline {
    pub(super) entry: CpuEntry,
}

impl backend::Pipeline for CpuPipeline {}
