// Attention of a block of queries that share a KV head, on matrix units, over tiles of positions whose keys and values are in
// workgroup memory as f16. Each subgroup has ROWS pairs of the block: their queries, and the sums of their values, stay in
// matrices SIZE by SIZE; their scores go through workgroup memory, where LANES lanes share a pair and turn them into weights.
// Constants and types stand in front of this text, with how workgroup memory is read and written; what is said of each
// matrix, or of each four halves that a thread brings, is written by `matrices.rs` where a line begins with `//:`.
//
// Weights are powers of e above a score that is close to the greatest so far, the pair's `base`. Matrices cannot be scaled, so
// that the sums go through workgroup memory when a base changes, which it does when it is exceeded by more than RISE: seldom
// behind the first tile, and no weight is too large for f16 before that.

/// Vectors of four of a tile's scores that a lane has.
const OWN: u32 = TILE / 4u / LANES;
/// Of these so many are side by side, so that eight lanes read different banks.
const RUN: u32 = min(OWN, 4u);
const QUADS: u32 = HEAD_DIM / 4u;
const RISE: f32 = 8.0;
const LOG2_E: f32 = 1.442695;

/// What all threads find out together. Matrices are loaded from multiples of 16 bytes (Vulkan,
/// VUID-RuntimeSpirv-OpCooperativeMatrixLoadKHR-08986), where they begin if each variable has a multiple of that.
var<workgroup> found_out: array<atomic<u32>, 4>;
/// The newest position, and one past the last that a pair of the block sees.
const NEWEST: u32 = 0u;
const END: u32 = 1u;
/// Whether the base of any pair has changed that has sums.
const RISEN: u32 = 2u;

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
    let first_row = subgroup * ROWS;
    let row = first_row + lane / LANES;
    let mine = lane % LANES;

    // What the block sees.
    if thread == 0u {
        atomicStore(&found_out[NEWEST], 0u);
        atomicStore(&found_out[END], 0u);
    }
    var newest = 0u;
    for (var at = thread; at < tokens; at += WORKGROUP) {
        newest = max(newest, positions[at]);
    }
    /// One past the last position that the pair sees.
    var end = 0u;
    if row < pairs {
        end = positions[(first_pair + row) / ratio] + 1u;
    }
    workgroupBarrier();
    atomicMax(&found_out[NEWEST], newest);
    atomicMax(&found_out[END], end);
    let last = workgroupUniformLoad(&found_out[END]);
    let newest_of_all = workgroupUniformLoad(&found_out[NEWEST]);
    let is_turned = newest_of_all >= params.capacity;
    let oldest = select(0u, newest_of_all - params.capacity + 1u, is_turned);
    let seen = select(0u, last - oldest, last > oldest);
    let working = clamp((seen + LEAST - 1u) / LEAST, 1u, params.splits);
    if split >= working {
        return;
    }
    let part = part_of(vec2<u32>(oldest, oldest + seen), split, working);
    end = min(end, part.y);

    // Queries pass through the place of keys and values.
    for (var i = thread; i < PAIRS * QUADS; i += WORKGROUP) {
        let pair = i / QUADS;
        let d = 4u * (i % QUADS);
        var x = vec4<f32>(0.0);
        if pair < pairs {
            let at = first_element(first_pair + pair, kv_head, ratio) + d;
            x = vec4<f32>(q[at], q[at + 1u], q[at + 2u], q[at + 3u]) * params.scale;
        }
        keep_tile(pair * STRIDE + d, narrow(x));
    }
    workgroupBarrier();
    //: queries
    workgroupBarrier();

    var base = LOWEST;
    var weight = 0.0;
    //: sums
    /// Where the tile that comes next begins in the cache, and how far behind that the last position is.
    var first_slot = part.x % params.capacity;
    var last_behind = part.y - part.x - 1u;
    if part.x < part.y {
        //: load
    }
    for (var tile = part.x; tile < part.y; tile += TILE) {
        //: keep
        workgroupBarrier();
        if thread == 0u {
            atomicStore(&found_out[RISEN], 0u);
        }
        if tile + TILE < part.y {
            first_slot += TILE;
            first_slot = select(first_slot, first_slot - params.capacity, first_slot >= params.capacity);
            last_behind -= TILE;
            //: load
        }
        //: scores
        workgroupBarrier();
        var found: array<vec4<f32>, OWN>;
        var best = LOWEST;
        for (var i = 0u; i < OWN; i++) {
            let column = column_of(mine, i);
            var x = score4(row * SCORES + column);
            if params.softcap != 0.0 {
                x = vec4<f32>(capped(x.x), capped(x.y), capped(x.z), capped(x.w));
            }
            let is_seen = vec4<u32>(tile + column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end);
            x = select(vec4<f32>(LOWEST), x, is_seen);
            found[i] = x;
            best = max(best, max(max(x.x, x.y), max(x.z, x.w)));
        }
        for (var step = 1u; step < LANES; step *= 2u) {
            best = max(best, subgroupShuffleXor(best, step));
        }
        var shrink = 1.0;
        if best - base > RISE {
            if base != LOWEST {
                atomicStore(&found_out[RISEN], 1u);
                shrink = exp2((base - best) * LOG2_E);
            }
            base = best;
            weight *= shrink;
        }
        for (var i = 0u; i < OWN; i++) {
            let column = column_of(mine, i);
            // What is not seen is far below any base but that of a pair that sees nothing.
            let e = exp2((found[i] - vec4<f32>(base)) * LOG2_E);
            let kept = select(e, vec4<f32>(0.0), found[i] == vec4<f32>(LOWEST));
            weight += (kept.x + kept.y) + (kept.z + kept.w);
            keep_weight(row * WEIGHTS + column, vec4<f16>(kept));
        }
        if workgroupUniformLoad(&found_out[RISEN]) != 0u {
            //: shrink
        }
        //: values
        workgroupBarrier();
    }

    for (var step = 1u; step < LANES; step *= 2u) {
        weight += subgroupShuffleXor(weight, step);
    }
    let record = first_record(block, kv_head, split) + row * RECORD;
    let to = select(first_element(first_pair + row, kv_head, ratio), record, working > 1u);
    //: put
    if working > 1u {
        if mine == 0u && row < pairs {
            atomicStore(&scratch[record + HEAD_DIM], bitcast<u32>(base));
            atomicStore(&scratch[record + HEAD_DIM + 1u], bitcast<u32>(weight));
        }
        join(block, kv_head, working, thread);
    }
}

/// Where a position of a tile is in the cache: no more positions than the capacity are seen, so that slots pass its end once
/// at most. Those behind the last count for nothing, and are the last once more.
fn slot_of(first_slot: u32, behind: u32, last: u32) -> u32 {
    let slot = first_slot + min(behind, last);
    return select(slot, slot - params.capacity, slot >= params.capacity);
}

/// Where vector `i` of a lane's part of its pair's scores begins.
fn column_of(mine: u32, i: u32) -> u32 {
    return 4u * (i / RUN * RUN * LANES + mine * RUN + i % RUN);
}

/// Multiplies the sums of a pair that are in the place of its scores.
fn shrink_sums(row: u32, mine: u32, factor: f32) {
    for (var i = 0u; i < OWN; i++) {
        let at = row * SCORES + column_of(mine, i);
        keep_score(at, score4(at) * factor);
    }
}

/// Puts the sums of a pair that are in the place of its scores, those from `start` on, where they go to: the results if
/// `working` is 1, or else a record.
fn put_sums(row: u32, mine: u32, start: u32, working: u32, to: u32, weight: f32) {
    for (var i = 0u; i < OWN; i++) {
        let column = column_of(mine, i);
        let sums = score4(row * SCORES + column);
        for (var j = 0u; j < 4u; j++) {
            let d = start + column + j;
            if d < HEAD_DIM {
                if working > 1u {
                    atomicStore(&scratch[to + d], bitcast<u32>(sums[j]));
                } else {
                    out[to + d] = divided(sums[j], weight);
                }
            }
        }
    }
}
