use core::fmt;
use core::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::error::{Error, Result};
use crate::hazard::AllocationId;
use crate::memory::access::HostAccess;
use crate::memory::{Allocation, MemoryKind, ReadGuard, WhenBusy, WriteGuard};
use crate::pool::Issue;
use crate::range::ByteRange;

/// What a new buffer should be.
#[derive(Clone, Debug, Default)]
pub struct BufferOptions<'a> {
    /// Length in bytes, at least 1.
    pub len: u64,
    /// Where it lives.
    pub kind: MemoryKind,
    /// A name for errors, profiles and the driver's tools.
    pub label: &'a str,
}

/// An allocation of device memory, zeroed when fresh.
///
/// A buffer is reference-counted: clones and views share it, and it is freed when the last of them, and the
/// last submission that uses it, is gone. It dereferences to the [`BufferView`] of its whole length, so it
/// can be passed wherever a view is taken.
#[derive(Clone, Debug)]
pub struct Buffer {
    whole: BufferView,
}

impl Buffer {
    pub(crate) fn new(allocation: Allocation) -> Buffer {
        let allocation = Arc::new(allocation);
        let range = ByteRange::new(0, allocation.size);
        Buffer {
            whole: BufferView {
                allocation,
                range,
                issue: None,
            },
        }
    }

    /// This buffer, whose only handle it must be, for reading from now on.
    pub(crate) fn into_read_only(mut self) -> Buffer {
        match Arc::get_mut(&mut self.whole.allocation) {
            Some(allocation) => allocation.read_only = true,
            None => unreachable!("nobody else has a handle of a new buffer"),
        }
        self
    }
}

impl Deref for Buffer {
    type Target = BufferView;

    fn deref(&self) -> &BufferView {
        &self.whole
    }
}

/// A byte range of a buffer, holding the buffer alive.
///
/// Its offset and length hold wherever it is used: binding, hazards, capture, replay and host access.
#[derive(Clone)]
pub struct BufferView {
    pub(crate) allocation: Arc<Allocation>,
    pub(crate) range: ByteRange,
    /// Which issue of a pool's block it is, if it is one.
    pub(crate) issue: Option<Issue>,
}

impl BufferView {
    /// The part of this view at `range`, in bytes relative to this view.
    ///
    /// ```
    /// # let device = dacapo::Device::open(&dacapo::DeviceOptions::default())?;
    /// # use dacapo::MemoryKind;
    /// let buffer = device.buffer(1024, MemoryKind::DeviceLocal)?;
    /// let second_half = buffer.slice(512..)?;
    /// assert_eq!(second_half.slice(16..32)?.offset(), 528);
    /// assert!(second_half.slice(500..513).is_err());
    /// # Ok::<(), dacapo::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when `range` does not lie inside this view.
    pub fn slice(&self, range: impl RangeBounds<u64>) -> Result<BufferView> {
        let start = match range.start_bound() {
            Bound::Included(start) => Some(*start),
            Bound::Excluded(before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.checked_add(1),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => Some(self.len()),
        };
        let inside = match (start, end) {
            (Some(start), Some(end)) if start <= end => self.range.sub(ByteRange::new(start, end)),
            _ => None,
        };
        match inside {
            Some(range) => Ok(BufferView {
                range,
                ..self.clone()
            }),
            None => {
                let start = start.unwrap_or(u64::MAX);
                let asked = ByteRange {
                    start,
                    end: end.unwrap_or(u64::MAX),
                };
                Err(Error::OutOfRange {
                    asked,
                    len: self.len(),
                })
            }
        }
    }

    /// The smallest view that covers this one and another one of the same allocation.
    ///
    /// # Errors
    /// [`Error::OtherAllocation`] for a view of something else.
    pub fn spanning(&self, other: &BufferView) -> Result<BufferView> {
        if !Arc::ptr_eq(&self.allocation, &other.allocation) {
            return Err(Error::OtherAllocation {
                view: format!("{other:?}").into(),
                allocation: self.allocation.label.clone(),
            });
        }
        let (a, b) = (self.range, other.range);
        Ok(BufferView {
            range: ByteRange::new(a.start.min(b.start), a.end.max(b.end)),
            ..self.clone()
        })
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.range.len()
    }

    /// Whether the view covers no bytes.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Offset in the allocation, in bytes.
    pub fn offset(&self) -> u64 {
        self.range.start
    }

    /// The bytes of the allocation that this view covers.
    pub fn range(&self) -> ByteRange {
        self.range
    }

    /// Which allocation this is a view of: what the hazard tracker compares.
    pub fn allocation(&self) -> AllocationId {
        self.allocation.id
    }

    /// Where the memory lives.
    pub fn memory_kind(&self) -> MemoryKind {
        self.allocation.kind
    }

    /// Whether the memory was imported for reading only.
    pub fn is_read_only(&self) -> bool {
        self.allocation.read_only
    }

    /// Whether it is a block of a pool that was released, or part of one.
    pub(crate) fn is_released(&self) -> bool {
        self.issue.as_ref().is_some_and(Issue::is_released)
    }

    /// The label of the allocation.
    pub fn label(&self) -> &str {
        &self.allocation.label
    }

    /// Opens the view for reading by the host.
    ///
    /// # Errors
    /// [`Error::Busy`] when an unfinished submission writes the allocation and `busy` says to refuse,
    /// [`Error::Mapped`] while overlapping bytes are mapped for writing, [`Error::Submission`] when the
    /// submission that last wrote the allocation failed and the host has not overwritten all of it since.
    pub fn map_read(&self, busy: WhenBusy) -> Result<ReadGuard> {
        ReadGuard::new(self, busy)
    }

    /// Opens the view for writing by the host. Its bytes keep their values until overwritten.
    ///
    /// # Errors
    /// [`Error::Busy`] when an unfinished submission uses the allocation and `busy` says to refuse,
    /// [`Error::Mapped`] while overlapping bytes are mapped, [`Error::ReadOnly`] for imported memory.
    pub fn map_write(&self, busy: WhenBusy) -> Result<WriteGuard> {
        WriteGuard::new(self, busy)
    }

    /// Overwrites the whole view with `data`, waiting for submissions that use the allocation.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] when `data` and view differ in length, and those of
    /// [`BufferView::map_write`].
    pub fn write<T: NoUninit>(&self, data: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        self.expect_len("a write", bytes.len())?;
        HostAccess::begin(self, true, WhenBusy::Wait)?.write(bytes)
    }

    /// Copies the whole view into `data`, waiting for submissions that write the allocation.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] when `data` and view differ in length, and those of
    /// [`BufferView::map_read`].
    pub fn read_into<T: NoUninit + AnyBitPattern>(&self, data: &mut [T]) -> Result<()> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(data);
        self.expect_len("a read", bytes.len())?;
        HostAccess::begin(self, false, WhenBusy::Wait)?.read(bytes)
    }

    /// The whole view's contents, after waiting for submissions that write the allocation.
    ///
    /// # Errors
    /// [`Error::Element`] when the length is no multiple of the element size, and those of
    /// [`BufferView::map_read`].
    pub fn read<T: NoUninit + AnyBitPattern>(&self) -> Result<Vec<T>> {
        let size = size_of::<T>();
        if size == 0 || !self.len().is_multiple_of(size as u64) {
            return Err(self.not_elements::<T>());
        }
        let mut data = vec![T::zeroed(); self.len() as usize / size];
        self.read_into(&mut data)?;
        Ok(data)
    }

    pub(crate) fn not_elements<T>(&self) -> Error {
        let (size, align) = (size_of::<T>(), align_of::<T>());
        Error::Element {
            offset: self.offset(),
            len: self.len(),
            size,
            align,
        }
    }

    fn expect_len(&self, what: &'static str, given: usize) -> Result<()> {
        match given as u64 == self.len() {
            true => Ok(()),
            false => Err(Error::LengthMismatch {
                what,
                given: given as u64,
                len: self.len(),
            }),
        }
    }
}

impl fmt::Debug for BufferView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.range, self.allocation)
    }
}
