//! Finding tensors by the names that either kind of file gives them.

use std::collections::HashSet;

use super::{LayerWeights, QkNorm, QkvBias, Weight, Weights, WeightsError};
use crate::config::ModelConfig;
use crate::error::shortened;
use crate::tensors::{Naming, StoredTensor, TensorIndex};

/// How many names an error lists.
const LISTED: usize = 8;

pub(super) fn resolve(
    config: &ModelConfig,
    tensors: &TensorIndex,
) -> Result<Weights, WeightsError> {
    let mut resolver = Resolver {
        config,
        tensors,
        used: HashSet::new(),
        missing: Names::default(),
    };
    let weights = resolver.model()?;
    resolver.check_unexpected()?;
    weights.ok_or(WeightsError::Missing {
        names: resolver.missing.first,
        count: resolver.missing.count,
    })
}

struct Resolver<'a> {
    config: &'a ModelConfig,
    tensors: &'a TensorIndex,
    used: HashSet<String>,
    missing: Names,
}

/// The first of many names.
#[derive(Default)]
struct Names {
    first: Vec<String>,
    count: usize,
}

/// A tensor of this shape, or `None` once it was noted as missing.
type Found = Result<Option<Weight>, WeightsError>;

impl Resolver<'_> {
    fn model(&mut self) -> Result<Option<Weights>, WeightsError> {
        let &ModelConfig {
            vocab_size: vocab,
            width,
            ..
        } = self.config;
        let token_embd = self.global(
            "token_embd.weight",
            "model.embed_tokens.weight",
            vocab,
            width,
        )?;
        let output_norm = self.global("output_norm.weight", "model.norm.weight", 1, width)?;
        let output = if self.config.tied_embeddings {
            None
        } else {
            self.global("output.weight", "lm_head.weight", vocab, width)?
        };
        let rope_freqs = self.rope_freqs()?;
        let mut layers = Vec::new();
        for layer in 0..self.config.layers {
            layers.extend(self.layer(layer)?);
        }
        // Whatever was needed and not found has been noted.
        let (Some(token_embd), Some(output_norm), 0) =
            (token_embd, output_norm, self.missing.count)
        else {
            return Ok(None);
        };
        Ok(Some(Weights {
            token_embd,
            output_norm,
            output,
            rope_freqs,
            layers,
        }))
    }

    fn layer(&mut self, layer: usize) -> Result<Option<LayerWeights>, WeightsError> {
        let config = self.config;
        let (q, kv) = (config.q_width(), config.kv_width());
        let (width, inner) = (config.width, config.feed_forward);
        let mut part = |gguf, hf, rows, cols| self.part(layer, gguf, hf, rows, cols);
        let attn_norm = part("attn_norm.weight", "input_layernorm.weight", 1, width)?;
        let attn_q = part("attn_q.weight", "self_attn.q_proj.weight", q, width)?;
        let attn_k = part("attn_k.weight", "self_attn.k_proj.weight", kv, width)?;
        let attn_v = part("attn_v.weight", "self_attn.v_proj.weight", kv, width)?;
        let attn_output = part("attn_output.weight", "self_attn.o_proj.weight", width, q)?;
        let ffn_norm = part(
            "ffn_norm.weight",
            "post_attention_layernorm.weight",
            1,
            width,
        )?;
        let ffn_gate = part("ffn_gate.weight", "mlp.gate_proj.weight", inner, width)?;
        let ffn_up = part("ffn_up.weight", "mlp.up_proj.weight", inner, width)?;
        let ffn_down = part("ffn_down.weight", "mlp.down_proj.weight", width, inner)?;
        let attn_bias = self.bias(layer)?;
        let attn_head_norm = self.head_norm(layer)?;
        Ok((|| {
            Some(LayerWeights {
                attn_norm: attn_norm?,
                attn_q: attn_q?,
                attn_k: attn_k?,
                attn_v: attn_v?,
                attn_bias,
                attn_head_norm,
                attn_output: attn_output?,
                ffn_norm: ffn_norm?,
                ffn_gate: ffn_gate?,
                ffn_up: ffn_up?,
                ffn_down: ffn_down?,
            })
        })())
    }

    fn bias(&mut self, layer: usize) -> Result<Option<QkvBias>, WeightsError> {
        if !self.config.qkv_bias {
            return Ok(None);
        }
        let (q, kv) = (self.config.q_width(), self.config.kv_width());
        let q = self.part(layer, "attn_q.bias", "self_attn.q_proj.bias", 1, q)?;
        let k = self.part(layer, "attn_k.bias", "self_attn.k_proj.bias", 1, kv)?;
        let v = self.part(layer, "attn_v.bias", "self_attn.v_proj.bias", 1, kv)?;
        Ok((|| {
            Some(QkvBias {
                q: q?,
                k: k?,
                v: v?,
            })
        })())
    }

    fn head_norm(&mut self, layer: usize) -> Result<Option<QkNorm>, WeightsError> {
        if !self.config.qk_norm {
            return Ok(None);
        }
        let dim = self.config.head_dim;
        let q = self.part(
            layer,
            "attn_q_norm.weight",
            "self_attn.q_norm.weight",
            1,
            dim,
        )?;
        let k = self.part(
            layer,
            "attn_k_norm.weight",
            "self_attn.k_norm.weight",
            1,
            dim,
        )?;
        Ok((|| Some(QkNorm { q: q?, k: k? }))())
    }

    fn rope_freqs(&mut self) -> Found {
        const NAME: &str = "rope_freqs.weight";
        if self.tensors.naming() != Naming::Gguf || self.tensors.get(NAME).is_none() {
            return Ok(None);
        }
        self.take(NAME.to_owned(), 1, self.config.rope.dims / 2)
    }

    fn global(&mut self, gguf: &str, hf: &str, rows: usize, cols: usize) -> Found {
        let name = match self.tensors.naming() {
            Naming::Gguf => gguf,
            Naming::HuggingFace => hf,
        };
        self.take(name.to_owned(), rows, cols)
    }

    fn part(&mut self, layer: usize, gguf: &str, hf: &str, rows: usize, cols: usize) -> Found {
        let name = match self.tensors.naming() {
            Naming::Gguf => format!("blk.{layer}.{gguf}"),
            Naming::HuggingFace => format!("model.layers.{layer}.{hf}"),
        };
        self.take(name, rows, cols)
    }

    fn take(&mut self, name: String, rows: usize, cols: usize) -> Found {
        let Some(tensor) = self.tensors.get(&name) else {
            self.missing.add(&name);
            return Ok(None);
        };
        if matrix_shape(tensor) != Some([rows as u64, cols as u64]) {
            return Err(WeightsError::Shape {
                name,
                found: tensor.shape.clone(),
                wanted: [rows, cols],
            });
        }
        self.used.insert(name.clone());
        Ok(Some(Weight {
            name,
            dtype: tensor.dtype,
            rows,
            cols,
            file: tensor.file,
            range: tensor.range.clone(),
        }))
    }

    fn check_unexpected(&self) -> Result<(), WeightsError> {
        let mut unexpected = Names::default();
        for (name, _) in self.tensors.iter() {
            if !self.used.contains(name) && !self.is_redundant(name) {
                unexpected.add(name);
            }
        }
        match unexpected.count {
            0 => Ok(()),
            count => Err(WeightsError::Unexpected {
                names: unexpected.first,
                count,
            }),
        }
    }

    /// Whether a tensor says again what the configuration says: old checkpoints store rotary
    /// frequencies, and some with tied embeddings store the same matrix twice.
    fn is_redundant(&self, name: &str) -> bool {
        self.tensors.naming() == Naming::HuggingFace
            && (name.ends_with(".rotary_emb.inv_freq")
                || (self.config.tied_embeddings && name == "lm_head.weight"))
    }
}

impl Names {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.push(shortened(name));
        }
    }
}

/// Rows and columns, or `None` for more dimensions. Leading dimensions of 1 do not count, since
/// GGUF files leave them out.
fn matrix_shape(tensor: &StoredTensor) -> Option<[u64; 2]> {
    let start = tensor.shape.iter().position(|&dim| dim != 1);
    match tensor.shape[start.unwrap_or(tensor.shape.len())..] {
        [] => Some([1, 1]),
        [cols] => Some([1, cols]),
        [rows, cols] => Some([rows, cols]),
        _ => None,
    }
}
