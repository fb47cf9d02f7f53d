//! groups = [1, 1, 1]
//! steps = 20000
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 4 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: u32;

@compute @workgroup_size(1)
fn sum_of_odd() {
    var sum = 0u;
    var at = 0u;
    while at < 16u {
        if input[at] % 2u == 0u {
            at += 1u;
            continue;
        }
        sum += input[at];
        at += 1u;
    }
    output = sum;
}
