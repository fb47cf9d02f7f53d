//! Rules that encoders and indirect commands share.

use objc2_metal::MTLSize;

use crate::device::{EXECUTION_WIDTH, MAX_THREADGROUP_MEMORY, MAX_THREADS};
use crate::encoding::SLOTS;
use crate::memory::Storage;
use crate::pipeline::PipelineCore;
use crate::rules::fail;

/// Whether an index of a buffer exists.
#[inline]
pub(crate) fn slot(place: &str, index: usize) -> bool {
    let ok = index < SLOTS;
    if !ok {
        fail(place, format_args!("index ({index}) must be < {SLOTS}"));
    }
    ok
}

/// Whether a buffer may be bound at this offset, on this device.
#[inline]
pub(crate) fn binding(place: &str, device: u32, storage: &Storage, offset: usize) -> bool {
    if storage.lifetime.device != device {
        fail(
            place,
            format_args!("{} was created on another device", storage.lifetime.name()),
        );
        return false;
    }
    if offset >= storage.length {
        fail(
            place,
            format_args!(
                "offset ({offset}) must be < buffer length ({})",
                storage.length
            ),
        );
        return false;
    }
    true
}

/// Whether a length of threadgroup memory is one that can be set.
#[inline]
pub(crate) fn threadgroup_length(place: &str, length: usize, index: usize) -> bool {
    if index >= SLOTS {
        fail(place, format_args!("index ({index}) must be < {SLOTS}"));
        return false;
    }
    if !length.is_multiple_of(16) {
        fail(
            place,
            format_args!("length ({length}) must be a multiple of 16 bytes"),
        );
        return false;
    }
    if length > MAX_THREADGROUP_MEMORY {
        fail(
            place,
            format_args!("length ({length}) must be <= {MAX_THREADGROUP_MEMORY}"),
        );
        return false;
    }
    true
}

/// Whether every size of a grid is above zero and fits 32 bits.
#[inline]
pub(crate) fn grid(place: &str, name: &str, size: MTLSize) -> bool {
    let ok = |n: usize| n >= 1 && u32::try_from(n).is_ok();
    if ok(size.width) && ok(size.height) && ok(size.depth) {
        return true;
    }
    fail(
        place,
        format_args!(
            "{name}(width: {}, height: {}, depth: {}) must have no size that is 0 or above 4294967295",
            size.width, size.height, size.depth
        ),
    );
    false
}

/// Whether a threadgroup of this size can run.
#[inline]
pub(crate) fn threads(place: &str, pipeline: &PipelineCore, size: MTLSize) -> bool {
    let MTLSize {
        width,
        height,
        depth,
    } = size;
    let total = width.saturating_mul(height).saturating_mul(depth);
    let text = |limit: usize, whose: &str| {
        format!(
            "(threadsPerThreadgroup.width({width}) * threadsPerThreadgroup.height({height}) * threadsPerThreadgroup.depth({depth}))({total}) must be <= {limit}. ({whose} threadgroup size limit)"
        )
    };
    if total == 0 {
        fail(
            place,
            format_args!(
                "threadsPerThreadgroup(width: {width}, height: {height}, depth: {depth}) must have no size that is 0"
            ),
        );
    } else if total > MAX_THREADS {
        fail(place, text(MAX_THREADS, "device"));
    } else if total > pipeline.max_threads {
        fail(place, text(pipeline.max_threads, "kernel"));
    } else if pipeline.whole_simdgroups && !total.is_multiple_of(EXECUTION_WIDTH) {
        fail(
            place,
            format_args!(
                "threads per threadgroup ({total}) must be a multiple of threadExecutionWidth ({EXECUTION_WIDTH}), because the pipeline says so (threadGroupSizeIsMultipleOfThreadExecutionWidth)"
            ),
        );
    } else {
        return true;
    }
    false
}

/// What is bound when a dispatch is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Indices of buffers (or bytes), as bits.
    pub(crate) buffers: u32,
    /// Those at an offset that is no multiple of four.
    pub(crate) misaligned: u32,
    /// Indices of threadgroup memory.
    pub(crate) threadgroup: u32,
    /// Bytes of threadgroup memory.
    pub(crate) threadgroup_bytes: usize,
}

/// Whether everything is bound that the kernel takes, and as it takes it.
#[inline]
pub(crate) fn arguments(place: &str, pipeline: &PipelineCore, bound: Bound) -> bool {
    let missing = pipeline.needed & !bound.buffers;
    let misaligned = pipeline.needed & bound.misaligned;
    let no_memory = pipeline.threadgroup_needed & !bound.threadgroup;
    let threadgroup_bytes = pipeline.static_threadgroup_bytes + bound.threadgroup_bytes;
    if missing == 0
        && misaligned == 0
        && no_memory == 0
        && threadgroup_bytes <= MAX_THREADGROUP_MEMORY
    {
        return true;
    }
    let name = &pipeline.name;
    if missing != 0 {
        fail(
            place,
            format_args!(
                "Compute Function({name}): missing Buffer binding at index {}",
                missing.trailing_zeros()
            ),
        );
    } else if misaligned != 0 {
        let index = misaligned.trailing_zeros();
        let space = if pipeline.constant & misaligned != 0 {
            "constant"
        } else {
            "device"
        };
        fail(
            place,
            format_args!(
                "Compute Function({name}): the offset into the buffer at index {index}, in the {space} address space, must be a multiple of 4"
            ),
        );
    } else if no_memory != 0 {
        fail(
            place,
            format_args!(
                "Compute Function({name}): missing threadgroup memory length at index {}",
                no_memory.trailing_zeros()
            ),
        );
    } else {
        fail(
            place,
            format_args!(
                "Compute Function({name}): threadgroup memory size ({threadgroup_bytes}) exceeds the maximum threadgroup memory allowed ({MAX_THREADGROUP_MEMORY})"
            ),
        );
    }
    false
}
