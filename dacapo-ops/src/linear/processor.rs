//! What a node of a graph was encoded with, on the processor.

use dacapo::{Match, Unfit};
use smallvec::smallvec;

use super::recorded::{Recorded, RecordedEpilogue, RecordedProduct, Then};
use super::slots::{INPUT, Put, SLOTS};
use crate::dtype::DType;
use crate::matvec::Params;
use crate::tensor::Tensor;

/// Of a product of one matrix.
pub(super) fn recorded(found: &Match<'_>, place: usize) -> Result<Recorded, Unfit> {
    let params: Params = found.inline(place)?;
    if params.normed != 0 {
        return Err(Unfit::new("the product norms its activations itself"));
    }
    let [rows, cols] = [params.rows[0], params.cols].map(|n| n as usize);
    let tensor = |slot, dtype, shape: &[usize]| -> Result<Tensor, Unfit> {
        Ok(Tensor::new(found.view(place, slot)?.clone(), dtype, shape)?)
    };
    let f32s = |slot, shape: &[usize]| tensor(slot, DType::F32, shape);
    let row_bytes = cols.max(1) * size_of::<f32>();
    let tokens = found.view(place, INPUT)?.len() as usize / row_bytes;
    let (dtype, put) = (
        DType::from_number(params.dtype),
        Put::of_number(params.puts[0]),
    );
    let (Some(dtype), Some(put)) = (dtype, put) else {
        let name = found.node(place).kernel().name();
        return Err(Unfit::new(format!(
            "{name} is not one of these products' kernels"
        )));
    };
    let [slots, ..] = SLOTS;
    Ok(Recorded {
        x: f32s(INPUT, &[tokens, cols])?,
        norm: None,
        products: smallvec![RecordedProduct {
            w: tensor(slots.first, dtype, &[rows, cols])?,
            epilogue: match put {
                Put::Plain => RecordedEpilogue::None,
                Put::Bias => RecordedEpilogue::Bias(f32s(slots.bias, &[rows])?),
                Put::Add => RecordedEpilogue::Accumulate,
            },
            out: f32s(slots.out, &[tokens, rows])?,
        }],
        then: Then::Write,
    })
}
