//! What comes before and after a norm becomes one dispatch with it.

use dacapo::{FusionRule, Link, Match, Unfit};

use super::{Params, RmsNorm};
use crate::dtype::DType;
use crate::tensor::Tensor;

impl RmsNorm {
    /// A residual sum and the norm of it become one dispatch, and so do a norm without a weight and the product with a row.
    pub fn fusion_rules(&self) -> Vec<FusionRule> {
        let op = self.clone();
        let residual = FusionRule::new(
            "residual add, rms norm",
            &["add", "rms_norm"],
            &[Link::Passed {
                from: (0, 0),
                to: (1, 0),
            }],
            move |found, encoder| {
                let Rows { shape, eps } = Rows::new(found, 1)?;
                let rows = |place, slot| tensor(found, place, slot, &shape);
                let (h, x, out) = (rows(0, 0)?, rows(0, 1)?, rows(1, 2)?);
                let weight = tensor(found, 1, 1, &shape[1..])?;
                Ok(op.encode_residual(encoder, &h, &x, &weight, eps, &out)?)
            },
        );
        let op = self.clone();
        let weighted = FusionRule::new(
            "rms norm, mul",
            &["rms_norm_unweighted", "mul"],
            &[Link::Passed {
                from: (0, 1),
                to: (1, 0),
            }],
            move |found, encoder| {
                let Rows { shape, eps } = Rows::new(found, 0)?;
                let (x, out) = (tensor(found, 0, 0, &shape)?, tensor(found, 0, 1, &shape)?);
                let weight = tensor(found, 1, 1, &shape[1..])?;
                Ok(op.encode(encoder, &x, &weight, eps, &out)?)
            },
        );
        vec![residual, weighted]
    }
}

/// The rows of a norm.
struct Rows {
    shape: [usize; 2],
    eps: f32,
}

impl Rows {
    /// Of the norm at `place`, which reads them at slot 0.
    fn new(found: &Match<'_>, place: usize) -> Result<Rows, Unfit> {
        let Params { width, eps, .. } = found.inline(place)?;
        let elements = found.view(place, 0)?.len() as usize / size_of::<f32>();
        let width = width as usize;
        Ok(Rows {
            shape: [elements / width.max(1), width],
            eps,
        })
    }
}

fn tensor(found: &Match<'_>, place: usize, slot: u32, shape: &[usize]) -> Result<Tensor, Unfit> {
    Ok(Tensor::new(
        found.view(place, slot)?.clone(),
        DType::F32,
        shape,
    )?)
}
