use crate::access::Access;
use crate::range::ByteRange;

/// Why a dispatch was refused. Nothing of it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel {kernel:?}: {problem}")]
pub struct DispatchError {
    /// The kernel's name.
    pub kernel: Box<str>,
    /// What is wrong.
    pub problem: DispatchProblem,
}

/// What is wrong with a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchProblem {
    /// A declared slot got no argument.
    #[error("slot {slot} ({access}) has no argument")]
    MissingSlot {
        /// The slot.
        slot: u32,
        /// What the kernel does with it.
        access: Access,
    },
    /// A slot got two arguments.
    #[error("slot {slot} has two arguments")]
    DoubledSlot {
        /// The slot.
        slot: u32,
    },
    /// An argument names a slot that the kernel does not have.
    #[error("there is no slot {slot}; the kernel's slots are {slots:?}")]
    UnknownSlot {
        /// The slot.
        slot: u32,
        /// The kernel's slots.
        slots: Vec<u32>,
    },
    /// More buffers than slots.
    #[error("{given} buffer arguments for {slots} slots")]
    TooManyArguments {
        /// Buffers given.
        given: usize,
        /// Slots declared.
        slots: usize,
    },
    /// A bound view covers no bytes, or its extra offset lies beyond its end.
    #[error("slot {slot}: offset {offset} leaves nothing of a view of {len} bytes")]
    EmptyView {
        /// The slot.
        slot: u32,
        /// The extra offset.
        offset: u64,
        /// Length of the view in bytes.
        len: u64,
    },
    /// A view starts where the kernel's element type, or the device, does not allow it.
    #[error("slot {slot}: offset {offset} in the allocation is no multiple of {align}")]
    Misaligned {
        /// The slot.
        slot: u32,
        /// Offset in the allocation in bytes.
        offset: u64,
        /// Alignment that is needed in bytes.
        align: u32,
    },
    /// A view is longer than the device can bind.
    #[error("slot {slot}: a view of {len} bytes; the device binds at most {limit}")]
    BindingTooLong {
        /// The slot.
        slot: u32,
        /// Length of the view in bytes.
        len: u64,
        /// Longest binding in bytes.
        limit: u64,
    },
    /// A buffer of another device.
    #[error("slot {slot}: buffer {buffer:?} belongs to another device")]
    ForeignBuffer {
        /// The slot.
        slot: u32,
        /// The buffer's label.
        buffer: Box<str>,
    },
    /// A kernel of another device.
    #[error("it was compiled for another device")]
    ForeignKernel,
    /// A read-only buffer at a slot that is written.
    #[error("slot {slot} is declared {access}; buffer {buffer:?} is read-only")]
    ReadOnlyBuffer {
        /// The slot.
        slot: u32,
        /// What the kernel does with it.
        access: Access,
        /// The buffer's label.
        buffer: Box<str>,
    },
    /// Two slots overlap and one is written: what the kernel would read is not defined.
    #[error(
        "slot {written} is written and overlaps slot {other} at bytes {overlap}; use one read-write slot"
    )]
    Overlap {
        /// The slot that is written.
        written: u32,
        /// The other slot.
        other: u32,
        /// The bytes of the allocation that both cover.
        overlap: ByteRange,
    },
    /// Inline constants of the wrong length, or missing.
    #[error("{given} inline bytes; the kernel takes {declared}")]
    InlineBytes {
        /// Bytes given.
        given: usize,
        /// Bytes declared.
        declared: u32,
    },
    /// Inline constants were given twice.
    #[error("inline constants are given twice")]
    DoubledInline,
    /// A grid without workgroups.
    #[error("the grid {grid:?} is empty")]
    EmptyGrid {
        /// The grid as given.
        grid: [u32; 3],
    },
    /// A grid beyond the device's limits.
    #[error("{groups:?} workgroups; the device takes {limit:?}, and {total} in all")]
    GridTooLarge {
        /// Workgroups along each axis.
        groups: [u32; 3],
        /// Most workgroups along each axis.
        limit: [u32; 3],
        /// Most workgroups in all.
        total: u64,
    },
    /// The view of an indirect grid does not hold three aligned `u32`.
    #[error(
        "an indirect grid needs 12 bytes at a multiple of 4; the view has {len} bytes at offset {offset}"
    )]
    IndirectView {
        /// Offset in the allocation in bytes.
        offset: u64,
        /// Length of the view in bytes.
        len: u64,
    },
    /// The indirect grid lies where the same dispatch writes.
    #[error("the indirect grid lies in slot {slot}, which the kernel writes")]
    IndirectOverlap {
        /// The slot that is written.
        slot: u32,
    },
    /// Dynamic shared memory that the kernel does not declare, or too much of it.
    #[error("{asked} bytes of dynamic shared memory; the kernel declares at most {limit}")]
    SharedMemory {
        /// Bytes asked for.
        asked: u32,
        /// Most bytes the kernel declares.
        limit: u32,
    },
    /// The indirect grid's buffer belongs to another device.
    #[error("the indirect grid's buffer {buffer:?} belongs to another device")]
    ForeignGrid {
        /// The buffer's label.
        buffer: Box<str>,
    },
}
