struct Params {
    heads: u32,
    kv_heads: u32,
    capacity: u32,
    /// Workgroups along y.
    splits: u32,
    scale: f32,
    /// 0 for none.
    softcap: f32,
}
var<immediate> params: Params;

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read> positions: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<atomic<u32>>;

/// Joins the parts of a block, in whichever of their workgroups ends last.
fn join(block: u32, kv_head: u32, working: u32, thread: u32) {
    if !arrives_last(block * params.kv_heads + kv_head, working, thread) {
        return;
    }
    let ratio = params.heads / params.kv_heads;
    let pairs = min(PAIRS, arrayLength(&positions) * ratio - block * PAIRS);
    let first = first_record(block, kv_head, 0u);
    for (var i = thread; i < pairs * HEAD_DIM; i += WORKGROUP) {
        let pair = i / HEAD_DIM;
        let d = i % HEAD_DIM;
        var best = LOWEST;
        for (var s = 0u; s < working; s++) {
            best = max(best, scratch_f32(first + (s * PAIRS + pair) * RECORD + HEAD_DIM));
        }
        var sum = 0.0;
        var total = 0.0;
        for (var s = 0u; s < working; s++) {
            let at = first + (s * PAIRS + pair) * RECORD;
            let share = exp_exactly(scratch_f32(at + HEAD_DIM) - best);
            sum += share * scratch_f32(at + d);
            total += share * scratch_f32(at + HEAD_DIM + 1u);
        }
        out[first_element(block * PAIRS + pair, kv_head, ratio) + d] = divided(sum, total);
    }
}

/// Where the elements of a pair of a query's row and a head begin, in q and in out.
fn first_element(pair: u32, kv_head: u32, ratio: u32) -> u32 {
    return ((pair / ratio) * params.heads + kv_head * ratio + pair % ratio) * HEAD_DIM;
}
