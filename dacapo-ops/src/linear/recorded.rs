//! Dispatches of products, read back from the nodes of a graph.

use dacapo::{BufferView, CommandEncoder, Match, Unfit};
use smallvec::SmallVec;

use super::processor;
use super::{Activation, Epilogue, Form, Input, Linear, Norm, Product};
use crate::error::Result;
use crate::tensor::Tensor;

/// What a dispatch of products was encoded with.
pub(super) struct Recorded {
    pub(super) x: Tensor,
    pub(super) norm: Option<RecordedNorm>,
    /// Those of a gated unit have the same output; that of a search has the ids as output.
    pub(super) products: SmallVec<[RecordedProduct; 3]>,
    pub(super) then: Then,
}

pub(super) struct RecordedNorm {
    pub(super) weight: Tensor,
    pub(super) eps: f32,
}

pub(super) struct RecordedProduct {
    pub(super) w: Tensor,
    pub(super) epilogue: RecordedEpilogue,
    pub(super) out: Tensor,
}

/// [`Epilogue`], with its own tensors.
pub(super) enum RecordedEpilogue {
    None,
    Bias(Tensor),
    Accumulate,
}

/// What becomes of the products.
pub(super) enum Then {
    /// They are written.
    Write,
    /// The first is the gate of the second.
    Gate(Activation),
    /// Only where the greatest is is written.
    Argmax {
        /// The memory through which workgroups pass each other what they found, if it has been chosen.
        found: Option<BufferView>,
    },
}

impl Linear {
    /// What the node at `place` was encoded with, by this operation or another one with the same kernels.
    pub(super) fn recorded(&self, found: &Match<'_>, place: usize) -> Result<Recorded, Unfit> {
        match &self.form {
            Form::Gpu(gpu) => gpu.recorded(found, place),
            Form::Cpu { .. } => processor::recorded(found, place),
        }
    }

    /// Encodes it again, as one dispatch.
    pub(super) fn encode_recorded(
        &self,
        encoder: &mut CommandEncoder,
        recorded: &Recorded,
    ) -> Result<()> {
        let products: SmallVec<[Product<'_>; 3]> = (recorded.products.iter())
            .map(RecordedProduct::product)
            .collect();
        let input = recorded.input();
        match (&recorded.then, &products[..], &self.form) {
            // Of any number of tokens.
            (Then::Write, [product], Form::Gpu(gpu)) if input.norm.is_none() => {
                gpu.encode(encoder, &self.operands(product, input.x)?)
            }
            (Then::Gate(activation), [gate, up], _) => {
                self.encode_gated(encoder, [gate.w, up.w], *activation, input, gate.out)
            }
            (Then::Argmax { found }, [output], _) => {
                self.argmax(encoder, output.w, input, output.out, found.clone())
            }
            (Then::Write, [product], Form::Cpu { matvec, .. }) if input.norm.is_none() => {
                matvec.encode(encoder, &self.operands(product, input.x)?)
            }
            _ => self.encode_together(encoder, &products, input),
        }
    }
}

impl Recorded {
    fn input(&self) -> Input<'_> {
        let norm = self.norm.as_ref();
        Input {
            x: &self.x,
            norm: norm.map(|norm| Norm {
                weight: &norm.weight,
                eps: norm.eps,
            }),
        }
    }

    /// Tokens and columns.
    pub(super) fn shape(&self) -> [usize; 2] {
        [self.x.rows(), self.x.cols()]
    }

    /// The only product, to be changed, if nothing has been added to it yet.
    pub(super) fn plain(&mut self) -> Result<&mut RecordedProduct, Unfit> {
        match (&self.then, &mut self.products[..]) {
            (Then::Write, [product]) if matches!(product.epilogue, RecordedEpilogue::None) => {
                Ok(product)
            }
            _ => Err(Unfit::new("something is added to the product already")),
        }
    }

    /// This with the product of another one beside its own.
    pub(super) fn beside(mut self, other: Recorded) -> Result<Recorded, Unfit> {
        if self.norm.is_some() || other.norm.is_some() {
            return Err(Unfit::new(
                "one of the products norms its activations itself",
            ));
        }
        self.products.extend(other.products);
        Ok(self)
    }
}

impl RecordedProduct {
    fn product(&self) -> Product<'_> {
        Product {
            w: &self.w,
            epilogue: match &self.epilogue {
                RecordedEpilogue::None => Epilogue::None,
                RecordedEpilogue::Bias(bias) => Epilogue::Bias(bias),
                RecordedEpilogue::Accumulate => Epilogue::Accumulate,
            },
            out: &self.out,
        }
    }
}
