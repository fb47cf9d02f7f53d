//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [0, 0, 2, 3, 3, 3, 0, 2] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> bins_of: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> sums: array<atomic<u32>, 4>;
var<workgroup> counts: array<atomic<u32>, 4>;

@compute @workgroup_size(8)
fn means(@builtin(local_invocation_index) lane: u32) {
    if lane < 4u {
        atomicStore(&sums[lane], 0u);
        atomicStore(&counts[lane], 0u);
    }
    workgroupBarrier();
    atomicAdd(&sums[bins_of[lane]], lane * 10u);
    atomicAdd(&counts[bins_of[lane]], 1u);
    workgroupBarrier();
    if lane < 4u {
        let count = atomicLoad(&counts[lane]);
        output[lane] = atomicLoad(&sums[lane]) / count; //~ arithmetic
    }
}
