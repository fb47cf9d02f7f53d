//! buffers = [{ bytes = 256, fill = "iota" }, { bytes = 256 }, { bytes = 256 }]
//! [[dispatch]]
//! entry = "double_and_save"
//! groups = [4, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }, { slot = 2, buffer = 2, access = "write" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> doubled: array<u32>;
@group(0) @binding(2) var<storage, read_write> saved: array<u32>;

@compute @workgroup_size(16)
fn double_and_save(@builtin(global_invocation_id) id: vec3<u32>) {
    doubled[id.x] = input[id.x] * 2u;
    saved[id.x] = doubled[id.x] + 1u;
}
