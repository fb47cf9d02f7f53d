//! One token in one dispatch: heads turn, keys and values go to the cache, and queries attend.

use bytemuck::{Pod, Zeroable};
use dacapo::{Arg, BufferView, CommandEncoder, Dispatched, Grid, KernelSource, Wgsl, Work};
use smallvec::SmallVec;

use super::{Gpu, MAX_PAIRS, MAX_SPLITS, Params, SplitParams, chunk, common, is_wide};
use crate::attention::{unfused, work};
use crate::dtype::DType;
use crate::error::Result;
use crate::rope_append::{self, Operands};
use crate::tensor::Tensor;
use crate::tuning::Key;

/// What a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    dtype: DType,
    head_dim: u32,
    /// Queries of a KV head that a workgroup takes.
    pairs: u32,
    /// Workgroups that share them all.
    sets: u32,
    normed: bool,
    shape: Shape,
}

/// How the work of a token is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape {
    threads: u32,
    subgroups: u32,
    /// Positions that a lane has at the same time.
    batch: u32,
    /// Positions that are worth a workgroup of their own.
    least: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct StepParams {
    split: SplitParams,
    head_dim: u32,
    /// As in `rope_append`.
    pairs: u32,
    eps: f32,
}

/// Most bytes of workgroup memory for the sums of subgroups.
const MAX_SUMS: u32 = 16 << 10;

impl Gpu {
    /// Encodes rotation, append and attention of one token, with a region of scratch or the next one; operands have been
    /// checked.
    pub(in crate::attention) fn encode_step(
        &self,
        encoder: &mut CommandEncoder,
        operands: &Operands<'_>,
        out: &Tensor,
        params: Params,
        turning: rope_append::Params,
        scratch: Option<BufferView>,
    ) -> Result<()> {
        let (k_cache, v_cache) = (operands.k_cache, operands.v_cache);
        let step = self.step(operands, params)?;
        let splits = self.splits_of(
            step.shape.least,
            step.shape.threads,
            params.kv_heads * step.sets,
            step.pairs,
            params.head_dim,
            params.capacity,
        );
        let kernel = self.kernel(encoder, super::Variant::Step(step))?;
        let scratch = scratch.map_or_else(|| self.region(), Ok)?;
        let params = StepParams {
            split: SplitParams::new(params, splits),
            head_dim: params.head_dim,
            pairs: turning.layout,
            eps: turning.eps,
        };
        let tensors = [operands.q, k_cache, v_cache, operands.positions, out];
        let mut args: SmallVec<[Arg<'_>; 12]> =
            tensors.iter().map(|x| Arg::view(x.view())).collect();
        args.push(Arg::view(&scratch));
        let rows = [operands.k, operands.v, operands.frequencies];
        let norms = operands
            .norms
            .into_iter()
            .flat_map(|norms| [norms.q, norms.k]);
        args.extend(rows.into_iter().chain(norms).map(|x| Arg::view(x.view())));
        args.push(Arg::bytes(&params));
        let grid = Grid::groups([splits, params.split.kv_heads * step.sets, 1]);
        Ok(encoder.dispatch(&kernel, &args[..], grid)?)
    }

    fn step(&self, operands: &Operands<'_>, params: Params) -> Result<Step> {
        let Params {
            heads,
            kv_heads,
            head_dim,
            ..
        } = params;
        let (tokens, pairs) = (operands.positions.elements() as u32, heads / kv_heads);
        if tokens != 1 {
            return unfused(format!("it takes one token, not {tokens}"));
        }
        if pairs > MAX_PAIRS {
            return unfused(format!(
                "{pairs} queries share a key, at most {MAX_PAIRS} can"
            ));
        }
        let dtype = operands.k_cache.dtype();
        let chunks = head_dim / chunk(dtype);
        let lanes = self.subgroup;
        if !is_wide(operands.k_cache, operands.v_cache, head_dim)
            || !chunks.is_power_of_two()
            || chunks > lanes
        {
            return unfused(format!(
                "heads of {head_dim} elements of {dtype} are not shared by a power of two of at most {lanes} lanes"
            ));
        }
        let choose = |dimension, default, candidates: &[u32], fits: &dyn Fn(u32) -> bool| {
            let key = Key {
                op: "rope_append_attention",
                dtype,
                rows: heads,
                cols: head_dim,
                tokens,
                dimension,
            };
            self.tuning.choose(key, default, candidates, fits)
        };
        let divides = |queries: u32| pairs.is_multiple_of(queries);
        // More of them share what they read, fewer are done sooner: an H100 prefers one up to 2048 positions, two at 8000.
        let few = if divides(2) { 2 } else { 1 };
        let queries = choose("queries", few, &[1, 2, 4], &divides);
        let fits = |threads: u32| {
            threads >= lanes
                && threads <= self.limits.max_group_threads
                && threads / lanes * queries * head_dim * 4 <= MAX_SUMS
        };
        let mut threads = self.workgroup.max(lanes);
        while threads > lanes && !fits(threads) {
            threads /= 2;
        }
        let threads = choose("threads", threads, &[64, 128, 256, 512, 1024], &fits);
        Ok(Step {
            dtype,
            head_dim,
            pairs: queries,
            sets: pairs / queries,
            normed: operands.norms.is_some(),
            shape: Shape {
                threads,
                subgroups: threads / lanes,
                batch: choose("batch", 2, &[1, 2, 4], &|_| true),
                least: choose("least", 64, &[32, 64, 128, 256, 512, 1024], &|_| true),
            },
        })
    }
}

impl Step {
    pub(super) fn source(self) -> KernelSource {
        let Step {
            dtype,
            head_dim,
            pairs,
            sets,
            normed,
            shape,
        } = self;
        let constants = [
            ("HEAD_DIM", head_dim),
            ("PAIRS", pairs),
            ("SETS", sets),
            ("WORKGROUP", shape.threads),
            ("SUBGROUPS", shape.subgroups),
            ("BATCH", shape.batch),
            ("LEAST", shape.least),
            ("MAX_SPLITS", MAX_SPLITS),
        ];
        let (cache, store) = match dtype {
            DType::F16 => (
                include_str!("cache_half8.wgsl"),
                concat!(
                    include_str!("../../kv_append/half.wgsl"),
                    include_str!("store_half8.wgsl")
                ),
            ),
            _ => (
                include_str!("cache_single4.wgsl"),
                include_str!("store_single4.wgsl"),
            ),
        };
        let vectors = chunk(dtype) / 4;
        let counts = [('p', pairs), ('b', shape.batch), ('v', vectors)];
        let text = [
            &common(&constants),
            &super::caches(dtype, true, "read_write"),
            cache,
            store,
            &repeated(include_str!("step.wgsl"), &counts),
            &rope_append::turn(normed, [9, 10]),
        ]
        .concat();
        let norm = if normed { "norm_" } else { "" };
        let name = format!("{norm}rope_append_attention_{dtype}_{head_dim}_{pairs}").to_lowercase();
        // SAFETY: heads and slots stay below what the host has checked the bindings for, records in scratch below what
        // the number of splits allows, and workgroup memory is written before it is read.
        let wgsl = unsafe { Wgsl::new(text).trusted() };
        KernelSource::new(name)
            .op("rope_append_attention")
            .overwrites(4)
            .work(work_of_step)
            .wgsl(wgsl)
    }
}

/// The text with each line that has one of these letters behind a `$` once for every number below the count.
fn repeated(text: &str, counts: &[(char, u32)]) -> String {
    let Some(((letter, count), rest)) = counts.split_first() else {
        return text.to_owned();
    };
    let mark = format!("${letter}");
    let mut lines = String::new();
    for line in text.lines() {
        match line.contains(&mark) && !line.trim_start().starts_with("//") {
            true => (0..*count).for_each(|number| {
                lines.push_str(&line.replace(&mark, &number.to_string()));
                lines.push('\n');
            }),
            false => {
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }
    repeated(&lines, rest)
}

fn work_of_step(call: &Dispatched<'_>) -> Work {
    let Some(StepParams { split, .. }) = call.inline::<StepParams>() else {
        return Work::default();
    };
    work::of_step(
        call,
        split.heads,
        split.kv_heads,
        split.capacity,
        split.softcap,
    )
}
