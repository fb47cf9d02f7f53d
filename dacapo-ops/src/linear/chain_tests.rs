//! Products between attentions in one dispatch, beside the same products one after the other.

use dacapo::{CommandEncoder, DeviceKind, Graph, PlanOptions};

use super::*;
use crate::add::Add;
use crate::attention::{Attention, AttentionOptions};
use crate::error::Error;
use crate::fusing::Fusing;
use crate::reference::{Bench, noise};
use crate::rms_norm::RmsNorm;
use crate::rope::Layout;
use crate::rope_append::{Norms, Operands, RopeAppend};
use crate::silu_mul::SiluMul;
use crate::testing::{Case, Random, vulkan};
use crate::tuning::Tuning;

const EPS: f32 = 1e-5;
const ATTENDED: [&str; 2] = [
    "attention and products up to the next",
    "attention and products after it",
];
const BETWEEN: &str = "products between attentions";
const AFTER: &str = "products after attention";

/// Widths of a layer: of the residual stream, of all queries, of keys, of the gated unit.
#[derive(Clone, Copy)]
struct Widths {
    hidden: usize,
    queries: usize,
    keys: usize,
    gated: usize,
}

/// One where lanes have several turns, one where they have less than one, one whose rows fill no block.
const WIDTHS: [Widths; 3] = [
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

    fn layer(&self, dtype: DType, widths: Widths) -> Layer {
        let Widths {
            hidden,
            queries,
            keys,
            gated,
        } = widths;
        let weights = |seed: u64, rows, cols| {
            let case = Case::new(&mut Random::new(seed), dtype, rows, cols);
            self.linear
                .weights(&self.bench.device, "w", &case.matrix())
                .unwrap()
        };
        let row = |seed, width| self.bench.f32(&[1, width], &noise(seed, width));
        let vector = |seed| self.bench.f32(&[hidden], &noise(seed, hidden));
        Layer {
            output: weights(1, hidden, queries),
            gate: weights(2, gated, hidden),
            up: weights(3, gated, hidden),
            down: weights(4, hidden, gated),
            qkv: [queries, keys, keys].map(|rows| weights(5 + rows as u64, rows, hidden)),
            norms: [vector(11), vector(12)],
            attended: row(13, queries),
            hidden: row(14, hidden),
            between: [hidden, hidden, gated, gated, gated].map(|width| row(15, width)),
            outs: [queries, keys, keys].map(|width| row(16, width)),
        }
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
            for (w, out) in layer.qkv.iter().zip(&layer.outs) {
                product(e, w, normed, out)?;
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

#[test]
fn chains_compute_what_their_products_do() {
    let Some(s) = Setup::new() else { return };
    for (dtype, next) in [(DType::BF16, true), (DType::F16, false), (DType::F32, true)] {
        for widths in WIDTHS {
            let layer = s.layer(dtype, widths);
            s.allow(&layer, 1);
            let plan = Fusing::new(&s.bench, &s.rules(), |e| s.encode(e, &layer, next));
            assert_eq!(plan.ops(), ["matvec_chain"], "{}", plan.misses());
            let kept: Vec<&Tensor> = match next {
                true => [&layer.hidden].into_iter().chain(&layer.outs).collect(),
                false => vec![&layer.hidden],
            };
            let vanishing: Vec<&Tensor> = layer.between.iter().collect();
            // The counter is left as it was: the second run meets, too.
            for _ in 0..2 {
                plan.agrees_but(&kept, &vanishing, 1e5);
            }
            s.linear.check_met().unwrap();
        }
    }
}

/// Queries that share a key or not, one round of positions or several, a key of its own at the first and at a later one.
#[test]
fn chains_begin_with_attention() {
    let Some(s) = Setup::new() else { return };
    let heads = Heads {
        dim: 64,
        cache: DType::F16,
        normed: false,
        position: 270,
    };
    let few = Widths {
        queries: 128,
        keys: 64,
        ..WIDTHS[1]
    };
    let cases = [
        (WIDTHS[0], heads, true),
        (WIDTHS[0], heads, false),
        (
            few,
            Heads {
                dim: 32,
                normed: true,
                position: 0,
                ..heads
            },
            true,
        ),
        (
            few,
            Heads {
                dim: 16,
                cache: DType::F32,
                position: 431,
                ..heads
            },
            false,
        ),
    ];
    for (widths, heads, next) in cases {
        let layer = s.layer(DType::BF16, widths);
        let cached = s.cached(&layer, heads);
        s.allow(&layer, 1);
        let plan = Fusing::new(&s.bench, &s.rules(), |e| {
            s.encode_attended(e, &layer, &cached, next)
        });
        assert_eq!(plan.ops(), ["matvec_chain"], "{}", plan.misses());
        let rule = ATTENDED[usize::from(!next)];
        plan.fired_last(rule);
        let mut kept = vec![&layer.hidden];
        kept.extend(&cached.caches);
        if next {
            kept.extend(&layer.outs);
        }
        let mut vanishing: Vec<&Tensor> = layer.between.iter().collect();
        vanishing.push(&layer.attended);
        if !next {
            vanishing.push(&layer.outs[0]);
        }
        for _ in 0..2 {
            plan.agrees_but(&kept, &vanishing, 1e5);
        }
        s.linear.check_met().unwrap();
    }
}

#[test]
fn attention_stays_apart_where_that_is_faster() {
    let Some(s) = Setup::new() else { return };
    let layer = s.layer(DType::BF16, WIDTHS[0]);
    let heads = Heads {
        dim: 64,
        cache: DType::F16,
        normed: false,
        position: 3,
    };
    let cached = s.cached(&layer, heads);
    s.allow(&layer, 1);
    let (rows, cols) = (layer.gate.rows(), layer.gate.cols());
    s.tuning
        .set(&format!("matvec_chain bf16 {rows}x{cols} x1 attention"), 0);
    let plan = Fusing::new(&s.bench, &s.rules(), |e| {
        s.encode_attended(e, &layer, &cached, true)
    });
    assert_eq!(plan.ops(), ["rope_append_attention", "matvec_chain"]);
}

/// Chains of two layers that have nothing to do with each other: as they meet through the same memory, they do not run at
/// the same time, which might be more workgroups than the device has room for.
#[test]
fn chains_take_turns() {
    let Some(s) = Setup::new() else { return };
    let [one, other] = [(); 2].map(|()| s.layer(DType::BF16, WIDTHS[1]));
    s.allow(&one, 1);
    let graph = Graph::capture(&s.bench.device, |e| {
        s.encode(e, &one, true)?;
        s.encode(e, &other, false)
    })
    .unwrap();
    let rules = s.rules();
    let options = PlanOptions {
        rules: &rules,
        ..PlanOptions::default()
    };
    let plan = graph.plan(&options).unwrap();
    let nodes = plan.graph().nodes().iter();
    let ops: Vec<&str> = nodes.map(|node| node.op_kind()).collect();
    assert_eq!(ops, ["matvec_chain"; 2]);
    assert_eq!(plan.barriers().len(), 1);
}

#[test]
fn nothing_waits_unless_somebody_has_measured_it() {
    let Some(s) = Setup::new() else { return };
    let layer = s.layer(DType::BF16, WIDTHS[1]);
    let plan = Fusing::new(&s.bench, &s.rules(), |e| s.encode(e, &layer, true));
    let products = ["matvec_add", "matvec_gate_up", "matvec_add", "matvec_each"];
    assert_eq!(plan.ops(), products);
    for rule in [BETWEEN, AFTER] {
        assert!(plan.misses().contains(rule), "{}", plan.misses());
    }
    assert!(plan.misses().contains("dacapo tune"), "{}", plan.misses());
}

#[test]
fn what_does_not_fit_stays_apart() {
    let Some(s) = Setup::new() else { return };
    // Two planes each: more than a dispatch binds.
    let layer = s.layer(DType::Q8_0, WIDTHS[1]);
    s.allow(&layer, 1);
    let plan = Fusing::new(&s.bench, &s.rules(), |e| s.encode(e, &layer, true));
    assert_eq!(plan.ops().len(), 4);
    assert!(
        plan.misses().contains("scales beside them"),
        "{}",
        plan.misses()
    );
}

#[test]
fn who_waits_in_vain_says_so() {
    let Some(s) = Setup::new() else { return };
    let layer = s.layer(DType::BF16, WIDTHS[1]);
    s.allow(&layer, 4);
    let rules = s.rules();
    let graph = Graph::capture(&s.bench.device, |e| s.encode(e, &layer, true)).unwrap();
    let options = PlanOptions {
        rules: &rules,
        ..PlanOptions::default()
    };
    let plan = graph.plan(&options).unwrap();
    let replay = || plan.graph().replay("test").unwrap().wait().unwrap();
    replay();
    let met = s.linear.check_met();
    let is_serial = s.bench.device.info().kind == DeviceKind::SoftwareGpu
        && std::env::var("LP_NUM_THREADS").is_ok_and(|threads| threads == "0");
    if is_serial {
        assert!(matches!(met, Err(Error::Apart { .. })), "{met:?}");
    }
    // One workgroup does not wait, and finds the counters as they should be.
    s.allow(&layer, 1);
    s.linear.check_met().unwrap();
    let plan = Fusing::new(&s.bench, &rules, |e| s.encode(e, &layer, true));
    assert_eq!(plan.ops(), ["matvec_chain"]);
    plan.agrees_but(&[&layer.hidden], &layer.between.each_ref(), 1e5);
    s.linear.check_met().unwrap();
}
