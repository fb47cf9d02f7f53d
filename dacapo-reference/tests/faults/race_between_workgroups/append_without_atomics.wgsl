//! groups = [16, 1, 1]
//! buffers = [
//!   { slot = 0, values = [1, 4, 3, 2, 7, 6, 6, 1, 0, 2, 2, 5, 8, 8, 1, 3] },
//!   { slot = 1, bytes = 4, fill = "zero" },
//! ]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> count: u32;

@compute @workgroup_size(1)
fn count_even(@builtin(global_invocation_id) id: vec3<u32>) {
    if input[id.x] % 2u == 0u {
        count += 1u; //~ race_between_workgroups
    }
}
