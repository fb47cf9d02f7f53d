//! What a native kernel sees of its dispatch.
#![allow(
    unsafe_code,
    reason = "hands kernels the memory that hazards, host guards and binding checks keep for them"
)]

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use core::slice;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::access::Access;
use crate::kernel::Binding;

/// A native kernel: called once for every workgroup of a dispatch, in any order and on any thread.
///
/// Which workgroup writes what must depend on shapes alone, so that results do not depend on the number of
/// threads. A panic fails the submission, not the process.
pub type CpuEntry = fn(&mut Workgroup<'_>) -> Result<(), KernelFault>;

/// Why a kernel refuses its input, such as an index out of range. It becomes the error of the submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFault {
    message: Box<str>,
}

impl KernelFault {
    /// A fault with this message, which should say what was found and what is allowed.
    pub fn new(message: impl Into<Box<str>>) -> KernelFault {
        KernelFault {
            message: message.into(),
        }
    }

    pub(crate) fn into_message(self) -> Box<str> {
        self.message
    }
}

impl fmt::Display for KernelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for KernelFault {}

/// One bound view, resolved to memory.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
}

// SAFETY: a span is only dereferenced by kernels of the submission that recorded it, which keeps its allocation
// alive; who may touch the bytes when is what hazards and host guards decide.
unsafe impl Send for Span {}
// SAFETY: as above.
unsafe impl Sync for Span {}

/// One workgroup of a dispatch, as a native kernel sees it.
///
/// Asking for a slot that was not declared, with an access that was not declared, or as elements that do not
/// fit, is a defect of the kernel and panics, which fails the submission.
pub struct Workgroup<'a> {
    pub(crate) id: [u32; 3],
    pub(crate) groups: [u32; 3],
    pub(crate) threads: [u32; 3],
    pub(crate) bindings: &'a [Binding],
    pub(crate) spans: &'a [Span],
    pub(crate) inline: &'a [u8],
    pub(crate) shared: &'a mut [u8],
    pub(crate) exclusive: PhantomData<&'a mut ()>,
}

impl<'a> Workgroup<'a> {
    /// Which workgroup this is.
    pub fn id(&self) -> [u32; 3] {
        self.id
    }

    /// The grid in workgroups.
    pub fn groups(&self) -> [u32; 3] {
        self.groups
    }

    /// The grid in threads as the dispatch asked for it, before rounding up to whole workgroups.
    pub fn threads(&self) -> [u32; 3] {
        self.threads
    }

    /// The dispatch's inline constants.
    pub fn inline<P: AnyBitPattern>(&self) -> P {
        bytemuck::pod_read_unaligned(self.inline)
    }

    /// The whole view bound at a slot that is declared [`Access::Read`].
    pub fn read<T: AnyBitPattern>(&self, slot: u32) -> &'a [T] {
        let (span, access) = self.span(slot);
        assert!(
            access == Access::Read,
            "slot {slot} is declared {access}; read() takes slots declared read"
        );
        let len = elements::<T>(slot, span);
        // SAFETY: the span is live, initialised and aligned (checked above). Nothing writes it meanwhile: the
        // dispatch's own written bindings do not overlap it, conflicting dispatches are behind a barrier, and
        // host writers are excluded until the submission completes.
        unsafe { slice::from_raw_parts(span.start.cast(), len) }
    }

    /// Elements `range` of the view bound at a slot that is declared written.
    ///
    /// # Safety
    /// No other workgroup of the dispatch, and no other slice that this one still holds, touches these elements.
    pub unsafe fn write<T: AnyBitPattern + NoUninit>(
        &self,
        slot: u32,
        range: Range<usize>,
    ) -> &'a mut [T] {
        let (span, access) = self.span(slot);
        assert!(
            access.writes(),
            "slot {slot} is declared {access}; write() takes slots declared written"
        );
        let len = elements::<T>(slot, span);
        assert!(
            range.start <= range.end && range.end <= len,
            "slot {slot} holds {len} elements, not {range:?}"
        );
        // SAFETY: the elements lie inside the live, initialised, aligned span. Other dispatches and the host are
        // kept away as for `read`, other slices of these elements by the caller.
        unsafe { slice::from_raw_parts_mut(span.start.cast::<T>().add(range.start), range.len()) }
    }

    /// How many elements of `T` the view bound at `slot` holds.
    pub fn len<T: AnyBitPattern>(&self, slot: u32) -> usize {
        elements::<T>(slot, self.span(slot).0)
    }

    /// The workgroup's shared memory, 64-byte aligned. What it holds at the start is unspecified.
    pub fn shared<T: AnyBitPattern + NoUninit>(&mut self) -> &mut [T] {
        let whole = self.shared.len() / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice_mut(&mut self.shared[..whole])
    }

    fn span(&self, slot: u32) -> (Span, Access) {
        let in_place = self
            .bindings
            .get(slot as usize)
            .is_some_and(|binding| binding.slot == slot);
        let at = match in_place {
            true => Some(slot as usize),
            false => self
                .bindings
                .iter()
                .position(|binding| binding.slot == slot),
        };
        match at {
            Some(at) => (self.spans[at], self.bindings[at].access),
            None => panic!("slot {slot} is not declared"),
        }
    }
}

fn elements<T>(slot: u32, span: Span) -> usize {
    let (size, align) = (size_of::<T>(), align_of::<T>());
    assert!(
        size > 0 && span.len.is_multiple_of(size),
        "slot {slot} holds {} bytes, no whole number of {size}",
        span.len
    );
    assert!(
        span.start.addr().is_multiple_of(align),
        "slot {slot} is not aligned to {align} bytes"
    );
    span.len / size
}

impl fmt::Debug for Workgroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workgroup {:?} of {:?}", self.id, self.groups)
    }
}
