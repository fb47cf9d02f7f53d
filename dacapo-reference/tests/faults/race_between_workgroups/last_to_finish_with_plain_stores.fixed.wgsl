//! groups = [8, 1, 1]
//! buffers = [
//!   { slot = 0, bytes = 1024, fill = "iota" },
//!   { slot = 1, bytes = 32 },
//!   { slot = 2, bytes = 4, fill = "zero" },
//!   { slot = 3, bytes = 4 },
//! ]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> parts: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> finished: atomic<u32>;
@group(0) @binding(3) var<storage, read_write> total: u32;

@compute @workgroup_size(1)
fn sum(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var part = 0u;
    for (var at = 0u; at < 32u; at++) {
        part += input[group.x * 32u + at];
    }
    atomicStore(&parts[group.x], part);
    storageBarrier();
    if atomicAdd(&finished, 1u) == groups.x - 1u {
        var sum = 0u;
        for (var at = 0u; at < groups.x; at++) {
            sum += atomicLoad(&parts[at]);
        }
        total = sum;
    }
}
