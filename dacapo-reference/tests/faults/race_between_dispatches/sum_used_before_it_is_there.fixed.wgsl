//! buffers = [{ bytes = 256, fill = "iota" }, { bytes = 4 }, { bytes = 256 }]
//! [[dispatch]]
//! entry = "sum"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }]
//! [[dispatch]]
//! entry = "divide"
//! groups = [2, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 2, buffer = 1 }, { slot = 3, buffer = 2 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> total: u32;
@group(0) @binding(2) var<storage, read> divisor: u32;
@group(0) @binding(3) var<storage, read_write> output: array<u32>;

var<workgroup> shared_sum: atomic<u32>;

@compute @workgroup_size(64)
fn sum(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        atomicStore(&shared_sum, 0u);
    }
    workgroupBarrier();
    atomicAdd(&shared_sum, input[lane]);
    workgroupBarrier();
    if lane == 0u {
        total = atomicLoad(&shared_sum);
    }
}

@compute @workgroup_size(32)
fn divide(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = input[id.x] * 1000u / divisor;
}
