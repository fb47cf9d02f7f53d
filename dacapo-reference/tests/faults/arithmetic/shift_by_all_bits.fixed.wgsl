//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [0, 1, 31, 32] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> widths: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(4)
fn masks(@builtin(local_invocation_index) lane: u32) {
    let width = widths[lane];
    output[lane] = extractBits(0xffffffffu, 0u, width);
}
