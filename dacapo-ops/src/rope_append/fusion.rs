//! Rotations and the append that follows become one dispatch.

use dacapo::{FusionRule, Link, Match, Unfit};

use super::{Norms, Operands, Params, RopeAppend};
use crate::dtype::DType;
use crate::rope::Layout;
use crate::tensor::Tensor;
use crate::{kv_append, rms_norm, rope};

/// Places of the nodes in the rules.
const Q: usize = 0;
const K: usize = 1;
const APPEND: usize = 2;
const Q_NORM: usize = 3;
const K_NORM: usize = 4;

/// q and k turn by the same angles; k, which the cache gets, is needed nowhere else.
const LINKS: [Link; 4] = [
    Link::Shared((Q, 1), (K, 1)),
    Link::Shared((Q, 2), (K, 2)),
    Link::Vanishing {
        from: (K, 0),
        to: (APPEND, 0),
    },
    Link::Shared((K, 1), (APPEND, 2)),
];

const NORM_LINKS: [Link; 2] = [
    Link::Passed {
        from: (Q_NORM, 0),
        to: (Q, 0),
    },
    Link::Vanishing {
        from: (K_NORM, 0),
        to: (K, 0),
    },
];

impl RopeAppend {
    /// Norms of heads, rotations and the append become one dispatch; without the norms, too.
    pub fn fusion_rules(&self) -> Vec<FusionRule> {
        let op = self.clone();
        let normed = FusionRule::new(
            "head norms, rope, kv append",
            &[
                "rope",
                "rope",
                "kv_append",
                "rms_norm_in_place",
                "rms_norm_in_place",
            ],
            &[&LINKS[..], &NORM_LINKS].concat(),
            move |found, encoder| {
                let norms = [Q_NORM, K_NORM].map(|place| norm(found, place));
                let [(q, eps), (k, k_eps)] = lift(norms)?;
                if eps.to_bits() != k_eps.to_bits() {
                    let message = format!("the norms have different epsilons, {eps} and {k_eps}");
                    return Err(Unfit::new(message));
                }
                let norms = Norms { q: &q, k: &k, eps };
                Bound::new(found)?.encode(&op, encoder, Some(norms))
            },
        );
        let op = self.clone();
        let plain = FusionRule::new(
            "rope, kv append",
            &["rope", "rope", "kv_append"],
            &LINKS,
            move |found, encoder| Bound::new(found)?.encode(&op, encoder, None),
        );
        vec![normed, plain]
    }
}

/// Where the operands are bound, but for norms: q, k and v; keys and values of the cache.
struct Ports {
    rows: [(usize, u32); 3],
    positions: (usize, u32),
    frequencies: (usize, u32),
    caches: [(usize, u32); 2],
}

/// The operands of matched nodes, but for norms.
struct Bound {
    rows: [Tensor; 3],
    positions: Tensor,
    frequencies: Tensor,
    layout: Layout,
    caches: [Tensor; 2],
}

impl Bound {
    fn new(found: &Match<'_>) -> Result<Bound, Unfit> {
        let of_q = found.inline::<rope::Params>(Q)?;
        let of_k = found.inline::<rope::Params>(K)?;
        let append = found.inline::<kv_append::Params>(APPEND)?;
        let shapes = [
            (of_q.head_dim, of_q.layout),
            (of_k.head_dim, of_k.layout),
            (append.head_dim, of_k.layout),
        ];
        if shapes.iter().any(|shape| *shape != shapes[0]) || of_k.heads != append.kv_heads {
            return Err(Unfit::new(
                "the rotations of q and k and the cache have different heads or layouts",
            ));
        }
        let ports = Ports {
            rows: [(Q, 0), (K, 0), (APPEND, 1)],
            positions: (Q, 1),
            frequencies: (Q, 2),
            caches: [(APPEND, 3), (APPEND, 4)],
        };
        let params = Params {
            heads: of_q.heads,
            kv_heads: append.kv_heads,
            head_dim: append.head_dim,
            capacity: append.capacity,
            layout: of_q.layout,
            eps: 0.0,
        };
        Bound::at(found, &ports, &params)
    }

    /// What is bound at these ports, of the sizes in `params`.
    fn at(found: &Match<'_>, ports: &Ports, params: &Params) -> Result<Bound, Unfit> {
        let [heads, kv_heads, head_dim, capacity] = [
            params.heads,
            params.kv_heads,
            params.head_dim,
            params.capacity,
        ]
        .map(|n| n as usize);
        let positions = u32s(found, ports.positions)?;
        let table = u32s(found, ports.frequencies)?;
        let tokens = positions.elements();
        let rows = |port, heads| f32s(found, port, &[tokens, heads, head_dim]);
        let cache = |port| cache(found, port, [kv_heads, capacity, head_dim]);
        let ([q, k, v], [k_cache, v_cache]) = (ports.rows, ports.caches);
        Ok(Bound {
            rows: [rows(q, heads)?, rows(k, kv_heads)?, rows(v, kv_heads)?],
            frequencies: table.reshape(&[table.elements() / 2, 2])?,
            positions,
            layout: Layout::of_number(params.layout),
            caches: [cache(k_cache)?, cache(v_cache)?],
        })
    }

    fn encode(
        &self,
        op: &RopeAppend,
        encoder: &mut dacapo::CommandEncoder,
        norms: Option<Norms<'_>>,
    ) -> Result<(), Unfit> {
        Ok(op.encode(encoder, &self.operands(norms))?)
    }

    fn operands<'a>(&'a self, norms: Option<Norms<'a>>) -> Operands<'a> {
        let [q, k, v] = &self.rows;
        let [k_cache, v_cache] = &self.caches;
        Operands {
            q,
            k,
            v,
            positions: &self.positions,
            frequencies: &self.frequencies,
            layout: self.layout,
            norms,
            k_cache,
            v_cache,
        }
    }
}

/// The weight and the epsilon of a norm of heads.
fn norm(found: &Match<'_>, place: usize) -> Result<(Tensor, f32), Unfit> {
    let params = found.inline::<rms_norm::Params>(place)?;
    let weight = f32s(found, (place, 1), &[params.width as usize])?;
    Ok((weight, params.eps))
}

fn lift<T>([a, b]: [Result<T, Unfit>; 2]) -> Result<[T; 2], Unfit> {
    Ok([a?, b?])
}

/// What a dispatch was encoded with, read back from a node.
pub(crate) struct Recorded {
    bound: Bound,
    norms: Option<([Tensor; 2], f32)>,
}

impl Recorded {
    pub(crate) fn new(found: &Match<'_>, place: usize) -> Result<Recorded, Unfit> {
        let params = found.inline::<Params>(place)?;
        let ports = Ports {
            rows: [0, 1, 2].map(|slot| (place, slot)),
            positions: (place, 5),
            frequencies: (place, 6),
            caches: [3, 4].map(|slot| (place, slot)),
        };
        let weight = |slot| f32s(found, (place, slot), &[params.head_dim as usize]);
        let norms = match found.view(place, 7) {
            Ok(_) => Some(([weight(7)?, weight(8)?], params.eps)),
            Err(_) => None,
        };
        Ok(Recorded {
            bound: Bound::at(found, &ports, &params)?,
            norms,
        })
    }

    pub(crate) fn operands(&self) -> Operands<'_> {
        let norms = self.norms.as_ref();
        self.bound
            .operands(norms.map(|([q, k], eps)| Norms { q, k, eps: *eps }))
    }
}

fn f32s(found: &Match<'_>, (place, slot): (usize, u32), shape: &[usize]) -> Result<Tensor, Unfit> {
    let view = found.view(place, slot)?.clone();
    Ok(Tensor::new(view, DType::F32, shape)?)
}

/// A cache of this shape, whose length tells its type.
pub(crate) fn cache(
    found: &Match<'_>,
    (place, slot): (usize, u32),
    shape: [usize; 3],
) -> Result<Tensor, Unfit> {
    let view = found.view(place, slot)?.clone();
    let elements = shape.into_iter().fold(1, usize::saturating_mul);
    let dtype = match view.len() == 2 * elements as u64 {
        true => DType::F16,
        false => DType::F32,
    };
    Ok(Tensor::new(view, dtype, &shape)?)
}

fn u32s(found: &Match<'_>, (place, slot): (usize, u32)) -> Result<Tensor, Unfit> {
    let view = found.view(place, slot)?.clone();
    let count = view.len() as usize / 4;
    Ok(Tensor::new(view, DType::U32, &[count])?)
}
