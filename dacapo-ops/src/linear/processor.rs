//! What a node of a graph was encoded with, on the processor.

use dacapo::{Match, Unfit};
use smallvec::SmallVec;

use super::recorded::{Recorded, RecordedEpilogue, RecordedNorm, RecordedProduct, Then};
use super::slots::{INPUT, NORM, OUT, Put, SLOTS};
use crate::dtype::DType;
use crate::matvec::{Params, activation};
use crate::tensor::Tensor;

/// Of a matrix-vector product.
pub(super) fn recorded(found: &Match<'_>, place: usize) -> Result<Recorded, Unfit> {
    let params: Params = found.inline(place)?;
    let cols = params.cols as usize;
    let tensor = |slot, dtype, shape: &[usize]| -> Result<Tensor, Unfit> {
        Ok(Tensor::new(found.view(place, slot)?.clone(), dtype, shape)?)
    };
    let row_bytes = cols.max(1) * size_of::<f32>();
    let tokens = found.view(place, INPUT)?.len() as usize / row_bytes;
    let dtype = DType::from_number(params.dtype).ok_or_else(|| {
        let kernel = found.node(place).kernel();
        Unfit::new(format!(
            "{} is not a kernel of these products",
            kernel.name()
        ))
    })?;
    let gate = match params.is_gated() {
        true => activation(params.activation),
        false => None,
    };
    let mut products = SmallVec::new();
    for (slots, (&rows, &put)) in SLOTS.iter().zip(params.rows.iter().zip(&params.puts)) {
        let rows = rows as usize;
        let epilogue = match Put::of_number(put) {
            None if gate.is_none() => break,
            None | Some(Put::Plain) => RecordedEpilogue::None,
            Some(Put::Bias) => RecordedEpilogue::Bias(tensor(slots.bias, DType::F32, &[rows])?),
            Some(Put::Add) => RecordedEpilogue::Accumulate,
        };
        let out = if gate.is_some() { OUT } else { slots.out };
        products.push(RecordedProduct {
            w: tensor(slots.first, dtype, &[rows, cols])?,
            epilogue,
            out: tensor(out, DType::F32, &[tokens, rows])?,
        });
    }
    Ok(Recorded {
        x: tensor(INPUT, DType::F32, &[tokens, cols])?,
        norm: match params.normed {
            0 => None,
            _ => Some(RecordedNorm {
                weight: tensor(NORM, DType::F32, &[cols])?,
                eps: params.eps,
            }),
        },
        products,
        then: gate.map_or(Then::Write, Then::Gate),
    })
}
