use dacapo::{CommandEncoder, FusionRule};

use super::{Attention, AttentionOptions};
use crate::dtype::DType;
use crate::fusing::Fusing;
use crate::reference::{Bench, noise, on_devices};
use crate::rope::Layout;
use crate::rope_append::{Norms, Operands, RopeAppend};
use crate::tensor::Tensor;

const RULE: &str = "rope append, attention";

#[derive(Clone, Copy)]
struct Shape {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    capacity: usize,
    /// Elements that turn.
    dims: usize,
    cache: DType,
    layout: Layout,
    normed: bool,
    softcap: Option<f32>,
}

const SHAPE: Shape = Shape {
    heads: 8,
    kv_heads: 2,
    head_dim: 32,
    capacity: 70,
    dims: 32,
    cache: DType::F16,
    layout: Layout::Pairs,
    normed: false,
    softcap: None,
};

struct Setup {
    shape: Shape,
    rules: Vec<FusionRule>,
    append: RopeAppend,
    attention: Attention,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    weights: [Tensor; 2],
    positions: Tensor,
    table: Tensor,
    caches: [Tensor; 2],
    out: Tensor,
}

impl Setup {
    fn new(bench: &Bench, shape: Shape, positions: &[u32]) -> Setup {
        let Shape {
            heads,
            kv_heads,
            head_dim,
            capacity,
            dims,
            cache,
            ..
        } = shape;
        let tokens = positions.len();
        let rows = |seed, heads| {
            let elements = tokens * heads * head_dim;
            bench.f32(&[tokens, heads, head_dim], &noise(seed, elements))
        };
        let filled = |seed| {
            let values = noise(seed, kv_heads * capacity * head_dim);
            bench.floats(cache, &[kv_heads, capacity, head_dim], &values)
        };
        let attention = Attention::new(&bench.device).unwrap();
        Setup {
            shape,
            rules: attention.fusion_rules(),
            append: RopeAppend::new(&bench.device).unwrap(),
            attention,
            q: rows(1, heads),
            k: rows(2, kv_heads),
            v: rows(3, kv_heads),
            weights: [4, 5].map(|seed| bench.f32(&[head_dim], &noise(seed, head_dim))),
            positions: bench.u32(&[tokens], positions),
            table: bench.frequencies(dims),
            caches: [6, 7].map(filled),
            out: rows(8, heads),
        }
    }

    fn append(&self, e: &mut CommandEncoder) -> crate::Result<()> {
        let [q_norm, k_norm] = &self.weights;
        let norms = self.shape.normed.then_some(Norms {
            q: q_norm,
            k: k_norm,
            eps: 1e-6,
        });
        let [k_cache, v_cache] = &self.caches;
        let operands = Operands {
            q: &self.q,
            k: &self.k,
            v: &self.v,
            positions: &self.positions,
            frequencies: &self.table,
            layout: self.shape.layout,
            norms,
            k_cache,
            v_cache,
        };
        self.append.encode(e, &operands)
    }

    fn attend(&self, e: &mut CommandEncoder) -> crate::Result<()> {
        let options = AttentionOptions {
            scale: 0.2,
            softcap: self.shape.softcap,
        };
        let [k, v] = &self.caches;
        let (at, out) = (&self.positions, &self.out);
        self.attention.encode(e, &self.q, k, v, at, options, out)
    }

    fn both(&self, e: &mut CommandEncoder) -> crate::Result<()> {
        self.append(e)?;
        self.attend(e)?;
        Ok(e.discard(self.q.view())?)
    }

    /// All but q, whose value vanishes.
    fn kept(&self) -> [&Tensor; 3] {
        [&self.out, &self.caches[0], &self.caches[1]]
    }

    fn joins(&self, bench: &Bench) {
        let fusing = Fusing::new(bench, &self.rules, |e| self.both(e));
        fusing
            .fired(&[RULE])
            .agrees_but(&self.kept(), &[&self.q], 4.0);
        assert_eq!(fusing.ops(), ["rope_append_attention"]);
    }
}

/// Runs a test on every GPU; processors take the operations apart.
fn on_gpus(test: impl Fn(&Bench)) {
    on_devices(|bench| {
        if bench.device.gpu().is_some() {
            test(bench);
        }
    });
}

#[test]
fn attention_joins_the_append() {
    on_gpus(|bench| {
        for cache in [DType::F16, DType::F32] {
            for layout in [Layout::Pairs, Layout::Halves] {
                for normed in [false, true] {
                    let shape = Shape {
                        cache,
                        layout,
                        normed,
                        ..SHAPE
                    };
                    Setup::new(bench, shape, &[37]).joins(bench);
                }
            }
        }
    });
}

#[test]
fn at_every_place_of_the_ring() {
    on_gpus(|bench| {
        for position in [0, 1, 2, 31, 32, 68, 69, 70, 71, 139, 140, 200] {
            Setup::new(bench, SHAPE, &[position]).joins(bench);
        }
    });
}

#[test]
fn groups_and_widths() {
    on_gpus(|bench| {
        let lanes = bench.device.gpu().unwrap().subgroup_size as usize;
        for (heads, kv_heads, head_dim, cache) in [
            (3, 1, 64, DType::F16),
            (8, 1, 64, DType::F16),
            (2, 2, 128, DType::F16),
            (14, 2, 16, DType::F32),
            (6, 3, 8, DType::F16),
        ] {
            let chunk = if cache == DType::F16 { 8 } else { 4 };
            if head_dim / chunk > lanes {
                continue;
            }
            let shape = Shape {
                heads,
                kv_heads,
                head_dim,
                // Not all elements turn.
                dims: head_dim - 4,
                cache,
                softcap: Some(5.0),
                ..SHAPE
            };
            Setup::new(bench, shape, &[66]).joins(bench);
        }
    });
}

#[test]
fn contexts_that_workgroups_share() {
    on_gpus(|bench| {
        let positions = match bench.is_interpreted() {
            true => &[700, 2500][..],
            false => &[255, 256, 257, 511, 700, 1999, 2000, 2500, 131_071],
        };
        for &position in positions {
            let shape = Shape {
                heads: 4,
                kv_heads: 1,
                capacity: 2000,
                ..SHAPE
            };
            Setup::new(bench, shape, &[position]).joins(bench);
        }
    });
}

#[test]
fn what_does_not_join() {
    on_gpus(|bench| {
        let stays = |shape, positions: &[u32], reason| {
            let s = Setup::new(bench, shape, positions);
            Fusing::new(bench, &s.rules, |e| s.both(e))
                .stays(reason)
                .agrees_but(&s.kept(), &[&s.q], 4.0);
        };
        stays(SHAPE, &[3, 4], "it takes one token, not 2");
        let many = Shape {
            heads: 9,
            kv_heads: 1,
            ..SHAPE
        };
        stays(many, &[3], "9 queries share a key, at most 8 can");
        let odd = Shape {
            head_dim: 24,
            dims: 24,
            ..SHAPE
        };
        stays(odd, &[3], "not shared by a power of two");
        // Somebody needs the queries that turned.
        let s = Setup::new(bench, SHAPE, &[3]);
        Fusing::new(bench, &s.rules, |e| {
            s.append(e)?;
            s.attend(e)
        })
        .stays("it is neither overwritten nor discarded")
        .agrees(&[&s.q, &s.out, &s.caches[0], &s.caches[1]], 4.0);
    });
}

#[test]
fn processors_take_it_apart() {
    on_devices(|bench| {
        if bench.device.gpu().is_none() {
            assert!(Setup::new(bench, SHAPE, &[3]).rules.is_empty());
        }
    });
}
