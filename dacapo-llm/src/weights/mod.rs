//! A model's tensors by what they are for, whatever file they lie in.

mod error;
mod resolve;

pub use error::WeightsError;

use std::ops::Range;

use crate::config::ModelConfig;
use crate::gguf::GgmlType;
use crate::tensors::TensorIndex;

/// A matrix in a file, or a vector as a matrix of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// The tensor's name in its file.
    pub name: String,
    /// The type of its elements.
    pub dtype: GgmlType,
    /// The number of rows: outputs of a projection, tokens of an embedding.
    pub rows: usize,
    /// The number of columns, whose elements are neighbours in the file.
    pub cols: usize,
    /// Which of the model's files it lies in.
    pub file: usize,
    /// Where its data lies in that file, in bytes.
    pub range: Range<usize>,
}

/// The tensors of a decoder, their shapes checked against its hyperparameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// `[vocab_size, width]`: a row per token.
    pub token_embd: Weight,
    /// `[1, width]`: the norm before the output.
    pub output_norm: Weight,
    /// `[vocab_size, width]`, or `None` where [`token_embd`](Self::token_embd) serves as output.
    pub output: Option<Weight>,
    /// `[1, rope.dims / 2]`: each rotary frequency is divided by its factor here. Only GGUF files
    /// have it, for Llama 3.1 and later.
    pub rope_freqs: Option<Weight>,
    /// The layers in order.
    pub layers: Vec<LayerWeights>,
}

/// The tensors of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerWeights {
    /// `[1, width]`: the norm before attention.
    pub attn_norm: Weight,
    /// `[heads * head_dim, width]`. In GGUF files of Llama models, the rows of each head are
    /// permuted for [`RopeLayout::AdjacentPairs`](crate::config::RopeLayout::AdjacentPairs).
    pub attn_q: Weight,
    /// `[kv_heads * head_dim, width]`, with rows like those of `attn_q`.
    pub attn_k: Weight,
    /// `[kv_heads * head_dim, width]`.
    pub attn_v: Weight,
    /// The biases, where the model has them.
    pub attn_bias: Option<QkvBias>,
    /// The norms of heads, where the model has them.
    pub attn_head_norm: Option<QkNorm>,
    /// `[width, heads * head_dim]`.
    pub attn_output: Weight,
    /// `[1, width]`: the norm before the feed-forward part.
    pub ffn_norm: Weight,
    /// `[feed_forward, width]`: the part that goes through the activation.
    pub ffn_gate: Weight,
    /// `[feed_forward, width]`.
    pub ffn_up: Weight,
    /// `[width, feed_forward]`.
    pub ffn_down: Weight,
}

/// Biases of queries, keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QkvBias {
    /// `[1, heads * head_dim]`.
    pub q: Weight,
    /// `[1, kv_heads * head_dim]`.
    pub k: Weight,
    /// `[1, kv_heads * head_dim]`.
    pub v: Weight,
}

/// Norms of each head's query and key before they rotate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QkNorm {
    /// `[1, head_dim]`.
    pub q: Weight,
    /// `[1, head_dim]`.
    pub k: Weight,
}

impl Weights {
    /// Finds every tensor that `config` asks for.
    ///
    /// # Errors
    ///
    /// [`WeightsError`] if tensors are missing, have other shapes than `config` implies, or are
    /// there without being asked for: running a model without a part of it would give wrong text.
    pub fn resolve(config: &ModelConfig, tensors: &TensorIndex) -> Result<Self, WeightsError> {
        resolve::resolve(config, tensors)
    }

    /// Every tensor, in the order of use.
    pub fn iter(&self) -> impl Iterator<Item = &Weight> {
        let last = [&self.output_norm].into_iter().chain(&self.output);
        [&self.token_embd]
            .into_iter()
            .chain(&self.rope_freqs)
            .chain(self.layers.iter().flat_map(LayerWeights::iter))
            .chain(last)
    }
}

impl LayerWeights {
    /// Every tensor of the layer, in the order of use.
    pub fn iter(&self) -> impl Iterator<Item = &Weight> {
        let bias = self.attn_bias.iter();
        let head_norm = self.attn_head_norm.iter();
        [&self.attn_norm, &self.attn_q, &self.attn_k, &self.attn_v]
            .into_iter()
            .chain(bias.flat_map(|bias| [&bias.q, &bias.k, &bias.v]))
            .chain(head_norm.flat_map(|norm| [&norm.q, &norm.k]))
            .chain([
                &self.attn_output,
                &self.ffn_norm,
                &self.ffn_gate,
                &self.ffn_up,
                &self.ffn_down,
            ])
    }
}

#[cfg(test)]
mod tests;
