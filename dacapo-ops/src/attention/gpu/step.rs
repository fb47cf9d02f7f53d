//! One token in one dispatch: heads turn, keys and values go to the cache, and queries attend.

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Arg, BufferView, CommandEncoder, Dispatched, Grid, KernelSource, Match, Unfit, Wgsl, Work,
};
use smallvec::SmallVec;

use super::{
    COUNTERS, Gpu, MAX_PAIRS, MAX_SPLITS, Params, REGION, SplitParams, bound, chunk, common,
    is_wide,
};
use crate::attention::{unfused, work};
use crate::dtype::DType;
use crate::error::Result;
use crate::rope_append::{self, Operands};
use crate::tensor::Tensor;
use crate::tuning::Key;

/// What a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    dtype: DType,
    head_dim: u32,
    /// Queries of a KV head that a workgroup takes.
    pairs: u32,
    /// Workgroups that share them all.
    sets: u32,
    normed: bool,
    shape: Shape,
}

/// What decides how the work of a token can be cut.
#[derive(Clone, Copy)]
struct Problem {
    dtype: DType,
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    normed: bool,
}

impl Problem {
    /// Queries of a KV head.
    fn pairs(&self) -> u32 {
        self.heads / self.kv_heads
    }
}

/// What another kernel has for a step: so many workgroups of so many threads.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) threads: u32,
    pub(crate) groups: u32,
}

/// One token's attention as part of another kernel.
pub(crate) struct StepPart {
    pub(crate) step: Step,
    pub(crate) params: StepParams,
    /// How many workgroups can share it: number `i` attends as split `i % splits` of set `i / splits`.
    pub(crate) shares: u32,
    /// q, k and v.
    pub(crate) rows: [BufferView; 3],
    /// As [`StepSlots::beside`].
    pub(crate) beside: Vec<BufferView>,
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
pub(crate) struct StepParams {
    pub(crate) split: SplitParams,
    head_dim: u32,
    /// As in `rope_append`.
    pairs: u32,
    eps: f32,
}

/// Where a kernel binds what its step needs.
pub(crate) struct StepSlots {
    /// q, k and v.
    pub(crate) rows: [u32; 3],
    pub(crate) out: u32,
    /// The caches of keys and of values, positions, scratch, frequencies, and the weights of the norms of q and of k, if
    /// there are any.
    pub(crate) beside: [u32; 7],
}

impl StepSlots {
    pub(crate) fn scratch(&self) -> u32 {
        self.beside[3]
    }
}

const SLOTS: StepSlots = StepSlots {
    rows: [0, 6, 7],
    out: 4,
    beside: [1, 2, 3, 5, 8, 9, 10],
};

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

    /// How a kernel for the step of these operands cuts its work.
    fn step(&self, operands: &Operands<'_>, params: Params) -> Result<Step> {
        let problem = Problem {
            dtype: operands.k_cache.dtype(),
            heads: params.heads,
            kv_heads: params.kv_heads,
            head_dim: params.head_dim,
            normed: operands.norms.is_some(),
        };
        let (tokens, pairs) = (operands.positions.elements(), problem.pairs());
        if tokens != 1 {
            return unfused(format!("it takes one token, not {tokens}"));
        }
        if pairs > MAX_PAIRS {
            return unfused(format!(
                "{pairs} queries share a key, at most {MAX_PAIRS} can"
            ));
        }
        let Problem {
            dtype, head_dim, ..
        } = problem;
        let (chunks, lanes) = (head_dim / chunk(dtype), self.features.subgroup_size);
        if !is_wide(operands.k_cache, operands.v_cache, head_dim)
            || !chunks.is_power_of_two()
            || chunks > lanes
        {
            return unfused(format!(
                "heads of {head_dim} elements of {dtype} are not shared by a power of two of at most {lanes} lanes"
            ));
        }
        Ok(self.cut(problem, "rope_append_attention", None))
    }

    /// How the work is cut by the settings of `op`, by workgroups of so many threads if these are given.
    fn cut(&self, problem: Problem, op: &'static str, threads: Option<u32>) -> Step {
        let Problem {
            dtype,
            heads,
            head_dim,
            normed,
            ..
        } = problem;
        let (lanes, pairs) = (self.features.subgroup_size, problem.pairs());
        let choose = |dimension, default, candidates: &[u32], fits: &dyn Fn(u32) -> bool| {
            let key = Key {
                op,
                dtype,
                rows: heads,
                cols: head_dim,
                tokens: 1,
                dimension,
            };
            self.tuning.choose(key, default, candidates, fits)
        };
        let sums = |threads: u32, queries: u32| threads / lanes * queries * head_dim * 4;
        let shares = |queries: u32| {
            pairs.is_multiple_of(queries)
                && threads.is_none_or(|threads| sums(threads, queries) <= MAX_SUMS)
        };
        // More of them share what they read, fewer are done sooner: an H100 prefers one up to 2048 positions, two at 8000.
        // As part of another kernel, which needs registers itself, one.
        let is_part = threads.is_some();
        let few = if shares(2) && !is_part { 2 } else { 1 };
        let queries = choose("queries", few, &[1, 2, 4], &shares);
        let fits = |threads: u32| {
            threads >= lanes
                && threads <= self.limits.max_group_threads
                && sums(threads, queries) <= MAX_SUMS
        };
        let threads = threads.unwrap_or_else(|| {
            let mut threads = self.workgroup.max(lanes);
            while threads > lanes && !fits(threads) {
                threads /= 2;
            }
            choose("threads", threads, &[64, 128, 256, 512, 1024], &fits)
        });
        // Found on an H100 with 256 positions.
        let least = if is_part { 128 } else { 64 };
        Step {
            dtype,
            head_dim,
            pairs: queries,
            sets: pairs / queries,
            normed,
            shape: Shape {
                threads,
                subgroups: threads / lanes,
                batch: choose("batch", 2, &[1, 2, 4], &|_| true),
                least: choose("least", least, &[32, 64, 128, 256, 512, 1024], &|_| true),
            },
        }
    }

    /// The step that a node was encoded with, as part of a kernel that has this room.
    pub(in crate::attention) fn part(
        &self,
        found: &Match<'_>,
        place: usize,
        room: Room,
    ) -> Result<StepPart, Unfit> {
        let params = found.inline::<StepParams>(place)?;
        let view = |slot| found.view(place, slot).cloned();
        // All but the weights of norms are there always.
        let beside: Vec<_> = SLOTS
            .beside
            .iter()
            .map_while(|slot| view(*slot).ok())
            .collect();
        let SplitParams {
            heads,
            kv_heads,
            capacity,
            ..
        } = params.split;
        let shape = [kv_heads, capacity, params.head_dim].map(|n| n as usize);
        let Room { threads, groups } = room;
        let problem = Problem {
            dtype: rope_append::cache(found, (place, SLOTS.beside[0]), shape)?.dtype(),
            heads,
            kv_heads,
            head_dim: params.head_dim,
            normed: beside.len() == SLOTS.beside.len(),
        };
        let step = self.cut(problem, "matvec_chain", Some(threads));
        let sets = kv_heads * step.sets;
        let splits = self.splits_of(
            step.shape.least,
            threads,
            sets,
            step.pairs,
            params.head_dim,
            capacity,
        );
        let room = (REGION - COUNTERS) / (heads * (params.head_dim + 4));
        let splits = splits.min(groups / sets).min(room).max(1);
        Ok(StepPart {
            step,
            shares: splits * sets,
            params: StepParams {
                split: SplitParams {
                    splits,
                    ..params.split
                },
                ..params
            },
            rows: [
                view(SLOTS.rows[0])?,
                view(SLOTS.rows[1])?,
                view(SLOTS.rows[2])?,
            ],
            beside,
        })
    }
}

impl Step {
    /// Whether heads are normed.
    pub(crate) fn is_normed(self) -> bool {
        self.normed
    }

    pub(super) fn source(self) -> KernelSource {
        let text = [
            &self.text(&SLOTS),
            &bound(SLOTS.scratch(), "read_write", "scratch", "atomic<u32>"),
            include_str!("scratch.wgsl"),
            include_str!("step_alone.wgsl"),
        ]
        .concat();
        let Step {
            dtype,
            head_dim,
            pairs,
            normed,
            ..
        } = self;
        let norm = if normed { "norm_" } else { "" };
        let name = format!("{norm}rope_append_attention_{dtype}_{head_dim}_{pairs}").to_lowercase();
        // SAFETY: heads and slots stay below what the host has checked the bindings for, records in scratch below what
        // the number of splits allows, and workgroup memory is written before it is read.
        let wgsl = unsafe { Wgsl::new(text).trusted() };
        KernelSource::new(name)
            .op("rope_append_attention")
            .overwrites(SLOTS.out)
            .work(work_of_step)
            .wgsl(wgsl)
    }

    /// The function `attend` of `step.wgsl`, and what it needs but for q, k, v and where parts go.
    pub(crate) fn text(self, slots: &StepSlots) -> String {
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
        let [k_cache, v_cache, positions, _, frequencies, norms @ ..] = slots.beside;
        let vectors = chunk(dtype) / 4;
        let counts = [('p', pairs), ('b', shape.batch), ('v', vectors)];
        [
            &common(&constants),
            &super::caches([k_cache, v_cache], dtype, true, "read_write"),
            &bound(positions, "read", "positions", "u32"),
            &bound(frequencies, "read", "frequencies", "u32"),
            cache,
            store,
            &repeated(include_str!("step.wgsl"), &counts),
            &rope_append::turn(normed, norms),
        ]
        .concat()
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
    work::of_step(call, &SLOTS, &split)
}
