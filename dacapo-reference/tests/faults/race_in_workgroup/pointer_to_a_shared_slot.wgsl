//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "random" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> slots: array<u32, 32>;

fn store(at: u32, value: u32) {
    let slot = &slots[at];
    *slot = value; //~ race_in_workgroup
}

@compute @workgroup_size(32)
fn halve(@builtin(local_invocation_index) lane: u32) {
    store(lane / 2u, input[lane]);
    workgroupBarrier();
    if lane < 16u {
        output[lane] = slots[lane];
    }
}
