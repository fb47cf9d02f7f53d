use crate::backend::cpu::memory::ALIGN;
use crate::sync::{Mutex, lock};

/// The shared memory of the workgroups that run at the same time: a piece for each worker, kept from one
/// submission to the next.
pub(super) struct Scratch {
    pieces: Vec<Mutex<Vec<CacheLine>>>,
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct CacheLine([u8; ALIGN]);

impl Scratch {
    pub(super) fn new(workers: usize) -> Scratch {
        let piece = || Mutex::new(Vec::new());
        Scratch {
            pieces: (0..workers).map(|_| piece()).collect(),
        }
    }

    /// Makes every piece at least `bytes` long. Done for all workers before a submission runs, so that it does
    /// not depend on timing whether a workgroup has to wait for an allocation.
    pub(super) fn reserve(&self, bytes: usize) {
        let lines = bytes.div_ceil(ALIGN);
        for piece in &self.pieces {
            let mut piece = lock(piece);
            if piece.len() < lines {
                piece.resize(lines, CacheLine([0; ALIGN]));
            }
        }
    }

    /// Lends `bytes`, at most as many as were reserved, of the piece of `worker`. Each worker runs one
    /// workgroup at a time, so the lock is free.
    pub(super) fn with<R>(
        &self,
        worker: usize,
        bytes: usize,
        work: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let mut piece = lock(&self.pieces[worker]);
        work(&mut bytemuck::cast_slice_mut(&mut piece)[..bytes])
    }
}
