
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let start = group.x * params.per_group;
    let end = min(start + params.per_group, arrayLength(&y));
    var i = start + thread;
    // Four at a time, so that their loads are under way together.
    for (; i + 3u * THREADS < end; i += 4u * THREADS) {
        let a = x[i];
        let b = x[i + THREADS];
        let c = x[i + 2u * THREADS];
        let d = x[i + 3u * THREADS];
        y[i] = a;
        y[i + THREADS] = b;
        y[i + 2u * THREADS] = c;
        y[i + 3u * THREADS] = d;
    }
    for (; i < end; i += THREADS) {
        y[i] = x[i];
    }
}
