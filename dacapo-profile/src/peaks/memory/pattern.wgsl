
@group(0) @binding(0) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let start = group.x * params.per_group;
    let end = min(start + params.per_group, arrayLength(&y));
    for (var i = start + thread; i < end; i += THREADS) {
        let number = params.first + 4u * i;
        y[i] = (vec4<u32>(number) + vec4<u32>(0u, 1u, 2u, 3u)) * 0x9e3779b1u;
    }
}
