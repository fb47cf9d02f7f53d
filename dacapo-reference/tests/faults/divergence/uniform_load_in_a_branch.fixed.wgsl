//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> factor: u32;

@compute @workgroup_size(32)
fn scale_odd(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        factor = input[7];
    }
    workgroupBarrier();
    var result = input[lane];
    let loaded = workgroupUniformLoad(&factor);
    if (lane & 1u) == 1u {
        result *= loaded;
    }
    output[lane] = result;
}
