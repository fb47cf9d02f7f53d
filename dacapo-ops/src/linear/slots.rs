//! What kernels of products have in common on all devices: where they bind what, and how they write.

use dacapo::{Access, Arg, BufferView, KernelSource};
use smallvec::SmallVec;

use super::{Epilogue, Norm, Operands};

/// Most matrices of a kernel.
pub(crate) const MATRICES: usize = 3;

/// What a matrix binds: its weights, on the processor at the first slot, on a GPU in two planes; and what it is multiplied
/// to, and what that begins with.
pub(crate) struct Slots {
    pub(crate) first: u32,
    pub(crate) second: u32,
    pub(crate) out: u32,
    pub(crate) bias: u32,
}

/// Slots of each matrix.
pub(crate) const SLOTS: [Slots; MATRICES] = [
    Slots {
        first: 0,
        second: 1,
        out: 3,
        bias: 4,
    },
    Slots {
        first: 6,
        second: 7,
        out: 8,
        bias: 9,
    },
    Slots {
        first: 10,
        second: 11,
        out: 12,
        bias: 13,
    },
];

/// Slot of the activations.
pub(crate) const INPUT: u32 = 2;

/// Slot of the only output, or the first.
pub(crate) const OUT: u32 = SLOTS[0].out;

/// Slot of the norm's weight.
pub(crate) const NORM: u32 = 5;

/// The views that products of one input bind, in the order of their slots. `planes` are the weights of each matrix, `gated`
/// are two matrices with one output, `found` is what a search writes to.
pub(crate) fn views<'a>(
    matrices: &[Operands<'a>],
    planes: impl IntoIterator<Item = &'a [BufferView]>,
    gated: bool,
    found: Option<&'a BufferView>,
    norm: Option<Norm<'a>>,
) -> SmallVec<[Arg<'a>; 16]> {
    let mut views = SmallVec::new();
    for (at, (matrix, planes)) in matrices.iter().zip(planes).enumerate() {
        views.extend(planes.iter().map(Arg::view));
        if at == 0 {
            views.push(Arg::view(matrix.x.view()));
        }
        if at == 0 || !gated {
            views.push(Arg::view(matrix.out.view()));
        }
        if let Epilogue::Bias(bias) = matrix.epilogue {
            views.push(Arg::view(bias.view()));
        }
        if at == 0 {
            views.extend(found.map(Arg::view));
            views.extend(norm.map(|norm| Arg::view(norm.weight.view())));
        }
    }
    views
}

impl Slots {
    /// Declares output and bias of a matrix whose sums are written so.
    pub(crate) fn bind(&self, source: KernelSource, put: Put) -> KernelSource {
        match put {
            Put::Plain => source
                .binding::<f32>(self.out, Access::Write)
                .overwrites(self.out),
            Put::Bias => source
                .binding::<f32>(self.out, Access::Write)
                .overwrites(self.out)
                .binding::<f32>(self.bias, Access::Read),
            Put::Add => source.binding::<f32>(self.out, Access::ReadWrite),
        }
    }
}

/// How a sum is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Put {
    Plain,
    Bias,
    /// Added to what is there.
    Add,
}

impl Put {
    pub(crate) fn of(epilogue: Epilogue<'_>) -> Put {
        match epilogue {
            Epilogue::None => Put::Plain,
            Epilogue::Bias(_) => Put::Bias,
            Epilogue::Accumulate => Put::Add,
        }
    }

    /// As kernels on the processor receive it; 0 stands for none.
    pub(crate) fn number(put: Option<Put>) -> u32 {
        put.map_or(0, |put| 1 + put as u32)
    }

    pub(crate) fn of_number(number: u32) -> Option<Put> {
        [Put::Plain, Put::Bias, Put::Add]
            .into_iter()
            .find(|&put| Put::number(Some(put)) == number)
    }
}
