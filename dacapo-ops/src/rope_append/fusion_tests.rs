use super::RopeAppend;
use crate::dtype::DType;
use crate::fusing::Fusing;
use crate::kv_append::KvAppend;
use crate::reference::{Bench, noise, on_devices};
use crate::rms_norm::RmsNorm;
use crate::rope::{Layout, Rope};
use crate::tensor::Tensor;
use dacapo::{CommandEncoder, FusionRule};

const PLAIN: &str = "rope, kv append";
const NORMED: &str = "head norms, rope, kv append";
const EPS: f32 = 1e-6;

struct Setup {
    rules: Vec<FusionRule>,
    norm: RmsNorm,
    rope: Rope,
    append: KvAppend,
    /// `[32, 4, 16]`.
    q: Tensor,
    /// `[32, 2, 16]`.
    k: Tensor,
    v: Tensor,
    /// `[16]`.
    weights: [Tensor; 2],
    positions: Tensor,
    table: Tensor,
    /// `[2, 40, 16]`.
    caches: [Tensor; 2],
}

impl Setup {
    fn new(bench: &Bench, cache: DType) -> Setup {
        let heads = |seed, heads| bench.f32(&[32, heads, 16], &noise(seed, 32 * heads * 16));
        let positions: Vec<u32> = (100..132).collect();
        Setup {
            rules: RopeAppend::new(&bench.device).unwrap().fusion_rules(),
            norm: RmsNorm::new(&bench.device).unwrap(),
            rope: Rope::new(&bench.device).unwrap(),
            append: KvAppend::new(&bench.device).unwrap(),
            q: heads(1, 4),
            k: heads(2, 2),
            v: heads(3, 2),
            weights: [4, 5].map(|seed| bench.f32(&[16], &noise(seed, 16))),
            positions: bench.u32(&[32], &positions),
            table: bench.frequencies(16),
            caches: [(); 2].map(|()| bench.zeros(cache, &[2, 40, 16])),
        }
    }

    fn rope(&self, e: &mut CommandEncoder, x: &Tensor) -> crate::Result<()> {
        self.rope
            .encode(e, x, &self.positions, &self.table, Layout::Pairs)
    }

    fn norms(&self, e: &mut CommandEncoder, eps: [f32; 2]) -> crate::Result<()> {
        let [q, k] = &self.weights;
        self.norm.encode_heads(e, &self.q, q, eps[0])?;
        self.norm.encode_heads(e, &self.k, k, eps[1])
    }

    fn append(&self, e: &mut CommandEncoder) -> crate::Result<()> {
        let [k_cache, v_cache] = &self.caches;
        self.append
            .encode(e, &self.k, &self.v, &self.positions, k_cache, v_cache)
    }

    /// All but k, whose value vanishes.
    fn kept(&self) -> [&Tensor; 4] {
        [&self.q, &self.v, &self.caches[0], &self.caches[1]]
    }
}

/// Runs a test on fresh tensors on every device, with caches of both types.
fn with_setups(test: impl Fn(&Bench, &Setup)) {
    on_devices(|bench| {
        for cache in [DType::F16, DType::F32] {
            test(bench, &Setup::new(bench, cache));
        }
    });
}

#[test]
fn rotations_join_the_append() {
    with_setups(|bench, s| {
        for layout in [Layout::Pairs, Layout::Halves] {
            for q_first in [true, false] {
                let fusing = Fusing::new(bench, &s.rules, |e| {
                    let order = if q_first { [&s.q, &s.k] } else { [&s.k, &s.q] };
                    for x in order {
                        s.rope.encode(e, x, &s.positions, &s.table, layout)?;
                    }
                    s.append(e)?;
                    Ok(e.discard(s.k.view())?)
                });
                fusing.fired(&[PLAIN]).agrees_but(&s.kept(), &[&s.k], 2.0);
                assert_eq!(fusing.ops(), ["rope_append"]);
            }
        }
    });
}

#[test]
fn norms_join_too() {
    with_setups(|bench, s| {
        let fusing = Fusing::new(bench, &s.rules, |e| {
            s.norms(e, [EPS; 2])?;
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        });
        fusing.fired(&[NORMED]).agrees_but(&s.kept(), &[&s.k], 4.0);
        assert_eq!(fusing.ops(), ["rope_append"]);
        // Different epsilons: the norms stay, as does a norm of q alone.
        let fusing = Fusing::new(bench, &s.rules, |e| {
            s.norms(e, [EPS, 1e-3])?;
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        });
        fusing.fired(&[PLAIN]).agrees_but(&s.kept(), &[&s.k], 4.0);
        assert_eq!(fusing.ops().len(), 3);
        // Norms of whole rows, not of heads.
        let [q_row, k_row] = [64, 32].map(|width| bench.f32(&[width], &noise(6, width)));
        let fusing = Fusing::new(bench, &s.rules, |e| {
            s.norm
                .encode_heads(e, &s.q.reshape(&[32, 64])?, &q_row, EPS)?;
            s.norm
                .encode_heads(e, &s.k.reshape(&[32, 32])?, &k_row, EPS)?;
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        });
        fusing.fired(&[PLAIN]).agrees_but(&s.kept(), &[&s.k], 8.0);
        assert_eq!(fusing.ops().len(), 3);
        let fusing = Fusing::new(bench, &s.rules, |e| {
            s.norm.encode_heads(e, &s.q, &s.weights[0], EPS)?;
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        });
        fusing.fired(&[PLAIN]).agrees_but(&s.kept(), &[&s.k], 4.0);
        assert_eq!(fusing.ops(), ["rms_norm_in_place", "rope_append"]);
    });
}

/// Layers that use the same memory for q, k and v, as models do: k is overwritten by the next.
#[test]
fn layers_one_after_the_other() {
    with_setups(|bench, s| {
        let other = Setup::new(bench, s.caches[0].dtype());
        let fusing = Fusing::new(bench, &s.rules, |e| {
            for caches in [&s.caches, &other.caches, &s.caches] {
                e.copy(other.k.view(), s.k.view())?;
                s.norms(e, [EPS; 2])?;
                s.rope(e, &s.q)?;
                s.rope(e, &s.k)?;
                let [k_cache, v_cache] = caches;
                s.append
                    .encode(e, &s.k, &s.v, &s.positions, k_cache, v_cache)?;
            }
            Ok(e.discard(s.k.view())?)
        });
        let [k_cache, v_cache] = &other.caches;
        let kept = [&s.kept()[..], &[k_cache, v_cache]].concat();
        fusing.fired(&[NORMED; 3]).agrees_but(&kept, &[&s.k], 16.0);
        let ops = ["copy", "rope_append"];
        assert_eq!(fusing.ops().iter().filter(|op| ops.contains(op)).count(), 6);
    });
}

#[test]
fn keys_that_somebody_else_needs() {
    with_setups(|bench, s| {
        let spare = bench.zeros(DType::F32, &[32, 2, 16]);
        let all = [&s.kept()[..], &[&s.k, &spare]].concat();
        Fusing::new(bench, &s.rules, |e| {
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            s.append(e)
        })
        .stays("it is neither overwritten nor discarded")
        .agrees(&all, 2.0);
        for before in [true, false] {
            let fusing = Fusing::new(bench, &s.rules, |e| {
                s.rope(e, &s.q)?;
                s.rope(e, &s.k)?;
                if before {
                    e.copy(s.k.view(), spare.view())?;
                    s.append(e)?;
                } else {
                    s.append(e)?;
                    e.copy(s.k.view(), spare.view())?;
                }
                Ok(e.discard(s.k.view())?)
            });
            let reader = if before { 2 } else { 3 };
            let reason = format!("node {reader} uses the value between them, too");
            fusing.stays(&reason).agrees(&all, 2.0);
        }
    });
}

#[test]
fn heads_that_do_not_fit_together() {
    with_setups(|bench, s| {
        let all = [&s.kept()[..], &[&s.k]].concat();
        let halved = s.k.reshape(&[32, 4, 8]).unwrap();
        let other = bench.frequencies(8);
        let refused = "have different heads or layouts";
        // As other heads, by other layouts.
        Fusing::new(bench, &s.rules, |e| {
            let q = s.q.reshape(&[32, 8, 8])?;
            s.rope.encode(e, &q, &s.positions, &other, Layout::Pairs)?;
            s.rope
                .encode(e, &halved, &s.positions, &other, Layout::Pairs)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        })
        .stays(refused)
        .agrees(&all, 2.0);
        Fusing::new(bench, &s.rules, |e| {
            s.rope
                .encode(e, &s.q, &s.positions, &s.table, Layout::Pairs)?;
            s.rope
                .encode(e, &s.k, &s.positions, &s.table, Layout::Halves)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        })
        .stays(refused)
        .agrees(&all, 2.0);
        // By other angles.
        Fusing::new(bench, &s.rules, |e| {
            s.rope(e, &s.q)?;
            s.rope
                .encode(e, &s.k, &s.positions, &other, Layout::Pairs)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        })
        .unseen()
        .agrees(&all, 2.0);
        // Only some of the tokens.
        Fusing::new(bench, &s.rules, |e| {
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            let part = |x: &Tensor| x.narrow(0, 16, 32);
            let [k_cache, v_cache] = &s.caches;
            let (k, v, at) = (part(&s.k)?, part(&s.v)?, part(&s.positions)?);
            s.append.encode(e, &k, &v, &at, k_cache, v_cache)?;
            Ok(e.discard(s.k.view())?)
        })
        .stays("node 2 reads other bytes than were written")
        .agrees(&all, 2.0);
    });
}

#[test]
fn what_stands_between() {
    with_setups(|bench, s| {
        let all = [&s.kept()[..], &[&s.k]].concat();
        // Somebody needs the turned q, and writes the values.
        let part = s.q.view().slice(..s.v.view().len()).unwrap();
        Fusing::new(bench, &s.rules, |e| {
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            e.copy(&part, s.v.view())?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        })
        .stays("node 2 stands between them")
        .agrees(&all, 2.0);
        Fusing::new(bench, &s.rules, |e| {
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            e.barrier();
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        })
        .stays("the caller put a barrier in front of node 2");
        // Positions change on the way.
        let positions = [&all[..], &[&s.positions]].concat();
        Fusing::new(bench, &s.rules, |e| {
            s.rope(e, &s.q)?;
            e.fill(s.positions.view(), 0)?;
            s.rope(e, &s.k)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        })
        .unseen()
        .agrees(&positions, 2.0);
        // Values that come late are no obstacle.
        Fusing::new(bench, &s.rules, |e| {
            s.rope(e, &s.q)?;
            s.rope(e, &s.k)?;
            e.fill(s.v.view(), 0x3f)?;
            s.append(e)?;
            Ok(e.discard(s.k.view())?)
        })
        .fired(&[PLAIN])
        .agrees_but(&s.kept(), &[&s.k], 2.0);
    });
}
