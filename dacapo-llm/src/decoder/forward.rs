//! One forward pass as dispatches.

use dacapo::{CommandEncoder, Device};
use dacapo_ops::attention::AttentionOptions;
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::{Epilogue, Product};
use dacapo_ops::rope::{self, Layout, Llama3, Scaling};
use dacapo_ops::tensor::Tensor;

use crate::config::{ModelConfig, RopeLayout, RopeScaling};
use crate::decoder::DecoderError;
use crate::decoder::model::{DeviceLayer, Shared};
use crate::decoder::workspace::{Activations, LayerCache};

impl Shared {
    /// Encodes all layers over the rows of `rows`; their final hidden states, normed, are in `rows.normed` after.
    ///
    /// Each operation is encoded by itself, as the paper's formulas have it: what can be one dispatch, a plan finds.
    pub(super) fn encode_layers(
        &self,
        encoder: &mut CommandEncoder,
        rows: &Activations,
        caches: &[LayerCache],
    ) -> Result<(), DecoderError> {
        let (ops, eps) = (&self.ops, self.config.rms_eps);
        ops.embed.encode(
            encoder,
            &self.weights.token_embd,
            &rows.tokens,
            &rows.hidden,
        )?;
        let (hidden, update, normed) = (&rows.hidden, &rows.update, &rows.normed);
        for (layer, cache) in self.weights.layers.iter().zip(caches) {
            let encoder = &mut encoder.scope(&layer.label);
            {
                let encoder = &mut encoder.scope("attention");
                ops.rms_norm
                    .encode(encoder, hidden, &layer.attn_norm, eps, normed)?;
                self.encode_attention(encoder, layer, cache, rows)?;
                ops.add.encode(encoder, hidden, update)?;
            }
            let encoder = &mut encoder.scope("feed forward");
            ops.rms_norm
                .encode(encoder, hidden, &layer.ffn_norm, eps, normed)?;
            self.encode_feed_forward(encoder, layer, rows)?;
            ops.add.encode(encoder, hidden, update)?;
        }
        let norm = &self.weights.output_norm;
        ops.rms_norm.encode(encoder, hidden, norm, eps, normed)?;
        Ok(())
    }

    /// Encodes the output product: `normed` `[n, width]` to `logits` `[n, vocab_size]`.
    pub(super) fn encode_logits(
        &self,
        encoder: &mut CommandEncoder,
        normed: &Tensor,
        rows: &Activations,
        logits: &Tensor,
    ) -> Result<(), DecoderError> {
        let mut encoder = encoder.scope("output");
        let output = &self.weights.output;
        self.ops.linear.encode(
            &mut encoder,
            output,
            normed,
            Epilogue::None,
            &rows.scratch,
            logits,
        )?;
        Ok(())
    }

    fn encode_attention(
        &self,
        encoder: &mut CommandEncoder,
        layer: &DeviceLayer,
        cache: &LayerCache,
        rows: &Activations,
    ) -> Result<(), DecoderError> {
        let (ops, config) = (&self.ops, &self.config);
        let qkv = [
            layer.attn_q.product(&rows.q),
            layer.attn_k.product(&rows.k),
            layer.attn_v.product(&rows.v),
        ];
        ops.linear
            .encode_each(encoder, &qkv, &rows.normed, &rows.scratch)?;
        let heads =
            |tensor: &Tensor, heads| tensor.reshape(&[tensor.rows(), heads, config.head_dim]);
        let q = heads(&rows.q, config.heads)?;
        let k = heads(&rows.k, config.kv_heads)?;
        let v = heads(&rows.v, config.kv_heads)?;
        for (x, norm) in [(&q, &layer.q_norm), (&k, &layer.k_norm)] {
            if let Some(norm) = norm {
                ops.rms_norm
                    .encode_heads(encoder, x, norm, config.rms_eps)?;
            }
        }
        let layout = match config.rope.layout {
            RopeLayout::AdjacentPairs => Layout::Pairs,
            RopeLayout::SplitHalves => Layout::Halves,
        };
        for x in [&q, &k] {
            ops.rope.encode(
                encoder,
                x,
                &rows.positions,
                &self.weights.frequencies,
                layout,
            )?;
        }
        ops.kv_append
            .encode(encoder, &k, &v, &rows.positions, &cache.k, &cache.v)?;
        let options = AttentionOptions {
            scale: 1.0 / (config.head_dim as f32).sqrt(),
            softcap: None,
        };
        let attended = heads(&rows.attended, config.heads)?;
        ops.attention.encode(
            encoder,
            &q,
            &cache.k,
            &cache.v,
            &rows.positions,
            options,
            &attended,
        )?;
        let output = &layer.attn_output;
        ops.linear.encode(
            encoder,
            output,
            &rows.attended,
            Epilogue::None,
            &rows.scratch,
            &rows.update,
        )?;
        Ok(())
    }

    fn encode_feed_forward(
        &self,
        encoder: &mut CommandEncoder,
        layer: &DeviceLayer,
        rows: &Activations,
    ) -> Result<(), DecoderError> {
        let ops = &self.ops;
        let (scratch, epilogue) = (&rows.scratch, Epilogue::None);
        let product = |w, out| Product { w, epilogue, out };
        let gate_up = [
            product(&layer.ffn_gate, &rows.gate),
            product(&layer.ffn_up, &rows.up),
        ];
        ops.linear
            .encode_each(encoder, &gate_up, &rows.normed, scratch)?;
        ops.silu_mul
            .encode(encoder, &rows.gate, &rows.up, &rows.activated)?;
        ops.linear.encode(
            encoder,
            &layer.ffn_down,
            &rows.activated,
            epilogue,
            scratch,
            &rows.update,
        )?;
        Ok(())
    }
}

/// The table that [`rope`] turns positions into angles with, `[rope.dims / 2, 2]`.
pub(super) fn frequencies(
    device: &Device,
    config: &ModelConfig,
    factors: Option<&[f32]>,
) -> Result<Tensor, DecoderError> {
    let scaling = match config.rope.scaling {
        RopeScaling::None => Scaling::None,
        RopeScaling::Linear { factor } => Scaling::Linear {
            factor: factor.into(),
        },
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_context,
        } => Scaling::Llama3(Llama3 {
            factor: factor.into(),
            low_freq_factor: low_freq_factor.into(),
            high_freq_factor: high_freq_factor.into(),
            original_context: u32::try_from(original_context).unwrap_or(u32::MAX),
        }),
    };
    let (dims, theta) = (config.rope.dims, config.rope.theta.into());
    let rope = rope::Config {
        dims,
        theta,
        scaling,
        factors: factors.unwrap_or_default(),
    };
    let table = rope::frequencies(&rope).ok_or(DecoderError::Rope {
        config: config.rope,
    })?;
    let tensor = Tensor::zeros(device, "rotary frequencies", DType::U32, &[table.len(), 2])?;
    tensor.view().write(&table)?;
    Ok(tensor)
}
