//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 32 }]

@group(0) @binding(0) var<uniform> table: array<vec4<u32>, 4>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(4)
fn spread(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = table[id.x].x; //~ out_of_bounds
}
