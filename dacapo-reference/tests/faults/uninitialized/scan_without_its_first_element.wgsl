//! buffers = [{ bytes = 128, fill = "iota" }, { bytes = 128 }, { bytes = 128 }]
//! [[dispatch]]
//! entry = "exclusive_scan"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }]
//! [[dispatch]]
//! entry = "double"
//! groups = [2, 1, 1]
//! bind = [{ slot = 0, buffer = 1 }, { slot = 1, buffer = 2 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(1)
fn exclusive_scan() {
    var sum = 0u;
    for (var at = 0u; at + 1u < arrayLength(&input); at++) {
        sum += input[at];
        output[at + 1u] = sum;
    }
}

@compute @workgroup_size(16)
fn double(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = 2u * input[id.x]; //~ uninitialized
}
