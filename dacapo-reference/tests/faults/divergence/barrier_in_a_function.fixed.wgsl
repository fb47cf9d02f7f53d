//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 32>;

fn publish(lane: u32, value: u32) {
    tile[lane] = value;
    workgroupBarrier();
}

@compute @workgroup_size(32)
fn publish_some(@builtin(local_invocation_index) lane: u32) {
    publish(lane, input[lane]);
    if input[lane] != 5u {
        output[lane] = tile[lane];
    }
}
