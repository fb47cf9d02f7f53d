//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "random" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> bins: array<atomic<u32>, 16>;

@compute @workgroup_size(64)
fn histogram(@builtin(local_invocation_index) lane: u32) {
    atomicAdd(&bins[input[lane] & 15u], 1u); //~ uninitialized
    workgroupBarrier();
    if lane < 16u {
        output[lane] = atomicLoad(&bins[lane]); //~ maybe
    }
}
