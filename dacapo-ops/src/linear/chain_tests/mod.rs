//! Products between attentions in one dispatch, beside the same products one after the other.

mod attention;
mod products;
mod stay_apart;
mod waits;

use dacapo::CommandEncoder;

use super::*;
use crate::add::Add;
use crate::attention::{Attention, AttentionOptions};
use crate::fusing::Fusing;
use crate::reference::{Bench, noise};
use crate::rms_norm::RmsNorm;
use crate::rope::Layout;
use crate::rope_append::{Norms, Operands, RopeAppend};
use crate::silu_mul::SiluMul;
use crate::testing::{Case, Random, vulkan};
use crate::tuning::Tuning;

const EPS: f32 = 1e-5;
/// Widths of a layer: of the residual stream, of all queries, of keys, of the gated unit.
#[derive(Clone, Copy)]
struct Widths {
    hidden: usize,
    queries: usize,
    keys: usize,
    gated: usize,
}

/// One where lanes have several turns, one where they have less than one and blocks of 32 no whole group, one whose rows
/// fill no block, one of three blocks of 256.
const WIDTHS: [Widths; 4] = [
    Widths {
        hidden: 256,
        queries: 512,
        keys: 64,
        gated: 1024,
    },
    Widths {
        hidden: 64,
        queries: 96,
        keys: 24,
        gated: 160,
    },
    Widths {
        hidden: 136,
        queries: 72,
        keys: 8,
        gated: 200,
    },
    Widths {
        hidden: 256,
        queries: 256,
        keys: 40,
        gated: 768,
    },
];

/// The second of them, with several heads.
const FEW: Widths = Widths {
    queries: 128,
    keys: 64,
    ..WIDTHS[1]
};

/// Types of the weights: of the product after attention, of the gated unit, of the one after it, of queries and keys, and
/// of values.
#[derive(Clone, Copy, Debug)]
struct Types {
    output: DType,
    gated: DType,
    down: DType,
    keys: DType,
    values: DType,
}

impl From<DType> for Types {
    fn from(all: DType) -> Types {
        Types {
            output: all,
            gated: all,
            down: all,
            keys: all,
            values: all,
        }
    }
}

/// As files of mixed quantisations have them.
const MIXED: [(Types, Widths); 3] = [
    (
        Types {
            output: DType::Q4K,
            gated: DType::Q4K,
            down: DType::Q6K,
            keys: DType::Q4K,
            values: DType::Q6K,
        },
        WIDTHS[3],
    ),
    (
        Types {
            output: DType::Q8_0,
            gated: DType::Q4_0,
            down: DType::Q4_1,
            keys: DType::Q4_0,
            values: DType::BF16,
        },
        WIDTHS[1],
    ),
    (
        Types {
            output: DType::F32,
            gated: DType::Q4_1,
            down: DType::F16,
            keys: DType::Q8_0,
            values: DType::Q8_0,
        },
        WIDTHS[0],
    ),
];

/// How queries and keys are cut into heads, for attention before a layer.
#[derive(Clone, Copy)]
struct Heads {
    dim: usize,
    cache: DType,
    normed: bool,
    position: u32,
}

/// What attention needs beside the rows that products make.
struct Cached {
    heads: Heads,
    caches: [Tensor; 2],
    norms: [Tensor; 2],
    positions: Tensor,
    frequencies: Tensor,
}

struct Setup {
    bench: Bench,
    tuning: Tuning,
    linear: Linear,
    attention: Attention,
    append: RopeAppend,
    norm: RmsNorm,
    add: Add,
    silu: SiluMul,
    scratch: BufferView,
}

/// What a layer computes from attention on.
struct Layer {
    output: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    qkv: [Tensor; 3],
    /// What those are made of: the output, gate, up, down, and queries, keys and values.
    cases: Vec<Case>,
    /// Of queries, keys and values.
    biases: [Option<Tensor>; 3],
    norms: [Tensor; 2],
    attended: Tensor,
    hidden: Tensor,
    /// Values that vanish: update, normed, gate, up, and what the gated unit gives.
    between: [Tensor; 5],
    outs: [Tensor; 3],
}

impl Setup {
    fn new() -> Option<Setup> {
        let (device, tuning) = (vulkan()?, Tuning::default());
        Some(Setup {
            linear: Linear::tuned(&device, &tuning).unwrap(),
            attention: Attention::tuned(&device, &tuning).unwrap(),
            append: RopeAppend::new(&device).unwrap(),
            tuning,
            norm: RmsNorm::new(&device).unwrap(),
            add: Add::new(&device).unwrap(),
            silu: SiluMul::new(&device).unwrap(),
            scratch: (*device.buffer(4, MemoryKind::DeviceLocal).unwrap()).clone(),
            bench: Bench { device },
        })
    }

    fn layer(&self, types: impl Into<Types>, widths: Widths) -> Layer {
        let Widths {
            hidden,
            queries,
            keys,
            gated,
        } = widths;
        let types = types.into();
        let shapes = [
            (types.output, hidden, queries),
            (types.gated, gated, hidden),
            (types.gated, gated, hidden),
            (types.down, hidden, gated),
            (types.keys, queries, hidden),
            (types.keys, keys, hidden),
            (types.values, keys, hidden),
        ];
        let cases = (1..).zip(shapes).map(|(seed, (dtype, rows, cols))| {
            Case::new(&mut Random::new(seed), dtype, rows, cols)
        });
        let cases: Vec<Case> = cases.collect();
        let weights = |at: usize| {
            let (device, matrix) = (&self.bench.device, cases[at].matrix());
            self.linear.weights(device, "w", &matrix).unwrap()
        };
        let row = |seed, width| self.bench.f32(&[1, width], &noise(seed, width));
        let vector = |seed| self.bench.f32(&[hidden], &noise(seed, hidden));
        Layer {
            output: weights(0),
            gate: weights(1),
            up: weights(2),
            down: weights(3),
            qkv: [4, 5, 6].map(weights),
            biases: [None, None, None],
            norms: [vector(11), vector(12)],
            attended: row(13, queries),
            hidden: row(14, hidden),
            between: [hidden, hidden, gated, gated, gated].map(|width| row(15, width)),
            outs: [queries, keys, keys].map(|width| row(16, width)),
            cases,
        }
    }

    /// The layer with biases of queries, keys and values, each of its own.
    fn biased(&self, layer: Layer) -> Layer {
        let bias = |at: usize| {
            let width = layer.outs[at].cols();
            self.bench.f32(&[width], &noise(31 + at as u64, width))
        };
        let biases = [0, 1, 2].map(|at| Some(bias(at)));
        Layer { biases, ..layer }
    }

    /// Encodes a layer from attention on, up to the next one's queries, keys and values if there is a `next`.
    fn encode(&self, e: &mut CommandEncoder, layer: &Layer, next: bool) -> Result<()> {
        let Layer {
            hidden, between, ..
        } = layer;
        let [update, normed, gate, up, gated] = between;
        let product = |e: &mut CommandEncoder, w: &Tensor, x: &Tensor, out: &Tensor| {
            self.linear
                .encode(e, w, x, Epilogue::None, &self.scratch, out)
        };
        product(e, &layer.output, &layer.attended, update)?;
        self.add.encode(e, hidden, update)?;
        self.norm.encode(e, hidden, &layer.norms[0], EPS, normed)?;
        product(e, &layer.gate, normed, gate)?;
        product(e, &layer.up, normed, up)?;
        self.silu.encode(e, gate, up, gated)?;
        product(e, &layer.down, gated, update)?;
        self.add.encode(e, hidden, update)?;
        if next {
            self.norm.encode(e, hidden, &layer.norms[1], EPS, normed)?;
            for ((w, out), bias) in layer.qkv.iter().zip(&layer.outs).zip(&layer.biases) {
                let bias = bias.as_ref().map_or(Epilogue::None, Epilogue::Bias);
                (self.linear).encode(e, w, normed, bias, &self.scratch, out)?;
            }
        }
        between.iter().try_for_each(|x| Ok(e.discard(x.view())?))
    }

    fn cached(&self, layer: &Layer, heads: Heads) -> Cached {
        const CAPACITY: usize = 300;
        let kv_heads = layer.outs[1].cols() / heads.dim;
        let shape = [kv_heads, CAPACITY, heads.dim];
        let filled = |seed| {
            let values = noise(seed, shape.iter().product());
            self.bench.floats(heads.cache, &shape, &values)
        };
        Cached {
            heads,
            caches: [21, 22].map(filled),
            norms: [23, 24].map(|seed| self.bench.f32(&[heads.dim], &noise(seed, heads.dim))),
            positions: self.bench.u32(&[1], &[heads.position]),
            frequencies: self.bench.frequencies(heads.dim),
        }
    }

    /// Encodes attention of the layer's queries to what is cached, and then the layer.
    fn encode_attended(
        &self,
        e: &mut CommandEncoder,
        layer: &Layer,
        cached: &Cached,
        next: bool,
    ) -> Result<()> {
        let dim = cached.heads.dim;
        let cut = |x: &Tensor| x.reshape(&[1, x.cols() / dim, dim]);
        let [q, k, v] = &layer.outs;
        let (q, k, v, out) = (cut(q)?, cut(k)?, cut(v)?, cut(&layer.attended)?);
        let [q_norm, k_norm] = &cached.norms;
        let [k_cache, v_cache] = &cached.caches;
        let norms = Norms {
            q: q_norm,
            k: k_norm,
            eps: EPS,
        };
        let operands = Operands {
            q: &q,
            k: &k,
            v: &v,
            positions: &cached.positions,
            frequencies: &cached.frequencies,
            layout: Layout::Halves,
            norms: cached.heads.normed.then_some(norms),
            k_cache,
            v_cache,
        };
        self.append.encode(e, &operands)?;
        let options = AttentionOptions {
            scale: 0.2,
            softcap: None,
        };
        let at = &cached.positions;
        (self.attention).encode(e, &q, k_cache, v_cache, at, options, &out)?;
        self.encode(e, layer, next)?;
        e.discard(out.view())?;
        match next {
            true => Ok(()),
            false => Ok(e.discard(q.view())?),
        }
    }

    /// Has a layer fused, and checks that it is one chain.
    fn chained(&self, layer: &Layer, next: bool) -> Fusing<'_> {
        self.allow(layer, 1);
        let plan = Fusing::new(&self.bench, &self.rules(), |e| self.encode(e, layer, next));
        assert_eq!(plan.ops(), ["matvec_chain"], "{}", plan.misses());
        plan
    }

    /// Fuses attention of the layer's queries to what is cached and the layer, of which chains are allowed.
    fn attended(&self, layer: &Layer, cached: &Cached, next: bool) -> Fusing<'_> {
        self.allow(layer, 1);
        Fusing::new(&self.bench, &self.rules(), |e| {
            self.encode_attended(e, layer, cached, next)
        })
    }

    /// Lets chains of `layer` have so many workgroups for each of the device's units.
    fn allow(&self, layer: &Layer, workgroups: u32) {
        let dtype = layer.gate.dtype().name().to_lowercase();
        let (rows, cols) = (layer.gate.rows(), layer.gate.cols());
        let name = format!("matvec_chain {dtype} {rows}x{cols} x1 workgroups a unit");
        self.tuning.set(&name, workgroups);
    }

    fn rules(&self) -> Vec<dacapo::FusionRule> {
        [
            self.linear.fusion_rules(),
            self.attention.fusion_rules(),
            self.linear.chain_rules(&self.attention),
        ]
        .concat()
    }
}

impl Layer {
    /// What a chain leaves.
    fn kept(&self, next: bool) -> Vec<&Tensor> {
        match next {
            true => [&self.hidden].into_iter().chain(&self.outs).collect(),
            false => vec![&self.hidden],
        }
    }

    fn vanishing(&self) -> Vec<&Tensor> {
        self.between.iter().collect()
    }
}
