use std::fmt;
use std::sync::Arc;

use dacapo::{Device, FusionRule};
use dacapo_ops::linear::{Epilogue, Product};
use dacapo_ops::tensor::Tensor;
use dacapo_ops::{Ops, Tuning};

use crate::config::ModelConfig;
use crate::decoder::load::{LoadProgress, Loader};
use crate::decoder::{DecoderError, forward};
use crate::error::{Error, Result};
use crate::model_files::ModelFiles;

/// A decoder's weights on a device. Cheap to clone; sessions share it.
#[derive(Clone)]
pub struct Model {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) device: Device,
    pub(super) config: ModelConfig,
    pub(super) ops: Ops,
    pub(super) weights: DeviceWeights,
    notices: Vec<String>,
    weight_bytes: u64,
}

/// The tensors of a decoder; shapes as in [`Weights`](crate::Weights).
pub(super) struct DeviceWeights {
    pub(super) token_embd: Tensor,
    pub(super) layers: Vec<DeviceLayer>,
    pub(super) output_norm: Tensor,
    pub(super) output: Tensor,
    /// `[rope.dims / 2, 2]`: how far each pair turns in one position.
    pub(super) frequencies: Tensor,
}

pub(super) struct DeviceLayer {
    pub(super) attn_norm: Tensor,
    pub(super) attn_q: Projection,
    pub(super) attn_k: Projection,
    pub(super) attn_v: Projection,
    pub(super) q_norm: Option<Tensor>,
    pub(super) k_norm: Option<Tensor>,
    pub(super) attn_output: Tensor,
    pub(super) ffn_norm: Tensor,
    pub(super) ffn_gate: Tensor,
    pub(super) ffn_up: Tensor,
    pub(super) ffn_down: Tensor,
    /// The scope around the layer's dispatches.
    pub(super) label: String,
}

/// A matrix, and a bias where the model has one.
pub(super) struct Projection {
    pub(super) matrix: Tensor,
    pub(super) bias: Option<Tensor>,
}

impl Projection {
    /// Its product with some activations, to be written to `out`.
    pub(super) fn product<'a>(&'a self, out: &'a Tensor) -> Product<'a> {
        let epilogue = self.bias.as_ref().map_or(Epilogue::None, Epilogue::Bias);
        let w = &self.matrix;
        Product { w, epilogue, out }
    }
}

impl Model {
    /// Puts the weights of `files` where `device` uses them, calling `progress` after each tensor.
    ///
    /// # Errors
    /// [`DecoderError::WeightType`] for a tensor of a type that cannot be used, and the runtime's own for memory.
    pub fn load(
        device: &Device,
        files: &ModelFiles,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Model> {
        load(device, files, progress).map_err(|error| Error::from(error).in_file(files.path()))
    }

    /// The hyperparameters.
    pub fn config(&self) -> &ModelConfig {
        &self.shared.config
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// The rules by which a graph of its passes is fused.
    pub fn fusion_rules(&self) -> Vec<FusionRule> {
        self.shared.ops.fusion_rules()
    }

    /// How its kernels are cut for this device. [`tune`](crate::tuning::tune) finds settings; [`Tuning::apply`] takes
    /// them. Sessions plan anew after a change.
    pub fn tuning(&self) -> &Tuning {
        self.shared.ops.tuning()
    }

    /// What the user should know of how the weights were loaded, such as conversions.
    pub fn notices(&self) -> &[String] {
        &self.shared.notices
    }

    /// Bytes of the weights, as they lie in the files.
    pub fn weight_bytes(&self) -> u64 {
        self.shared.weight_bytes
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config();
        write!(
            f,
            "Model({}, {} layers, width {})",
            config.architecture, config.layers, config.width
        )
    }
}

fn load(
    device: &Device,
    files: &ModelFiles,
    progress: &mut dyn FnMut(LoadProgress),
) -> Result<Model, DecoderError> {
    let config = files.config().clone();
    let stored = files.weights();
    let ops = Ops::new(device)?;
    let mut loader = Loader::new(device, &ops.linear, files, progress)?;
    let token_embd = loader.table(&stored.token_embd)?;
    let factors = stored
        .rope_freqs
        .as_ref()
        .map(|weight| loader.vector(weight))
        .transpose()?;
    let mut layers = Vec::with_capacity(stored.layers.len());
    for (number, layer) in stored.layers.iter().enumerate() {
        let bias = layer.attn_bias.as_ref();
        let head_norm = layer.attn_head_norm.as_ref();
        layers.push(DeviceLayer {
            attn_norm: loader.vector_tensor(&layer.attn_norm)?,
            attn_q: loader.projection(&layer.attn_q, bias.map(|bias| &bias.q))?,
            attn_k: loader.projection(&layer.attn_k, bias.map(|bias| &bias.k))?,
            attn_v: loader.projection(&layer.attn_v, bias.map(|bias| &bias.v))?,
            q_norm: head_norm
                .map(|norm| loader.vector_tensor(&norm.q))
                .transpose()?,
            k_norm: head_norm
                .map(|norm| loader.vector_tensor(&norm.k))
                .transpose()?,
            attn_output: loader.matrix(&layer.attn_output)?,
            ffn_norm: loader.vector_tensor(&layer.ffn_norm)?,
            ffn_gate: loader.matrix(&layer.ffn_gate)?,
            ffn_up: loader.matrix(&layer.ffn_up)?,
            ffn_down: loader.matrix(&layer.ffn_down)?,
            label: format!("layer {number}"),
        });
    }
    let output_norm = loader.vector_tensor(&stored.output_norm)?;
    let output = match &stored.output {
        Some(weight) => loader.matrix(weight)?,
        None if device.gpu().is_some() => loader.tied(&stored.token_embd)?,
        None => token_embd.clone(),
    };
    let notices = loader.notices();
    let frequencies = forward::frequencies(device, &config, factors.as_deref())?;
    let weights = DeviceWeights {
        token_embd,
        layers,
        output_norm,
        output,
        frequencies,
    };
    Ok(Model {
        shared: Arc::new(Shared {
            device: device.clone(),
            ops,
            notices,
            weight_bytes: stored.iter().map(|weight| weight.range.len() as u64).sum(),
            weights,
            config,
        }),
    })
}
