#![allow(
    unsafe_code,
    reason = "turns a mapped allocation into slices while the guard excludes every other user"
)]

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::slice;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::error::Result;
use crate::memory::BufferView;

/// What host access does when an unfinished submission uses the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenBusy {
    /// Wait for it.
    #[default]
    Wait,
    /// Return [`Error::Busy`](crate::Error::Busy).
    Refuse,
}

/// A view opened for reading by the host. Submissions that write the buffer are refused until it is dropped.
pub struct ReadGuard {
    view: BufferView,
}

/// A view opened for writing by the host. Submissions that use the buffer are refused until it is dropped.
pub struct WriteGuard {
    view: BufferView,
}

impl ReadGuard {
    pub(crate) fn new(view: &BufferView, busy: WhenBusy) -> Result<ReadGuard> {
        view.allocation.begin_host_access(view.range, false, busy)?;
        Ok(ReadGuard { view: view.clone() })
    }

    /// The bytes as elements of `T`.
    ///
    /// # Errors
    /// [`Error::Element`](crate::Error::Element) when they are not a whole, aligned number of elements.
    pub fn as_slice<T: AnyBitPattern>(&self) -> Result<&[T]> {
        bytemuck::try_cast_slice(self).map_err(|_| self.view.not_elements::<T>())
    }
}

impl WriteGuard {
    pub(crate) fn new(view: &BufferView, busy: WhenBusy) -> Result<WriteGuard> {
        view.allocation.begin_host_access(view.range, true, busy)?;
        Ok(WriteGuard { view: view.clone() })
    }

    /// The bytes as elements of `T`.
    ///
    /// # Errors
    /// [`Error::Element`](crate::Error::Element) when they are not a whole, aligned number of elements.
    pub fn as_mut_slice<T: NoUninit + AnyBitPattern>(&mut self) -> Result<&mut [T]> {
        let error = self.view.not_elements::<T>();
        bytemuck::try_cast_slice_mut(self).map_err(|_| error)
    }
}

impl Deref for ReadGuard {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.view.allocation.memory.host().as_ptr();
        // SAFETY: the view's range lies inside the allocation, whose memory is initialised and lives as long
        // as the view. `begin_host_access` keeps host writers of these bytes and device writers of the
        // allocation away until the guard is dropped.
        unsafe {
            slice::from_raw_parts(
                start.add(self.view.range.start as usize),
                self.view.len() as usize,
            )
        }
    }
}

impl Deref for WriteGuard {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.view.allocation.memory.host().as_ptr();
        // SAFETY: as for `deref_mut`, shared instead of exclusive.
        unsafe {
            slice::from_raw_parts(
                start.add(self.view.range.start as usize),
                self.view.len() as usize,
            )
        }
    }
}

impl DerefMut for WriteGuard {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.view.allocation.memory.host().as_ptr();
        // SAFETY: the view's range lies inside the allocation, whose memory is initialised, writable (read-only
        // allocations are refused) and lives as long as the view. `begin_host_access` keeps every other user,
        // host or device, away from these bytes until the guard is dropped.
        unsafe {
            slice::from_raw_parts_mut(
                start.add(self.view.range.start as usize),
                self.view.len() as usize,
            )
        }
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        self.view.allocation.end_host_access(self.view.range, false);
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.view.allocation.end_host_access(self.view.range, true);
    }
}

impl fmt::Debug for ReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadGuard({:?})", self.view)
    }
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteGuard({:?})", self.view)
    }
}
