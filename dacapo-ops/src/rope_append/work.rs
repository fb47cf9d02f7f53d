//! What the operation has to do.

use dacapo::{Dispatched, Work};

use super::Params;
use crate::kv_append::work_of_cache;
use crate::rms_norm::operations_of_norm;
use crate::rope::OPERATIONS;
use crate::work::{bytes, changed, elements, operations, read};

pub(super) fn work(call: &Dispatched<'_>) -> Work {
    let Some(params) = call.inline::<Params>() else {
        return Work::default();
    };
    let (positions, frequencies) = (call.bytes(5), call.bytes(6));
    let norms = call.bytes(7).saturating_add(call.bytes(8));
    let (tokens, pairs) = (elements(positions), elements(frequencies) / 2);
    let [heads, kv_heads, head_dim] =
        [params.heads, params.kv_heads, params.head_dim].map(u64::from);
    let all_heads = heads.saturating_add(kv_heads).saturating_mul(tokens);
    // Elements that do not turn change in a norm only.
    let (changing, normed) = match norms {
        0 => (2 * pairs, Work::default()),
        _ => (head_dim, operations_of_norm(all_heads, head_dim)),
    };
    let q = changed(bytes([tokens, heads, changing]));
    let rows = read(call.bytes(1)) + read(call.bytes(2));
    let tables = read(positions) + read(frequencies) + read(norms);
    let turned = operations([OPERATIONS, all_heads, pairs]);
    q + rows + tables + normed + turned + work_of_cache(tokens, params.capacity, call.bytes(3))
}
