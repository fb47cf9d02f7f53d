//! groups = [4, 1, 1]
//! buffers = [{ slot = 0, bytes = 16, fill = "zero" }, { slot = 1, bytes = 16 }]

enable f16;

@group(0) @binding(0) var<storage, read_write> values: array<vec2<f16>>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(1)
fn pairs(@builtin(workgroup_id) group: vec3<u32>) {
    values[group.x / 2u][group.x % 2u] = f16(group.x); //~ race_between_workgroups
    let pair = values[group.x / 2u]; //~ other
    output[group.x] = f32(pair.x) + f32(pair.y);
}
