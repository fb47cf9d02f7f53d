//! What passes are made of.

use dacapo::CommandEncoder;
use dacapo_ops::sample::SampleParams as Sampling;
use dacapo_ops::tensor::Tensor;

use crate::decoder::workspace::{Activations, LayerCache};
use crate::decoder::{DecoderError, Model};

/// Where passes of a session compute.
#[derive(Clone, Copy)]
pub(super) struct Commands<'s> {
    pub(super) model: &'s Model,
    /// Of the tokens that go through the model.
    pub(super) rows: &'s Activations,
    pub(super) caches: &'s [LayerCache],
}

/// Where the end of a decode step goes.
#[derive(Clone, Copy)]
pub(super) struct Outputs<'s> {
    /// `[1, vocab_size]`.
    pub(super) logits: &'s Tensor,
    /// `[1]`.
    pub(super) sampled: &'s Tensor,
}

impl Commands<'_> {
    /// The rows' tokens through all layers.
    pub(super) fn layers(&self, encoder: &mut CommandEncoder) -> Result<(), DecoderError> {
        let model = &self.model.shared;
        model.encode_layers(encoder, self.rows, self.caches)
    }

    /// The output product of some rows of final hidden states.
    pub(super) fn logits(
        &self,
        encoder: &mut CommandEncoder,
        normed: &Tensor,
        logits: &Tensor,
    ) -> Result<(), DecoderError> {
        let model = &self.model.shared;
        model.encode_logits(encoder, normed, self.rows, logits)
    }

    /// The sampling of a token from logits, and its way to where the next step reads it.
    pub(super) fn sampling(
        &self,
        encoder: &mut CommandEncoder,
        outputs: Outputs<'_>,
        sampling: &Sampling,
    ) -> Result<(), DecoderError> {
        let ops = &self.model.shared.ops;
        let Outputs { logits, sampled } = outputs;
        let (token, position) = (&self.rows.tokens, &self.rows.positions);
        ops.sample
            .encode(encoder, logits, sampling, position, sampled)?;
        ops.advance.encode(encoder, sampled, token, position)?;
        Ok(())
    }

    /// One token through the model, and the sampling of the next one. Nobody needs the logits afterwards.
    pub(super) fn decode(
        &self,
        encoder: &mut CommandEncoder,
        outputs: Outputs<'_>,
        sampling: &Sampling,
    ) -> Result<(), DecoderError> {
        self.layers(encoder)?;
        self.logits(encoder, &self.rows.normed, outputs.logits)?;
        self.sampling(encoder, outputs, sampling)?;
        encoder.discard(outputs.logits.view())?;
        self.rows.discard(encoder)
    }
}
