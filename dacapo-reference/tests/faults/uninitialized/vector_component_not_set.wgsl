//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 192, fill = "iota_f32" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(16)
fn lengths(@builtin(global_invocation_id) id: vec3<u32>) {
    var point: vec4<f32>;
    point.x = input[id.x * 3u];
    point.y = input[id.x * 3u + 1u];
    point.z = input[id.x * 3u + 2u];
    output[id.x] = dot(point, point); //~ uninitialized
}
