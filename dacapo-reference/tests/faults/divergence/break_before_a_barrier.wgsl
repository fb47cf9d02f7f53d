//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn halvings(@builtin(local_invocation_index) lane: u32) {
    var rest = input[lane];
    var halvings = 0u;
    for (var round = 0u; round < 8u; round++) {
        if rest == 0u {
            break;
        }
        rest /= 2u;
        halvings += 1u;
        workgroupBarrier(); //~ divergence
    }
    output[lane] = halvings;
}
