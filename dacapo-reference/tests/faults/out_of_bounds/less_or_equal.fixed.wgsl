//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 4 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: u32;

@compute @workgroup_size(1)
fn sum() {
    var sum = 0u;
    for (var at = 0u; at < arrayLength(&input); at++) {
        sum += input[at];
    }
    output = sum;
}
