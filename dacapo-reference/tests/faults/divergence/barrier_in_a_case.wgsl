//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn by_phase(@builtin(local_invocation_index) lane: u32) {
    var result = 0u;
    switch input[lane] % 3u {
        case 0u: {
            result = 1u;
            workgroupBarrier(); //~ divergence
        }
        case 1u: {
            result = 2u;
        }
        default: {
            result = 3u;
        }
    }
    output[lane] = result;
}
