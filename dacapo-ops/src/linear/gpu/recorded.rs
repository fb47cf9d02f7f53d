//! What a node of a graph was encoded with.

use dacapo::{BufferView, Kernel, Match, Unfit};
use smallvec::SmallVec;

use super::variant::{FOUND, INPUT, Job, NORM, Put, SLOTS, Slots, Variant};
use super::{GpuLinear, Layout, Params};
use crate::dtype::DType;
use crate::linear::recorded::{Recorded, RecordedEpilogue, RecordedNorm, RecordedProduct, Then};
use crate::tensor::Tensor;

impl GpuLinear {
    pub(in crate::linear) fn recorded(
        &self,
        found: &Match<'_>,
        place: usize,
    ) -> Result<Recorded, Unfit> {
        let kernel = found.node(place).kernel();
        let variant = self.variant_of(kernel).ok_or_else(|| {
            Unfit::new(format!(
                "{} is not one of these products' kernels",
                kernel.name()
            ))
        })?;
        if variant.part {
            return Err(cut());
        }
        let params: Params = found.inline(place)?;
        let [cols, tokens] = [params.cols, params.tokens].map(|n| n as usize);
        let f32s = |slot, shape: &[usize]| tensor(found, (place, slot), DType::F32, shape);
        let norm = match variant.norm {
            true => Some(RecordedNorm {
                weight: f32s(NORM, &[cols])?,
                eps: params.eps,
            }),
            false => None,
        };
        let mut products = SmallVec::new();
        for (at, slots) in SLOTS.iter().enumerate().take(variant.matrices()) {
            let rows = params.rows[at] as usize;
            let put = match variant.job {
                Job::Each(puts) => puts[at].unwrap_or(Put::Plain),
                Job::Gated(_) | Job::Argmax => Put::Plain,
            };
            let out = match variant.job {
                Job::Each(_) => f32s(slots.out, &[tokens, rows])?,
                Job::Gated(_) => f32s(SLOTS[0].out, &[tokens, rows])?,
                Job::Argmax => tensor(found, (place, slots.out), DType::U32, &[tokens])?,
            };
            products.push(RecordedProduct {
                w: weights(found, place, slots, variant.dtype, [rows, cols])?,
                epilogue: match put {
                    Put::Plain => RecordedEpilogue::None,
                    Put::Bias => RecordedEpilogue::Bias(f32s(slots.bias, &[rows])?),
                    Put::Add => RecordedEpilogue::Accumulate,
                },
                out,
            });
        }
        Ok(Recorded {
            x: f32s(INPUT, &[tokens, cols])?,
            norm,
            products,
            then: match variant.job {
                Job::Each(_) => Then::Write,
                Job::Gated(activation) => Then::Gate(activation),
                Job::Argmax => Then::Argmax {
                    found: Some(found.view(place, FOUND)?.clone()),
                },
            },
        })
    }

    fn variant_of(&self, kernel: &Kernel) -> Option<Variant> {
        let kernels = self.kernels.lock();
        let mut known = kernels.iter();
        known.find_map(|(variant, known)| (known == kernel).then_some(*variant))
    }
}

/// The matrix whose planes are bound, if all of it is.
fn weights(
    found: &Match<'_>,
    place: usize,
    slots: &Slots,
    dtype: DType,
    [rows, cols]: [usize; 2],
) -> Result<Tensor, Unfit> {
    let layout = Layout::new(dtype, rows, cols);
    let first = found.view(place, slots.first)?;
    let mut bound = SmallVec::<[&BufferView; 2]>::from_slice(&[first]);
    if layout.has_second() {
        bound.push(found.view(place, slots.second)?);
    }
    let whole = match bound[..] {
        [_, second] => first.spanning(second)?,
        _ => first.clone(),
    };
    if whole.len() != layout.len() {
        return Err(cut());
    }
    let planes = layout.planes(&whole, 0..rows as u64)?;
    if !planes
        .iter()
        .map(BufferView::range)
        .eq(bound.iter().map(|view| view.range()))
    {
        return Err(cut());
    }
    Ok(Tensor::packed(whole, dtype, &[rows, cols])?)
}

fn cut() -> Unfit {
    Unfit::new("it multiplies a part of a matrix")
}

fn tensor(
    found: &Match<'_>,
    (place, slot): (usize, u32),
    dtype: DType,
    shape: &[usize],
) -> Result<Tensor, Unfit> {
    Ok(Tensor::new(found.view(place, slot)?.clone(), dtype, shape)?)
}
