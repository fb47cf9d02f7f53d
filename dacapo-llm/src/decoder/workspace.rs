//! The memory of one session: what a forward pass computes in, and the key-value cache.

use dacapo::{Buffer, BufferView, CommandEncoder, Device, DeviceKind, MemoryKind};
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::Linear;
use dacapo_ops::tensor::Tensor;

use crate::config::ModelConfig;
use crate::decoder::{DecoderError, Model, PassOptions};

/// Element type of the key-value cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// Half precision: what most engines use.
    #[default]
    F16,
    /// Single precision, twice the memory.
    F32,
}

/// How a session is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// Positions of the key-value cache: the longest prompt and answer together. 1 to the model's context length.
    pub capacity: usize,
    /// Most prompt tokens in one submission, at least 1. More is faster and takes more memory.
    pub chunk: usize,
    /// Element type of the cache.
    pub cache: CacheType,
    /// How forward passes reach the device.
    pub passes: PassOptions,
}

impl SessionOptions {
    /// The model's context length, but at most 4096 positions; chunks of 128 tokens, and on a GPU, which wants more work at a
    /// time, of 512, or of up to 2048 on one that has matrix units and memory of its own, of which activations take at most
    /// a 64th then; an F16 cache; passes as by default, but on a GPU with four steps in flight.
    pub fn for_model(model: &Model) -> SessionOptions {
        let in_flight = if model.device().info().kind.is_gpu() {
            4
        } else {
            2
        };
        SessionOptions {
            capacity: model.config().context_length.min(4096),
            chunk: usual_chunk(model.device(), model.config()),
            cache: CacheType::F16,
            passes: PassOptions {
                in_flight,
                ..PassOptions::default()
            },
        }
    }
}

/// See [`SessionOptions::for_model`].
fn usual_chunk(device: &Device, config: &ModelConfig) -> usize {
    let info = device.info();
    let has_matrices = device
        .gpu()
        .is_some_and(|gpu| gpu.cooperative_matrix.is_some());
    let fits = |rows: &usize| Activations::bytes(config, *rows) <= info.memory / 64;
    match info.kind {
        kind if !kind.is_gpu() => 128,
        DeviceKind::DiscreteGpu if has_matrices => {
            [2048, 1024].into_iter().find(fits).unwrap_or(512)
        }
        _ => 512,
    }
}

/// Inputs and activations of a forward pass over some rows, one row a token.
pub(super) struct Activations {
    /// `[rows]`: token ids.
    pub(super) tokens: Tensor,
    /// `[rows]`: the position of each token.
    pub(super) positions: Tensor,
    /// `[rows, width]`: the residual stream.
    pub(super) hidden: Tensor,
    /// `[rows, width]`.
    pub(super) normed: Tensor,
    /// `[rows, heads * head_dim]`.
    pub(super) q: Tensor,
    /// `[rows, kv_heads * head_dim]`.
    pub(super) k: Tensor,
    /// `[rows, kv_heads * head_dim]`.
    pub(super) v: Tensor,
    /// `[rows, heads * head_dim]`: what attention gives.
    pub(super) attended: Tensor,
    /// `[rows, width]`: what attention or feed-forward adds to the residual stream.
    pub(super) update: Tensor,
    /// `[rows, feed_forward]`.
    pub(super) gate: Tensor,
    /// `[rows, feed_forward]`.
    pub(super) up: Tensor,
    /// `[rows, feed_forward]`: the activation of `gate` times `up`.
    pub(super) activated: Tensor,
    /// Scratch of the matrix products.
    pub(super) scratch: BufferView,
}

/// Keys and values of one layer, `[kv_heads, capacity, head_dim]` each.
pub(super) struct LayerCache {
    pub(super) k: Tensor,
    pub(super) v: Tensor,
}

impl Activations {
    /// What those of so many rows take, without scratch.
    fn bytes(config: &ModelConfig, rows: usize) -> u64 {
        let heads = 2 * (config.q_width() + config.kv_width());
        let floats = 3 * (config.width + config.feed_forward) + heads;
        (rows * floats * size_of::<f32>()) as u64
    }

    pub(super) fn new(
        device: &Device,
        config: &ModelConfig,
        rows: usize,
    ) -> Result<Activations, DecoderError> {
        let f32s = |label, cols| Tensor::zeros(device, label, DType::F32, &[rows, cols]);
        let u32s = |label| Tensor::zeros(device, label, DType::U32, &[rows]);
        let widest = config.q_width().max(config.feed_forward).max(config.width);
        let scratch: Buffer =
            device.buffer(Linear::scratch_bytes(rows, widest), MemoryKind::DeviceLocal)?;
        Ok(Activations {
            tokens: u32s("tokens")?,
            positions: u32s("positions")?,
            hidden: f32s("hidden", config.width)?,
            normed: f32s("normed", config.width)?,
            q: f32s("q", config.q_width())?,
            k: f32s("k", config.kv_width())?,
            v: f32s("v", config.kv_width())?,
            attended: f32s("attended", config.q_width())?,
            update: f32s("update", config.width)?,
            gate: f32s("gate", config.feed_forward)?,
            up: f32s("up", config.feed_forward)?,
            activated: f32s("activated", config.feed_forward)?,
            scratch: (*scratch).clone(),
        })
    }

    /// Says that nobody needs the activations after what has been encoded.
    pub(super) fn discard(&self, encoder: &mut CommandEncoder) -> Result<(), DecoderError> {
        let activations = [
            &self.hidden,
            &self.normed,
            &self.q,
            &self.k,
            &self.v,
            &self.attended,
            &self.update,
            &self.gate,
            &self.up,
            &self.activated,
        ];
        for tensor in activations {
            encoder.discard(tensor.view())?;
        }
        Ok(encoder.discard(&self.scratch)?)
    }

    /// The first `rows` rows of each tensor.
    pub(super) fn first(&self, rows: usize) -> Result<Activations, DecoderError> {
        let first = |tensor: &Tensor| tensor.narrow(0, 0, rows);
        Ok(Activations {
            tokens: first(&self.tokens)?,
            positions: first(&self.positions)?,
            hidden: first(&self.hidden)?,
            normed: first(&self.normed)?,
            q: first(&self.q)?,
            k: first(&self.k)?,
            v: first(&self.v)?,
            attended: first(&self.attended)?,
            update: first(&self.update)?,
            gate: first(&self.gate)?,
            up: first(&self.up)?,
            activated: first(&self.activated)?,
            scratch: self.scratch.clone(),
        })
    }
}

/// The caches of all layers, and the one buffer they are slices of.
pub(super) fn caches(
    device: &Device,
    config: &ModelConfig,
    options: &SessionOptions,
) -> Result<(Buffer, Vec<LayerCache>), DecoderError> {
    let dtype = match options.cache {
        CacheType::F16 => DType::F16,
        CacheType::F32 => DType::F32,
    };
    let shape = [config.kv_heads, options.capacity, config.head_dim];
    let too_large = || DecoderError::Option {
        option: "capacity",
        found: options.capacity,
        allowed: "a cache whose size fits an address".to_owned(),
    };
    let one = dtype.matrix_bytes(
        shape[0].checked_mul(shape[1]).ok_or_else(too_large)?,
        shape[2],
    );
    let one = one.ok_or_else(too_large)? as u64;
    let all = one
        .checked_mul(2 * config.layers as u64)
        .ok_or_else(too_large)?;
    let options = dacapo::BufferOptions {
        len: all,
        kind: MemoryKind::DeviceLocal,
        label: "cache",
    };
    let buffer = device.buffer_with(&options)?;
    let slice = |at: u64| -> Result<Tensor, DecoderError> {
        Ok(Tensor::new(
            buffer.slice(at * one..(at + 1) * one)?,
            dtype,
            &shape,
        )?)
    };
    let layers = (0..config.layers as u64)
        .map(|layer| {
            Ok(LayerCache {
                k: slice(2 * layer)?,
                v: slice(2 * layer + 1)?,
            })
        })
        .collect::<Result<_, DecoderError>>()?;
    Ok((buffer, layers))
}
