//! What the operation has to do.

use dacapo::{Dispatched, Work};

use super::Params;
use super::gpu::{SplitParams, StepSlots};
use crate::kv_append::work_of_cache;
use crate::rms_norm::operations_of_norm;
use crate::work::{elements, operations, product, read, written};
use crate::{rope, softcap, softmax};

pub(super) fn work(call: &Dispatched<'_>) -> Work {
    let Some(params) = call.inline::<Params>() else {
        return Work::default();
    };
    of_attention(
        call,
        OPERANDS,
        params.heads,
        params.capacity,
        params.softcap,
    )
}

/// Slots of q, k, v, positions and the output.
pub(super) const OPERANDS: [u32; 5] = [0, 1, 2, 3, 4];

/// With q, k, v, positions and the output at these slots. Of each score: a dot product, the scale, the cap if there is
/// one, what a softmax takes and as many products and sums as the value is wide; of each element of the output a quotient.
pub(super) fn of_attention(
    call: &Dispatched<'_>,
    slots: [u32; 5],
    heads: u32,
    capacity: u32,
    cap: f32,
) -> Work {
    let [q, k, v, positions, out] = slots.map(|slot| call.bytes(slot));
    let (rows, heads, capacity) = (elements(positions), u64::from(heads), u64::from(capacity));
    let head_dim = elements(q) / product([rows, heads]).max(1);
    let filled = call.extent().unwrap_or(capacity).min(capacity);
    let capping = if cap == 0.0 { 0 } else { softcap::OPERATIONS };
    let score = product([4, head_dim])
        .saturating_add(1 + softmax::SHARE)
        .saturating_add(capping);
    let [k, v] = [k, v].map(|cache| read(product([cache / capacity.max(1), filled])));
    let arithmetic = operations([score, heads, seen(rows, filled)]) + operations([elements(q)]);
    read(q) + k + v + read(positions) + written(out) + arithmetic
}

/// As [`of_attention`], and one token's heads turn on the way, and its key and value go to the cache.
pub(crate) fn of_step(call: &Dispatched<'_>, slots: &StepSlots, params: &SplitParams) -> Work {
    let &SplitParams {
        heads,
        kv_heads,
        capacity,
        softcap,
        ..
    } = params;
    let [q, k, v] = slots.rows;
    let [k_cache, v_cache, positions, _, frequencies, norms @ ..] = slots.beside;
    let frequencies = call.bytes(frequencies);
    let norms: u64 = norms.iter().map(|slot| call.bytes(*slot)).sum();
    let all_heads = u64::from(heads) + u64::from(kv_heads);
    let normed = match norms {
        0 => Work::default(),
        _ => operations_of_norm(all_heads, elements(call.bytes(q)) / u64::from(heads).max(1)),
    };
    let operands = [q, k_cache, v_cache, positions, slots.out];
    of_attention(call, operands, heads, capacity, softcap)
        + read(call.bytes(k))
        + read(call.bytes(v))
        + read(frequencies)
        + read(norms)
        + normed
        + operations([rope::OPERATIONS, all_heads, elements(frequencies) / 2])
        + work_of_cache(1, capacity, call.bytes(k_cache))
}

/// Positions that rows see, all together: the last sees all of `filled`, each before it one less.
fn seen(rows: u64, filled: u64) -> u64 {
    let rows = rows.min(filled);
    product([rows, filled]).saturating_sub(product([rows, rows.saturating_sub(1)]) / 2)
}
