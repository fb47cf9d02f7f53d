//! What the operation has to do.

use dacapo::{Dispatched, Work};

use super::Params;
use crate::kv_append::work_of_cache;
use crate::rms_norm::operations_of_norm;
use crate::work::{elements, operations, product, read, written};
use crate::{rope, softcap, softmax};

pub(super) fn work(call: &Dispatched<'_>) -> Work {
    let Some(params) = call.inline::<Params>() else {
        return Work::default();
    };
    of_attention(call, params.heads, params.capacity, params.softcap)
}

/// With q, k, v, positions and the output at slots 0 to 4. Of each score: a dot product, the scale, the cap if there is
/// one, what a softmax takes and as many products and sums as the value is wide; of each element of the output a quotient.
pub(super) fn of_attention(call: &Dispatched<'_>, heads: u32, capacity: u32, cap: f32) -> Work {
    let (q, positions, out) = (call.bytes(0), call.bytes(3), call.bytes(4));
    let (rows, heads, capacity) = (elements(positions), u64::from(heads), u64::from(capacity));
    let head_dim = elements(q) / product([rows, heads]).max(1);
    let filled = call.extent().unwrap_or(capacity).min(capacity);
    let capping = if cap == 0.0 { 0 } else { softcap::OPERATIONS };
    let score = product([4, head_dim])
        .saturating_add(1 + softmax::SHARE)
        .saturating_add(capping);
    let caches = [1, 2].map(|slot| read(product([call.bytes(slot) / capacity.max(1), filled])));
    let [k, v] = caches;
    let arithmetic = operations([score, heads, seen(rows, filled)]) + operations([elements(out)]);
    read(q) + k + v + read(positions) + written(out) + arithmetic
}

/// As [`of_attention`], with the rows of k and v at slots 6 and 7, frequencies at 8 and the weights of norms at 9 and 10:
/// one token's heads turn on the way, and its key and value go to the cache.
pub(super) fn of_step(
    call: &Dispatched<'_>,
    heads: u32,
    kv_heads: u32,
    capacity: u32,
    cap: f32,
) -> Work {
    let frequencies = call.bytes(8);
    let norms = call.bytes(9).saturating_add(call.bytes(10));
    let all_heads = u64::from(heads) + u64::from(kv_heads);
    let normed = match norms {
        0 => Work::default(),
        _ => operations_of_norm(all_heads, elements(call.bytes(0)) / u64::from(heads).max(1)),
    };
    of_attention(call, heads, capacity, cap)
        + read(call.bytes(6))
        + read(call.bytes(7))
        + read(frequencies)
        + read(norms)
        + normed
        + operations([rope::OPERATIONS, all_heads, elements(frequencies) / 2])
        + work_of_cache(1, capacity, call.bytes(1))
}

/// Positions that rows see, all together: the last sees all of `filled`, each before it one less.
fn seen(rows: u64, filled: u64) -> u64 {
    let rows = rows.min(filled);
    product([rows, filled]).saturating_sub(product([rows, rows.saturating_sub(1)]) / 2)
}
