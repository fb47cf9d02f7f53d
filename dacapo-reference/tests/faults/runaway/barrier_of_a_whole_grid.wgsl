//! steps = 20000
//! buffers = [{ bytes = 64, fill = "iota" }, { bytes = 4, fill = "zero" }, { bytes = 64 }]
//! [[dispatch]]
//! entry = "both"
//! groups = [64, 1, 1]
//! bind = [{ slot = 1, buffer = 1 }]
//! [[dispatch]]
//! entry = "second"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }, { slot = 2, buffer = 2 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> arrived: atomic<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(1)
fn first() {
    atomicAdd(&arrived, 1u);
}

@compute @workgroup_size(1)
fn both() {
    atomicAdd(&arrived, 1u);
    while atomicLoad(&arrived) < 64u { } //~ runaway
}

@compute @workgroup_size(16)
fn second(@builtin(local_invocation_index) lane: u32) {
    output[lane] = input[lane] + atomicLoad(&arrived);
}
