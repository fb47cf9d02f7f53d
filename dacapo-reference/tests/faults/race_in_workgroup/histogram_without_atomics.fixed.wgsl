//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 512, fill = "random" }, { slot = 1, bytes = 64, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<atomic<u32>>;

var<workgroup> bins: array<atomic<u32>, 16>;

@compute @workgroup_size(64)
fn histogram(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if lane < 16u {
        atomicStore(&bins[lane], 0u);
    }
    workgroupBarrier();
    atomicAdd(&bins[input[id.x] & 15u], 1u);
    workgroupBarrier();
    if lane < 16u {
        atomicAdd(&output[lane], atomicLoad(&bins[lane]));
    }
}
