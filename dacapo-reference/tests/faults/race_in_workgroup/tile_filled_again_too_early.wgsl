//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 1024, fill = "random" }, { slot = 1, bytes = 256 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 64>;

@compute @workgroup_size(64)
fn sums(@builtin(local_invocation_index) lane: u32) {
    var sum = 0u;
    for (var part = 0u; part < 4u; part++) {
        tile[lane] = input[part * 64u + lane]; //~ race_in_workgroup
        workgroupBarrier();
        sum += tile[lane] * tile[63u - lane]; //~ other
    }
    output[lane] = sum;
}
