// Attention of a block of queries that share a KV head, over tiles of positions whose keys, then values, are shared in
// workgroup memory. A thread has PER pairs of the block: it scores SPAN positions of each tile for them, and sums
// some of the elements of the values over all positions.

override SUBGROUP_SIZE: u32;

const WORKGROUP: u32 = PAIRS / PER * COLUMNS;
/// Threads that have the same `column`.
const GROUPS: u32 = PAIRS / PER;
const SPAN: u32 = TILE / COLUMNS;
/// Wide heads go through the tile slice by slice.
const SLICES: u32 = (CHUNKS * VECS + MAX_QUADS - 1u) / MAX_QUADS;
const SLICE_CHUNKS: u32 = (CHUNKS + SLICES - 1u) / SLICES;
const QUADS: u32 = SLICE_CHUNKS * VECS;
/// Vectors of a slice that a thread sums.
const WIDTH: u32 = (QUADS + COLUMNS - 1u) / COLUMNS;
/// Odd, so that threads which read successive rows use different banks.
const STRIDE: u32 = QUADS | 1u;
/// Has what neighbouring threads write in different banks.
const WEIGHTS_STRIDE: u32 = GROUPS + 1u;

/// Queries times the scale, with zeros at the end.
var<workgroup> queries: array<vec4<f32>, PAIRS * SLICES * QUADS>;
/// A slice of the keys or values of a tile.
var<workgroup> staged: array<vec4<f32>, TILE * STRIDE>;
// In the vectors that follow, an element belongs to one of the PER pairs of a thread, so that each vector is written by one
// thread: whoever writes an element may write the others, too.
/// Of each position of a tile, those of each group of pairs.
var<workgroup> weights: array<vec4<f32>, TILE * WEIGHTS_STRIDE>;
/// What each thread has found.
var<workgroup> parts: array<vec4<f32>, WORKGROUP>;
var<workgroup> newest_seen: atomic<u32>;
var<workgroup> end_seen: atomic<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let block = workgroup.x;
    let split = workgroup.y;
    let kv_head = workgroup.z;
    let tokens = arrayLength(&positions);
    let ratio = params.heads / params.kv_heads;
    let first_pair = block * PAIRS;
    let pairs = min(PAIRS, tokens * ratio - first_pair);
    var column = thread % COLUMNS;
    var group = thread / COLUMNS;
    if SUBGROUP_SIZE == COLUMNS {
        // The same split, of which the compiler knows that a subgroup reads the same queries and weights.
        column = lane;
        group = subgroup;
    }

    // What the block sees.
    if thread == 0u {
        atomicStore(&newest_seen, 0u);
        atomicStore(&end_seen, 0u);
    }
    var newest = 0u;
    for (var row = thread; row < tokens; row += WORKGROUP) {
        newest = max(newest, positions[row]);
    }
    /// One past the last position that each pair sees.
    var ends: array<u32, PER>;
    var end = 0u;
    for (var i = 0u; i < PER; i++) {
        let pair = group + i * GROUPS;
        ends[i] = 0u;
        if pair < pairs {
            ends[i] = positions[(first_pair + pair) / ratio] + 1u;
        }
        end = max(end, ends[i]);
    }
    workgroupBarrier();
    atomicMax(&newest_seen, newest);
    if column == 0u {
        atomicMax(&end_seen, end);
    }
    workgroupBarrier();
    newest = atomicLoad(&newest_seen);
    end = atomicLoad(&end_seen);
    let oldest = select(0u, newest - params.capacity + 1u, newest >= params.capacity);
    let seen = select(0u, end - oldest, end > oldest);
    let working = clamp((seen + LEAST - 1u) / LEAST, 1u, params.splits);
    if split >= working {
        return;
    }
    let part = part_of(vec2<u32>(oldest, oldest + seen), split, working);
    for (var i = 0u; i < PER; i++) {
        ends[i] = min(ends[i], part.y);
    }

    for (var i = thread; i < PAIRS * SLICES * QUADS; i += WORKGROUP) {
        let pair = i / (SLICES * QUADS);
        let d = 4u * (i % (SLICES * QUADS));
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

    var greatest = vec4<f32>(LOWEST);
    var weight = vec4<f32>(0.0);
    var sums: array<vec4<f32>, PER * SLICES * WIDTH>;
    for (var i = 0u; i < PER * SLICES * WIDTH; i++) {
        sums[i] = vec4<f32>(0.0);
    }

    for (var tile = part.x; tile < part.y; tile += TILE) {
        var scores: array<f32, PER * SPAN>;
        for (var i = 0u; i < PER * SPAN; i++) {
            scores[i] = 0.0;
        }
        for (var slice = 0u; slice < SLICES; slice++) {
            workgroupBarrier();
            stage(false, kv_head, tile, part.y, slice, thread);
            workgroupBarrier();
            for (var d = 0u; d < QUADS; d++) {
                var k: array<vec4<f32>, SPAN>;
                for (var s = 0u; s < SPAN; s++) {
                    k[s] = staged[(column + s * COLUMNS) * STRIDE + d];
                }
                for (var i = 0u; i < PER; i++) {
                    let x = queries[((group + i * GROUPS) * SLICES + slice) * QUADS + d];
                    for (var s = 0u; s < SPAN; s++) {
                        let z = fma(x.y, k[s].y, fma(x.x, k[s].x, scores[i * SPAN + s]));
                        scores[i * SPAN + s] = fma(x.w, k[s].w, fma(x.z, k[s].z, z));
                    }
                }
            }
        }
        var own = vec4<f32>(LOWEST);
        for (var i = 0u; i < PER; i++) {
            for (var s = 0u; s < SPAN; s++) {
                let score = capped(scores[i * SPAN + s]);
                scores[i * SPAN + s] = select(LOWEST, score, tile + column + s * COLUMNS < ends[i]);
                own[i] = max(own[i], scores[i * SPAN + s]);
            }
        }
        parts[group * COLUMNS + column] = own;
        workgroupBarrier();
        var best = greatest;
        for (var c = 0u; c < COLUMNS; c++) {
            best = max(best, parts[group * COLUMNS + c]);
        }
        for (var i = 0u; i < PER; i++) {
            let shrink = exp_exactly(greatest[i] - best[i]);
            weight[i] *= shrink;
            for (var s = 0u; s < SPAN; s++) {
                var e = exp_exactly(scores[i * SPAN + s] - best[i]);
                if scores[i * SPAN + s] <= LOWEST {
                    e = 0.0;
                }
                weight[i] += e;
                scores[i * SPAN + s] = e;
            }
            for (var n = 0u; n < SLICES * WIDTH; n++) {
                sums[i * SLICES * WIDTH + n] *= shrink;
            }
        }
        greatest = best;
        for (var s = 0u; s < SPAN; s++) {
            weights[(s * COLUMNS + column) * WEIGHTS_STRIDE + group] =
                vec4<f32>(scores[s], scores[SPAN + s], scores[2u * SPAN + s], scores[3u * SPAN + s]);
        }
        for (var slice = 0u; slice < SLICES; slice++) {
            if slice > 0u {
                workgroupBarrier();
            }
            stage(true, kv_head, tile, part.y, slice, thread);
            workgroupBarrier();
            for (var j = 0u; j < TILE; j += 4u) {
                // Of four positions.
                let first = j * WEIGHTS_STRIDE + group;
                let wa = weights[first];
                let wb = weights[first + WEIGHTS_STRIDE];
                let wc = weights[first + 2u * WEIGHTS_STRIDE];
                let wd = weights[first + 3u * WEIGHTS_STRIDE];
                for (var n = 0u; n < WIDTH; n++) {
                    if QUADS % COLUMNS == 0u || column + n * COLUMNS < QUADS {
                        let at = j * STRIDE + column + n * COLUMNS;
                        let a = staged[at];
                        let b = staged[at + STRIDE];
                        let c = staged[at + 2u * STRIDE];
                        let d = staged[at + 3u * STRIDE];
                        for (var i = 0u; i < PER; i++) {
                            let to = (i * SLICES + slice) * WIDTH + n;
                            let z = fma(vec4<f32>(wb[i]), b, fma(vec4<f32>(wa[i]), a, sums[to]));
                            sums[to] = fma(vec4<f32>(wd[i]), d, fma(vec4<f32>(wc[i]), c, z));
                        }
                    }
                }
            }
        }
    }

    workgroupBarrier();
    parts[group * COLUMNS + column] = weight;
    workgroupBarrier();
    var totals = vec4<f32>(0.0);
    for (var c = 0u; c < COLUMNS; c += 4u) {
        let at = group * COLUMNS + c;
        totals += (parts[at] + parts[at + 1u]) + (parts[at + 2u] + parts[at + 3u]);
    }
    for (var i = 0u; i < PER; i++) {
        let pair = group + i * GROUPS;
        if pair >= pairs {
            break;
        }
        let total = totals[i];
        let at = first_element(first_pair + pair, kv_head, ratio);
        let record = first_record(block, kv_head, split) + pair * RECORD;
        for (var n = 0u; n < SLICES * WIDTH; n++) {
            let quad = column + n % WIDTH * COLUMNS;
            for (var j = 0u; j < 4u; j++) {
                let d = 4u * (n / WIDTH * QUADS + quad) + j;
                if quad >= QUADS || d >= HEAD_DIM {
                    break;
                }
                let sum = sums[i * SLICES * WIDTH + n][j];
                if working > 1u {
                    atomicStore(&scratch[record + d], bitcast<u32>(sum));
                } else {
                    out[at + d] = divided(sum, total);
                }
            }
        }
        if working > 1u && column == 0u {
            atomicStore(&scratch[record + HEAD_DIM], bitcast<u32>(greatest[i]));
            atomicStore(&scratch[record + HEAD_DIM + 1u], bitcast<u32>(total));
        }
    }
    if working > 1u {
        join(block, kv_head, working, thread);
    }
}

/// Brings a slice of the keys or values at the positions of a tile up to `stop`, and zeros after those.
fn stage(values: bool, kv_head: u32, tile: u32, stop: u32, slice: u32, thread: u32) {
    // No more positions than the capacity are seen, so that slots pass its end once at most.
    let first_slot = tile % params.capacity;
    for (var i = thread; i < TILE * SLICE_CHUNKS; i += WORKGROUP) {
        let row = i / SLICE_CHUNKS;
        let chunk = slice * SLICE_CHUNKS + i % SLICE_CHUNKS;
        var x = Chunk();
        if tile + row < stop && chunk < CHUNKS {
            var slot = first_slot + row;
            slot = select(slot, slot - params.capacity, slot >= params.capacity);
            if values {
                x = load_v(kv_head * params.capacity + slot, chunk);
            } else {
                x = load_k(kv_head * params.capacity + slot, chunk);
            }
        }
        for (var v = 0u; v < VECS; v++) {
            staged[row * STRIDE + i % SLICE_CHUNKS * VECS + v] = x[v];
        }
    }
}
