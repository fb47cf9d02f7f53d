//! Memory as launches reach it.
#![allow(unsafe_code, reason = "copies between launches and device memory")]

use crate::backend::Bound;
use crate::backend::cpu::encoder::{CpuEncoder, span};
use crate::backend::cpu::workgroup::Span;
use crate::backend::launched::{self, Reach};

pub(super) type Part = launched::Part<CpuEncoder>;
pub(super) type Launch = launched::Launch<Span>;

impl Reach for Span {
    fn of(bound: &Bound<'_>) -> Span {
        span(bound)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn write(&self, bytes: &[u8]) {
        let len = self.len.min(bytes.len());
        // SAFETY: the launch keeps the memory, submissions run one after the other, and hosts are kept away from what
        // the launch writes.
        unsafe { self.start.copy_from_nonoverlapping(bytes.as_ptr(), len) };
    }

    fn read(&self, bytes: &mut [u8]) {
        let len = self.len.min(bytes.len());
        // SAFETY: as above; nothing writes what the launch reads.
        unsafe { self.start.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
    }
}
