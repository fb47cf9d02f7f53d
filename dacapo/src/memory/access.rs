//! How bytes get from the host into an allocation and back.
#![allow(
    unsafe_code,
    reason = "touches mapped memory while an access excludes every other user"
)]

use core::ptr::NonNull;

use crate::counters::Counters;
use crate::error::Result;
use crate::memory::{BufferView, WhenBusy};
use crate::profile::spanned;
use crate::range::ByteRange;

/// Reading this many bytes one by one, without a cache, takes no longer than a staging copy.
const FEW: u64 = 256;

/// Access of the host to the bytes of a view, which ends when this is dropped. Until then nobody else who
/// conflicts has any.
pub(crate) struct HostAccess {
    pub(crate) view: BufferView,
    writes: bool,
}

impl HostAccess {
    pub(crate) fn begin(view: &BufferView, writes: bool, busy: WhenBusy) -> Result<HostAccess> {
        view.allocation
            .begin_host_access(view.range, writes, busy)?;
        Ok(HostAccess {
            view: view.clone(),
            writes,
        })
    }

    /// Where the view's first byte lies, if the host sees it at a speed worth using.
    pub(crate) fn mapped(&self) -> Option<NonNull<u8>> {
        let memory = &self.view.allocation.memory;
        let start = memory.host()?;
        if !self.writes && memory.reads_slowly() && self.view.len() > FEW {
            return None;
        }
        // SAFETY: the view's range lies inside the allocation.
        Some(unsafe { start.add(self.view.range.start as usize) })
    }

    /// Copies the view's bytes to `bytes`, of the same length.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result<()> {
        debug_assert_eq!(bytes.len() as u64, self.view.len());
        if let Some(start) = self.mapped() {
            // SAFETY: the bytes are initialised, and this access keeps writers away.
            unsafe {
                start.copy_to_nonoverlapping(NonNull::from(&mut *bytes).cast(), bytes.len());
            }
            return Ok(());
        }
        let allocation = &self.view.allocation;
        let core = &allocation.device;
        let _span = spanned!(core, "read", &*allocation.label);
        core.backend
            .read(&*allocation.memory, self.view.range, bytes)
            .map_err(|refused| refused.into_error(core.name()))?;
        self.count(self.view.len());
        Ok(())
    }

    /// Copies `bytes`, of the same length, to the view.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        debug_assert_eq!(bytes.len() as u64, self.view.len());
        if let Some(start) = self.mapped() {
            // SAFETY: this access keeps every other user away, and is refused for read-only memory.
            unsafe {
                start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            }
            return Ok(());
        }
        let allocation = &self.view.allocation;
        let core = &allocation.device;
        let _span = spanned!(core, "write", &*allocation.label);
        core.backend
            .write(&*allocation.memory, self.view.range.start, bytes)
            .map_err(|refused| refused.into_error(core.name()))?;
        self.count(self.view.len());
        Ok(())
    }

    fn count(&self, bytes_staged: u64) {
        self.view.allocation.device.counters.add(&Counters {
            bytes_staged,
            ..Counters::default()
        });
    }
}

impl Drop for HostAccess {
    fn drop(&mut self) {
        self.view
            .allocation
            .end_host_access(self.view.range, self.writes);
    }
}

/// A copy of a view's bytes, aligned as they are in their allocation.
pub(crate) struct Copy {
    words: Box<[u128]>,
    first: usize,
    len: usize,
}

impl Copy {
    pub(crate) fn zeroed(range: ByteRange) -> Copy {
        let first = (range.start % size_of::<u128>() as u64) as usize;
        let len = range.len() as usize;
        let words = vec![0; (first + len).div_ceil(size_of::<u128>())];
        Copy {
            words: words.into(),
            first,
            len,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[self.first..self.first + self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[self.first..self.first + self.len]
    }
}
