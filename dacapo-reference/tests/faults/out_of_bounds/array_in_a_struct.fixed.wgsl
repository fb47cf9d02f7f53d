//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 192, fill = "iota" }, { slot = 1, bytes = 64 }]

struct Block {
    scale: u32,
    values: array<u32, 7>,
    sum: u32,
}

@group(0) @binding(0) var<storage, read> blocks: array<Block, 5>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(5)
fn sums(@builtin(local_invocation_index) lane: u32) {
    var sum = 0u;
    for (var at = 0u; at < 7u; at++) {
        sum += blocks[lane].values[at];
    }
    output[lane] = sum * blocks[lane].scale;
}
