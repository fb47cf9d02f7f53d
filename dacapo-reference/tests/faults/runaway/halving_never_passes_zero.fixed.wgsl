//! groups = [1, 1, 1]
//! steps = 20000
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

var<workgroup> scratch: array<u32, 16>;

@compute @workgroup_size(16)
fn sum(@builtin(local_invocation_index) lane: u32) {
    scratch[lane] = values[lane];
    workgroupBarrier();
    var stride = 8u;
    while stride > 0u {
        if lane < stride {
            scratch[lane] += scratch[lane + stride];
        }
        workgroupBarrier();
        stride /= 2u;
    }
    values[lane] = scratch[0];
}
