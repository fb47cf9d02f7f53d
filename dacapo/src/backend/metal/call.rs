//! From a validated dispatch to what Metal is told.
#![allow(unsafe_code, reason = "fills a buffer that nobody else has")]

use std::sync::Arc;

use smallvec::SmallVec;

use crate::backend::metal::features::MAX_SET_BYTES;
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::memory::place;
use crate::backend::metal::object::Buffer;
use crate::backend::metal::pass::{self, Call};
use crate::backend::metal::pipeline::{ComputePipeline, MetalPipeline};
use crate::backend::metal::transfer::{Transfer, whole};
use crate::backend::own::known;
use crate::backend::{Bound, Dispatch, Groups, Refused};
use crate::encoder::USUAL_BINDINGS;

/// A dispatch of this device.
pub(super) struct Resolved<'a> {
    pub(super) pipeline: &'a Arc<ComputePipeline>,
    places: Places<'a>,
    inline: Inline<'a>,
    /// Bytes of the buffers that the pipeline asks for.
    pub(super) sizes: SmallVec<[u32; USUAL_BINDINGS]>,
    pub(super) groups: pass::Groups<'a>,
    pub(super) shared_bytes: u32,
}

enum Places<'a> {
    Bound(&'a [Bound<'a>]),
    Transfer(SmallVec<[(&'a Buffer, usize); 2]>),
}

enum Inline<'a> {
    Given(&'a [u8]),
    Transfer(Transfer),
    /// A vector of three, where Metal wants one of four.
    Padded([u8; 16], usize),
    /// They are too many for Metal to copy: in a buffer, which is bound like any other.
    Buffer(Buffer),
}

impl Inline<'_> {
    fn padded(vector: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..vector.len()].copy_from_slice(vector);
        Inline::Padded(bytes, vector.len() / 3 * 4)
    }
}

impl<'a> Resolved<'a> {
    pub(super) fn new(gpu: &'a Gpu, dispatch: &Dispatch<'a>) -> Result<Resolved<'a>, Refused> {
        let bound = dispatch.bound;
        match pipeline(dispatch) {
            MetalPipeline::Compute(pipeline) => Resolved::kernel(gpu, pipeline, dispatch),
            MetalPipeline::Copy => Resolved::copy(gpu, &bound[0], &bound[1]),
            MetalPipeline::Fill => {
                let value: u32 = bytemuck::pod_read_unaligned(dispatch.inline);
                Resolved::fill(gpu, &bound[0], value as u8)
            }
        }
    }

    /// A dispatch of a kernel that is no transfer.
    pub(super) fn kernel(
        gpu: &Gpu,
        pipeline: &'a Arc<ComputePipeline>,
        dispatch: &Dispatch<'a>,
    ) -> Result<Resolved<'a>, Refused> {
        let inline = match dispatch.inline.len() {
            given if given > MAX_SET_BYTES => Inline::Buffer(buffer_of(gpu, dispatch.inline)?),
            given if given < pipeline.inline_bytes => Inline::padded(dispatch.inline),
            _ => Inline::Given(dispatch.inline),
        };
        let size = |&at: &u32| u32::try_from(whole_words(&dispatch.bound[at as usize]));
        let sizes = match &pipeline.sizes {
            Some(sizes) => {
                let bindings = sizes.bindings.iter();
                bindings.map(|at| size(at).unwrap_or(u32::MAX)).collect()
            }
            None => SmallVec::new(),
        };
        Ok(Resolved {
            pipeline,
            places: Places::Bound(dispatch.bound),
            inline,
            sizes,
            groups: groups(dispatch),
            shared_bytes: dispatch.shared_bytes,
        })
    }

    /// A copy of all that is bound.
    pub(super) fn copy(
        gpu: &'a Gpu,
        source: &Bound<'a>,
        target: &Bound<'a>,
    ) -> Result<Resolved<'a>, Refused> {
        Resolved::copy_between(gpu, place(source), place(target), target.range.len())
    }

    /// A copy of `len` bytes.
    pub(super) fn copy_between(
        gpu: &'a Gpu,
        source: (&'a Buffer, usize),
        target: (&'a Buffer, usize),
        len: u64,
    ) -> Result<Resolved<'a>, Refused> {
        let step = gpu.transfers()?.copy(source.1, target.1, len);
        Ok(Resolved::transfer(step, &[source, target]))
    }

    fn fill(gpu: &'a Gpu, target: &Bound<'a>, value: u8) -> Result<Resolved<'a>, Refused> {
        let target_place = place(target);
        let step = gpu
            .transfers()?
            .fill(target_place.1, target.range.len(), value);
        Ok(Resolved::transfer(step, &[target_place]))
    }

    fn transfer(
        (pipeline, transfer, groups): (&'a Arc<ComputePipeline>, Transfer, [u32; 3]),
        places: &[(&'a Buffer, usize)],
    ) -> Resolved<'a> {
        Resolved {
            pipeline,
            places: Places::Transfer(
                places
                    .iter()
                    .map(|&(buffer, at)| (buffer, whole(at)))
                    .collect(),
            ),
            inline: Inline::Transfer(transfer),
            sizes: SmallVec::new(),
            groups: pass::Groups::Direct(groups),
            shared_bytes: 0,
        }
    }

    /// As a pass takes it.
    #[inline]
    pub(super) fn call(&self) -> Call<'_> {
        Call {
            pipeline: self.pipeline,
            inline: self.inline(),
            long_inline: self.long_inline().map(AsRef::as_ref),
            sizes: &self.sizes,
            groups: self.groups,
            shared_bytes: self.shared_bytes,
        }
    }

    /// For the indices from 0: buffers, and where what is bound begins in them.
    #[inline]
    pub(super) fn places(&self) -> impl Iterator<Item = (&'a Buffer, usize)> {
        let (bound, transfer): (&[_], &[_]) = match &self.places {
            Places::Bound(bound) => (bound, &[]),
            Places::Transfer(places) => (&[], places),
        };
        bound.iter().map(place).chain(transfer.iter().copied())
    }

    /// The inline bytes that Metal copies.
    pub(super) fn inline(&self) -> &[u8] {
        match &self.inline {
            Inline::Given(bytes) => bytes,
            Inline::Transfer(transfer) => bytemuck::bytes_of(transfer),
            Inline::Padded(bytes, len) => &bytes[..*len],
            Inline::Buffer(_) => &[],
        }
    }

    /// The buffer of those that it does not copy.
    pub(super) fn long_inline(&self) -> Option<&Buffer> {
        match &self.inline {
            Inline::Buffer(buffer) => Some(buffer),
            _ => None,
        }
    }
}

/// What a pass takes, where it takes the dispatch without anything that has to be made for it: neither inline bytes in a
/// buffer or in other lengths, nor the lengths of buffers.
#[inline]
pub(super) fn as_it_is<'a>(
    pipeline: &'a ComputePipeline,
    dispatch: &Dispatch<'a>,
) -> Option<Call<'a>> {
    let lengths = pipeline.inline_bytes..=MAX_SET_BYTES;
    let is_plain = lengths.contains(&dispatch.inline.len()) && pipeline.sizes.is_none();
    is_plain.then(|| Call {
        pipeline,
        inline: dispatch.inline,
        long_inline: None,
        sizes: &[],
        groups: groups(dispatch),
        shared_bytes: dispatch.shared_bytes,
    })
}

#[inline]
fn groups<'a>(dispatch: &Dispatch<'a>) -> pass::Groups<'a> {
    match dispatch.groups {
        Groups::Direct { groups, .. } => pass::Groups::Direct(*groups),
        Groups::Indirect(grid) => {
            let (buffer, offset) = place(grid);
            pass::Groups::Indirect(buffer, offset)
        }
    }
}

/// What a kernel of this device runs.
#[inline]
pub(super) fn pipeline<'a>(dispatch: &Dispatch<'a>) -> &'a MetalPipeline {
    // SAFETY: the kernel was checked to belong to this device.
    unsafe { known(dispatch.kernel.pipeline()) }
}

/// The length of a bound range in whole words: WGSL reaches bytes and halves as parts of a `u32`, also the last ones
/// of a view. No other binding can start in that word, and allocations are of whole words.
fn whole_words(bound: &Bound<'_>) -> u64 {
    bound.range.len().next_multiple_of(4)
}

fn buffer_of(gpu: &Gpu, bytes: &[u8]) -> Result<Buffer, Refused> {
    use objc2_metal::MTLBuffer;
    let buffer = gpu.buffer(bytes.len() as u64, "inline bytes")?;
    // SAFETY: the buffer is fresh, and as long as the bytes.
    unsafe {
        let target = buffer.contents().cast::<u8>();
        target.copy_from_nonoverlapping(core::ptr::NonNull::from(bytes).cast(), bytes.len());
    }
    Ok(buffer)
}
