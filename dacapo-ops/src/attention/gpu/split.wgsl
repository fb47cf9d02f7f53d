// Attention of a few queries that share a KV head over one part of the positions they see. Each thread scores one
// position of a tile; then each gathers the values of some elements of the head over every STRIPES-th position.
// The parts of one block of queries are joined by whichever of their workgroups ends last.

override SUBGROUP_SIZE: u32;

/// Threads that go through the values together; each has PER chunks.
const COLUMNS: u32 = min(CHUNKS, WORKGROUP);
const PER: u32 = (CHUNKS + WORKGROUP - 1u) / WORKGROUP;
const STRIPES: u32 = WORKGROUP / COLUMNS;
const TILE: u32 = WORKGROUP;

/// Queries times the scale, with zeros at the end of a row that is no whole number of chunks.
var<workgroup> queries: array<vec4<f32>, PAIRS * CHUNKS * VECS>;
/// First the weights of a tile, at last the sums of all threads.
var<workgroup> shared_values: array<f32, max(PAIRS * TILE, CHUNK * WORKGROUP)>;
var<workgroup> parts: array<array<f32, 32>, PAIRS>;
var<workgroup> counts: array<u32, 32>;
/// One past the last position that each pair sees.
var<workgroup> ends: array<u32, PAIRS>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let subgroups = WORKGROUP / SUBGROUP_SIZE;
    let block = group.x;
    let split = group.y;
    let kv_head = group.z;
    let tokens = arrayLength(&positions);
    let ratio = params.heads / params.kv_heads;
    let first_pair = block * PAIRS;
    let pairs = min(PAIRS, tokens * ratio - first_pair);

    // What the block sees.
    var newest = 0u;
    for (var row = thread; row < tokens; row += WORKGROUP) {
        newest = max(newest, positions[row]);
    }
    newest = subgroupMax(newest);
    if lane == 0u {
        counts[subgroup] = newest;
    }
    if thread < PAIRS {
        var end = 0u;
        if thread < pairs {
            end = positions[(first_pair + thread) / ratio] + 1u;
        }
        ends[thread] = end;
    }
    workgroupBarrier();
    newest = 0u;
    for (var i = 0u; i < subgroups; i++) {
        newest = max(newest, counts[i]);
    }
    var end = 0u;
    for (var pair = 0u; pair < PAIRS; pair++) {
        end = max(end, ends[pair]);
    }
    let oldest = select(0u, newest - params.capacity + 1u, newest >= params.capacity);
    let seen = select(0u, end - oldest, end > oldest);
    let working = clamp((seen + LEAST - 1u) / LEAST, 1u, params.splits);
    if split >= working {
        return;
    }
    let part = part_of(vec2<u32>(oldest, oldest + seen), split, working);
    let start = part.x;
    let stop = part.y;

    for (var i = thread; i < PAIRS * CHUNKS * VECS; i += WORKGROUP) {
        let pair = i / (CHUNKS * VECS);
        let d = 4u * (i % (CHUNKS * VECS));
        var x = vec4<f32>(0.0);
        if pair < pairs {
            let at = first_element(first_pair + pair, kv_head, ratio);
            for (var j = 0u; j < 4u; j++) {
                if d + j < HEAD_DIM {
                    x[j] = q[at + d + j] * params.scale;
                }
            }
        }
        queries[i] = x;
    }
    workgroupBarrier();

    let base = kv_head * params.capacity;
    let column = thread % COLUMNS;
    let stripe = thread / COLUMNS;
    var greatest: array<f32, PAIRS>;
    var weight: array<f32, PAIRS>;
    var sums: array<vec4<f32>, PAIRS * PER * VECS>;
    for (var pair = 0u; pair < PAIRS; pair++) {
        greatest[pair] = LOWEST;
        weight[pair] = 0.0;
    }
    for (var i = 0u; i < PAIRS * PER * VECS; i++) {
        sums[i] = vec4<f32>(0.0);
    }

    for (var tile = start; tile < stop; tile += TILE) {
        let count = min(TILE, stop - tile);
        // No more positions than the capacity are seen, so that slots pass its end once at most.
        let first_slot = tile % params.capacity;
        var scores: array<f32, PAIRS>;
        for (var pair = 0u; pair < PAIRS; pair++) {
            scores[pair] = 0.0;
        }
        if thread < count {
            var slot = first_slot + thread;
            slot = select(slot, slot - params.capacity, slot >= params.capacity);
            for (var chunk = 0u; chunk < CHUNKS; chunk++) {
                let k = load_k(base + slot, chunk);
                for (var pair = 0u; pair < PAIRS; pair++) {
                    for (var v = 0u; v < VECS; v++) {
                        scores[pair] += dot(queries[(pair * CHUNKS + chunk) * VECS + v], k[v]);
                    }
                }
            }
        }
        for (var pair = 0u; pair < PAIRS; pair++) {
            scores[pair] = select(LOWEST, capped(scores[pair]), thread < count && tile + thread < ends[pair]);
            let part = subgroupMax(scores[pair]);
            if lane == 0u {
                parts[pair][subgroup] = part;
            }
        }
        workgroupBarrier();
        for (var pair = 0u; pair < PAIRS; pair++) {
            var best = greatest[pair];
            for (var i = 0u; i < subgroups; i++) {
                best = max(best, parts[pair][i]);
            }
            let shrink = exp_exactly(greatest[pair] - best);
            greatest[pair] = best;
            var e = exp_exactly(scores[pair] - best);
            if scores[pair] <= LOWEST {
                e = 0.0;
            }
            weight[pair] = weight[pair] * shrink + e;
            shared_values[pair * TILE + thread] = e;
            for (var i = 0u; i < PER * VECS; i++) {
                sums[pair * PER * VECS + i] *= shrink;
            }
        }
        workgroupBarrier();
        if stripe < STRIPES {
            for (var i = stripe; i < count; i += STRIPES) {
                var slot = first_slot + i;
                slot = select(slot, slot - params.capacity, slot >= params.capacity);
                for (var n = 0u; n < PER; n++) {
                    if PER == 1u || column + n * WORKGROUP < CHUNKS {
                        let x = load_v(base + slot, column + n * WORKGROUP);
                        for (var pair = 0u; pair < PAIRS; pair++) {
                            let w = shared_values[pair * TILE + i];
                            for (var v = 0u; v < VECS; v++) {
                                sums[(pair * PER + n) * VECS + v] += w * x[v];
                            }
                        }
                    }
                }
            }
        }
    }

    workgroupBarrier();
    for (var pair = 0u; pair < PAIRS; pair++) {
        let part = subgroupAdd(weight[pair]);
        if lane == 0u {
            parts[pair][subgroup] = part;
        }
    }
    let record = first_record(block, kv_head, split);
    for (var pair = 0u; pair < PAIRS; pair++) {
        for (var n = 0u; n < PER; n++) {
            workgroupBarrier();
            for (var v = 0u; v < VECS; v++) {
                for (var j = 0u; j < 4u; j++) {
                    shared_values[(4u * v + j) * WORKGROUP + thread] = sums[(pair * PER + n) * VECS + v][j];
                }
            }
            workgroupBarrier();
            var total = 0.0;
            for (var i = 0u; i < subgroups; i++) {
                total += parts[pair][i];
            }
            for (var i = thread; i < COLUMNS * CHUNK; i += WORKGROUP) {
                let d = i + n * WORKGROUP * CHUNK;
                if d >= HEAD_DIM {
                    break;
                }
                var sum = 0.0;
                for (var s = 0u; s < STRIPES; s++) {
                    sum += shared_values[(i % CHUNK) * WORKGROUP + s * COLUMNS + i / CHUNK];
                }
                if working > 1u {
                    atomicStore(&scratch[record + pair * RECORD + d], bitcast<u32>(sum));
                } else if pair < pairs {
                    let at = first_element(first_pair + pair, kv_head, ratio);
                    out[at + d] = divided(sum, total);
                }
            }
            if working > 1u && thread == 0u && n == 0u {
                atomicStore(&scratch[record + pair * RECORD + HEAD_DIM], bitcast<u32>(greatest[pair]));
                atomicStore(&scratch[record + pair * RECORD + HEAD_DIM + 1u], bitcast<u32>(total));
            }
        }
    }
    if working > 1u {
        join(block, kv_head, working, thread);
    }
}
