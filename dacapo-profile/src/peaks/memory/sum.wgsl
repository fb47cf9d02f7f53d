
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

override SUBGROUP_SIZE: u32;
var<workgroup> parts: array<u32, THREADS / 4>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let start = group.x * params.per_group;
    let end = min(start + params.per_group, arrayLength(&x));
    var a = vec4<u32>();
    var b = vec4<u32>();
    var c = vec4<u32>();
    var d = vec4<u32>();
    var i = start + thread;
    // Eight at a time, so that their loads are under way together.
    for (; i + 7u * THREADS < end; i += 8u * THREADS) {
        let x0 = x[i];
        let x1 = x[i + THREADS];
        let x2 = x[i + 2u * THREADS];
        let x3 = x[i + 3u * THREADS];
        let x4 = x[i + 4u * THREADS];
        let x5 = x[i + 5u * THREADS];
        let x6 = x[i + 6u * THREADS];
        let x7 = x[i + 7u * THREADS];
        a += x0 + x4;
        b += x1 + x5;
        c += x2 + x6;
        d += x3 + x7;
    }
    for (; i < end; i += THREADS) {
        a += x[i];
    }
    let own = a + b + c + d;
    let sum = subgroupAdd(own.x + own.y + own.z + own.w);
    if lane == 0u {
        parts[subgroup] = sum;
    }
    workgroupBarrier();
    if thread == 0u {
        var all = 0u;
        for (var part = 0u; part < THREADS / SUBGROUP_SIZE; part += 1u) {
            all += parts[part];
        }
        sums[group.x] = all;
    }
}
