//! What products have to do, on all devices.

use dacapo::{Dispatched, Work};

use super::Activation;
use super::slots::{INPUT, MATRICES, NORM, Put, SLOTS};
use crate::rms_norm::operations_of_norm;
use crate::silu_mul;
use crate::work::{bytes, changed, operations, read, written};

/// Products of one input.
pub(crate) struct Products {
    /// Of each matrix; 0 where there is none.
    pub(crate) rows: [u32; MATRICES],
    pub(crate) cols: u32,
    pub(crate) tokens: u64,
    pub(crate) end: End,
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// Those of each matrix are written.
    Each([Put; MATRICES]),
    /// Matrix 0 is the gate of matrix 1.
    Gated(Activation),
    /// Only where the greatest is is written.
    Argmax,
}

impl Products {
    /// Of a call that binds weights, input and norm where all products do.
    pub(crate) fn work(&self, call: &Dispatched<'_>) -> Work {
        let (cols, tokens) = (u64::from(self.cols), self.tokens);
        let weights = SLOTS
            .iter()
            .map(|slots| read(call.bytes(slots.first)) + read(call.bytes(slots.second)));
        let norm = match call.bytes(NORM) {
            0 => Work::default(),
            weight => read(weight) + operations_of_norm(tokens, cols),
        };
        let input = read(call.bytes(INPUT)) + norm;
        input + weights.sum() + of_product(self.rows, self.cols, tokens, self.end)
    }
}

/// What products do beside reading activations and weights.
pub(crate) fn of_product(rows: [u32; MATRICES], cols: u32, tokens: u64, end: End) -> Work {
    let rows = rows.map(u64::from);
    let products = rows.map(|rows| operations([2, rows, u64::from(cols), tokens]));
    products.into_iter().sum::<Work>() + end.work(rows, tokens)
}

impl End {
    fn work(self, rows: [u64; MATRICES], tokens: u64) -> Work {
        match self {
            End::Each(puts) => {
                let each = rows.into_iter().zip(puts);
                each.map(|(rows, put)| put.work(rows, tokens)).sum()
            }
            End::Gated(activation) => {
                let each = match activation {
                    Activation::Silu => silu_mul::OPERATIONS,
                    Activation::Gelu(form) => form.operations(),
                };
                written(bytes([rows[0], tokens])) + operations([each, rows[0], tokens])
            }
            End::Argmax => written(bytes([tokens])) + operations([rows[0], tokens]),
        }
    }
}

impl Put {
    fn work(self, rows: u64, tokens: u64) -> Work {
        let out = bytes([rows, tokens]);
        match self {
            Put::Plain => written(out),
            Put::Bias => written(out) + read(bytes([rows])) + operations([rows, tokens]),
            Put::Add => changed(out) + operations([rows, tokens]),
        }
    }
}
