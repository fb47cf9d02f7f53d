//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

fn root(x: u32, result: ptr<function, u32>) -> bool {
    for (var at = 0u; at < 8u; at++) {
        if at * at == x {
            *result = at;
            return true;
        }
    }
    return false;
}

@compute @workgroup_size(32)
fn roots(@builtin(local_invocation_index) lane: u32) {
    var found: u32;
    root(input[lane], &found);
    output[lane] = found; //~ uninitialized
}
