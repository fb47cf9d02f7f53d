//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "random" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> chosen: u32;

@compute @workgroup_size(32)
fn broadcast(@builtin(local_invocation_index) lane: u32) {
    if lane == (input[0] & 31u) {
        chosen = input[lane]; //~ other
    }
    output[lane] = chosen; //~ race_in_workgroup
}
