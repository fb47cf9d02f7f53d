struct Params {
    width: u32,
}
var<immediate> p: Params;

@group(0) @binding(0) var<storage, read_write> x: array<u32>;

var<workgroup> sums: array<f32, 32>;

fn workgroup_sum(thread: Thread, value: f32) -> f32 {
    let part = subgroupAdd(value);
    if thread.lane == 0u {
        sums[thread.subgroup] = part;
    }
    workgroupBarrier();
    var all = 0.0;
    for (var i = 0u; i < WORKGROUP / SUBGROUP_SIZE; i++) {
        all += sums[i];
    }
    workgroupBarrier();
    return all;
}

/// e^(x - greatest); where the greatest is infinite, 1 for each such x and 0 for the rest.
fn weight(bits: u32, greatest: u32) -> f32 {
    if (bits & 0x7fffffffu) == 0x7f800000u {
        return f32(ordered(bits) == POSITIVE_INFINITY);
    }
    if greatest == POSITIVE_INFINITY {
        return 0.0;
    }
    return exp_exactly(bitcast<f32>(bits) - float(greatest));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let thread = Thread(index, subgroup, lane);
    let rows = arrayLength(&x) / p.width;
    for (var row = group.x; row < rows; row += groups.x) {
        let first = row * p.width;
        var best = 0u;
        var least = 0xffffffffu;
        for (var i = index; i < p.width; i += WORKGROUP) {
            let key = ordered(x[first + i]);
            best = max(best, key);
            least = min(least, key);
        }
        let greatest = workgroup_max(thread, best);
        if workgroup_min(thread, least) == 0u || greatest == NEGATIVE_INFINITY {
            for (var i = index; i < p.width; i += WORKGROUP) {
                x[first + i] = NAN_BITS;
            }
            continue;
        }
        // Sums of sums: the error does not grow with the length.
        var sum = 0.0;
        for (var i = index; i < p.width;) {
            var part = 0.0;
            for (var n = 0u; n < 64u && i < p.width; n++) {
                part += weight(x[first + i], greatest);
                i += WORKGROUP;
            }
            sum += part;
        }
        let total = workgroup_sum(thread, sum);
        for (var i = index; i < p.width; i += WORKGROUP) {
            x[first + i] = bitcast<u32>(weight(x[first + i], greatest) / total);
        }
    }
}
