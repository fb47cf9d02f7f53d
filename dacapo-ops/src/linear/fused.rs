//! Products in one dispatch with what goes before and after them, for few tokens.

use dacapo::{BufferView, CommandEncoder};

use super::{Activation, CHECK, Epilogue, Form, Input, Linear, MANY, Operands, Product};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Most products of one dispatch.
const MOST_PRODUCTS: usize = 3;

impl Linear {
    /// Encodes one to three products of the same activations, such as queries, keys and values, as one dispatch; shapes as
    /// in [`Linear::encode`]. The weights are of one type.
    ///
    /// # Errors
    /// [`Error::Unfused`] where the device cannot do it in one dispatch: for more products or more tokens than it
    /// takes, weights of different types, or a matrix beyond its longest binding. Those of [`Linear::encode`] otherwise,
    /// and [`Error::Parameter`] for a norm with a negative `eps`.
    pub fn encode_together<'a>(
        &self,
        encoder: &mut CommandEncoder,
        products: &[Product<'a>],
        input: impl Into<Input<'a>>,
    ) -> Result<()> {
        let input = input.into();
        if products.is_empty() || products.len() > MOST_PRODUCTS {
            let count = products.len();
            return unfused(format!(
                "one dispatch takes 1 to {MOST_PRODUCTS} products, not {count}"
            ));
        }
        let operands = products
            .iter()
            .map(|product| self.operands(product, input.x));
        let operands = operands.collect::<Result<Vec<_>>>()?;
        same_type(products.iter().map(|product| product.w))?;
        check_norm(&input)?;
        match &self.form {
            Form::Gpu(gpu) => gpu.encode_together(encoder, &operands, input.norm),
            Form::Cpu { matvec, .. } => {
                few(operands[0].tokens)?;
                matvec.encode_together(encoder, &operands, input.norm)
            }
        }
    }

    /// Encodes `out[t, i] = activation(gate_product[t, i]) * up_product[t, i]`, the first half of a gated feed-forward
    /// layer, as one dispatch. `gate` and `up` are weights of one type and shape `[rows, cols]`, `out` is F32
    /// `[tokens, rows]` and overlaps none.
    ///
    /// # Errors
    /// As [`Linear::encode_together`].
    pub fn encode_gated<'a>(
        &self,
        encoder: &mut CommandEncoder,
        [gate, up]: [&'a Tensor; 2],
        activation: Activation,
        input: impl Into<Input<'a>>,
        out: &'a Tensor,
    ) -> Result<()> {
        let input = input.into();
        let product = |w| Product {
            w,
            epilogue: Epilogue::None,
            out,
        };
        let (gate, up) = (product(gate), product(up));
        let operands = [self.operands(&gate, input.x)?, self.operands(&up, input.x)?];
        same_type([gate.w, up.w])?;
        check_norm(&input)?;
        match &self.form {
            Form::Gpu(gpu) => gpu.encode_gated(encoder, &operands, activation, input.norm),
            Form::Cpu { matvec, .. } => {
                few(operands[0].tokens)?;
                matvec.encode_gated(encoder, &operands, activation, input.norm)
            }
        }
    }

    /// Encodes the search of the greatest element of each row of a product as one dispatch: `ids[t]` is the `i` for which
    /// `sum_j x[t, j] * w[i, j]` is greatest, the lowest among equals. The product itself is not written. `ids` is U32
    /// `[tokens]` and overlaps none.
    ///
    /// NaN is passed over, and rows of nothing but NaN are treated as [`Argmax`](crate::argmax::Argmax) treats them.
    ///
    /// # Errors
    /// As [`Linear::encode_together`].
    pub fn encode_argmax<'a>(
        &self,
        encoder: &mut CommandEncoder,
        w: &'a Tensor,
        input: impl Into<Input<'a>>,
        ids: &'a Tensor,
    ) -> Result<()> {
        self.argmax(encoder, w, input.into(), ids, None)
    }

    /// As [`Linear::encode_argmax`], through memory that an earlier encoding has chosen.
    pub(super) fn argmax<'a>(
        &self,
        encoder: &mut CommandEncoder,
        w: &'a Tensor,
        input: Input<'a>,
        ids: &'a Tensor,
        found: Option<BufferView>,
    ) -> Result<()> {
        let [rows, cols] = self.shape_of("w", w)?;
        let [tokens, width] = CHECK.dims("x", input.x, &[DType::F32])?;
        if width != cols {
            CHECK.tensor("x", input.x, &[DType::F32], &[tokens, cols])?;
        }
        CHECK.tensor("ids", ids, &[DType::U32], &[tokens])?;
        check_norm(&input)?;
        let operands = Operands {
            w,
            x: input.x,
            epilogue: Epilogue::None,
            out: ids,
            rows: CHECK.size("rows of w", rows)?,
            cols: CHECK.size("columns of w", cols)?,
            tokens: CHECK.size("rows of x", tokens)?,
        };
        match &self.form {
            Form::Gpu(gpu) => gpu.encode_argmax(encoder, &operands, input.norm, found),
            // Its workgroups do not wait for each other, which those that share a search must.
            Form::Cpu { .. } => unfused("the processor searches a product in a second dispatch"),
        }
    }
}

fn same_type<'a>(weights: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
    let mut weights = weights.into_iter().map(Tensor::dtype);
    let Some(first) = weights.next() else {
        return Ok(());
    };
    match weights.find(|dtype| *dtype != first) {
        Some(other) => unfused(format!(
            "the weights of one dispatch are of one type, not {first} and {other}"
        )),
        None => Ok(()),
    }
}

fn check_norm(input: &Input<'_>) -> Result<()> {
    let Some(norm) = input.norm else {
        return Ok(());
    };
    CHECK.tensor(
        "the norm's weight",
        norm.weight,
        &[DType::F32],
        &[input.x.cols()],
    )?;
    CHECK.parameter("eps", norm.eps, 0.0..=f32::MAX, "0 or above, and finite")
}

/// An error that says why something takes more than one dispatch.
pub(super) fn unfused<T>(reason: impl Into<Box<str>>) -> Result<T> {
    let reason = reason.into();
    Err(Error::Unfused {
        op: "linear",
        reason,
    })
}

/// Whether the processor multiplies so many tokens row by row.
fn few(tokens: u32) -> Result<()> {
    match tokens < MANY {
        true => Ok(()),
        false => unfused(format!(
            "the processor takes fewer than {MANY} tokens, not {tokens}"
        )),
    }
}
