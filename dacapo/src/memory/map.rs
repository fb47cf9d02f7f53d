#![allow(
    unsafe_code,
    reason = "turns a mapped allocation into slices while the guard excludes every other user"
)]

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::error::Result;
use crate::memory::BufferView;
use crate::memory::access::{Copy, HostAccess};

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
    access: HostAccess,
    bytes: Bytes,
}

/// A view opened for writing by the host. Submissions that use the buffer are refused until it is dropped.
///
/// Where the host does not see the device's memory, what was written reaches it when the guard is dropped;
/// [`WriteGuard::finish`] tells whether that worked.
pub struct WriteGuard {
    access: HostAccess,
    bytes: Bytes,
}

/// Where a guard's bytes are.
enum Bytes {
    Mapped(NonNull<u8>),
    Copied(Copy),
}

// SAFETY: the guard's access to the mapped bytes is exclusive as a slice's is, and does not depend on the
// thread.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    fn open(access: &HostAccess) -> Result<Bytes> {
        match access.mapped() {
            Some(start) => Ok(Bytes::Mapped(start)),
            None => {
                let mut copy = Copy::zeroed(access.view.range);
                access.read(copy.bytes_mut())?;
                Ok(Bytes::Copied(copy))
            }
        }
    }

    fn get(&self, access: &HostAccess) -> &[u8] {
        match self {
            // SAFETY: the view's range lies inside the allocation, whose memory is initialised and lives as
            // long as the view. The access keeps host writers of these bytes and device writers of the
            // allocation away.
            Bytes::Mapped(start) => unsafe {
                slice::from_raw_parts(start.as_ptr(), access.view.len() as usize)
            },
            Bytes::Copied(copy) => copy.bytes(),
        }
    }
}

impl ReadGuard {
    pub(crate) fn new(view: &BufferView, busy: WhenBusy) -> Result<ReadGuard> {
        let access = HostAccess::begin(view, false, busy)?;
        let bytes = Bytes::open(&access)?;
        Ok(ReadGuard { access, bytes })
    }

    /// The bytes as elements of `T`.
    ///
    /// # Errors
    /// [`Error::Element`](crate::Error::Element) when they are not a whole, aligned number of elements.
    pub fn as_slice<T: AnyBitPattern>(&self) -> Result<&[T]> {
        bytemuck::try_cast_slice(self).map_err(|_| self.access.view.not_elements::<T>())
    }
}

impl WriteGuard {
    pub(crate) fn new(view: &BufferView, busy: WhenBusy) -> Result<WriteGuard> {
        let access = HostAccess::begin(view, true, busy)?;
        let bytes = Bytes::open(&access)?;
        Ok(WriteGuard { access, bytes })
    }

    /// The bytes as elements of `T`.
    ///
    /// # Errors
    /// [`Error::Element`](crate::Error::Element) when they are not a whole, aligned number of elements.
    pub fn as_mut_slice<T: NoUninit + AnyBitPattern>(&mut self) -> Result<&mut [T]> {
        let error = self.access.view.not_elements::<T>();
        bytemuck::try_cast_slice_mut(self).map_err(|_| error)
    }

    /// Ends the access.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::Error::DeviceLost) and [`Error::Driver`](crate::Error::Driver) when the
    /// bytes could not be copied to the device.
    pub fn finish(mut self) -> Result<()> {
        self.write_back()
    }

    fn write_back(&mut self) -> Result<()> {
        match core::mem::replace(&mut self.bytes, Bytes::Mapped(NonNull::dangling())) {
            Bytes::Mapped(_) => Ok(()),
            Bytes::Copied(copy) => self.access.write(copy.bytes()),
        }
    }
}

impl Deref for ReadGuard {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(&self.access)
    }
}

impl Deref for WriteGuard {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(&self.access)
    }
}

impl DerefMut for WriteGuard {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.bytes {
            // SAFETY: as for reading; the access, which is refused for read-only memory, keeps every other
            // user, host or device, away from these bytes.
            Bytes::Mapped(start) => unsafe {
                slice::from_raw_parts_mut(start.as_ptr(), self.access.view.len() as usize)
            },
            Bytes::Copied(copy) => copy.bytes_mut(),
        }
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        if let Err(error) = self.write_back() {
            tracing::error!(%error, "what was written through a guard did not reach the device");
        }
    }
}

impl fmt::Debug for ReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadGuard({:?})", self.access.view)
    }
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteGuard({:?})", self.access.view)
    }
}
