//! groups = [8, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota_f32" }, { slot = 1, bytes = 4, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> sum: f32;

@compute @workgroup_size(4)
fn add(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        let part = input[id.x] + input[id.x + 1u] + input[id.x + 2u] + input[id.x + 3u];
        sum += part; //~ race_between_workgroups
    }
}
