//! groups = [1, 1, 1]
//! subgroup = 16
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn mark(@builtin(local_invocation_index) lane: u32) {
    let value = input[lane];
    var result = 0u;
    let any_nine = subgroupAny(value == 9u);
    if value > 4u && any_nine {
        result = 1u;
    }
    output[lane] = result;
}
