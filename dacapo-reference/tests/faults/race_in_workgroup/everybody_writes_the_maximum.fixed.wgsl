//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "random" }, { slot = 1, bytes = 8 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(32)
fn maximum(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    if lane == 0u {
        atomicStore(&largest, 0u);
    }
    workgroupBarrier();
    atomicMax(&largest, input[id.x]);
    workgroupBarrier();
    if lane == 0u {
        output[group.x] = atomicLoad(&largest);
    }
}
