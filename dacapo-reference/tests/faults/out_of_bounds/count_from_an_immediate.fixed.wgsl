//! groups = [1, 1, 1]
//! inline = "00000000 20000000"
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 4 }]

struct Range {
    first: u32,
    count: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: u32;

var<immediate> range: Range;

@compute @workgroup_size(1)
fn sum() {
    var sum = 0u;
    for (var at = 0u; at < range.count; at++) {
        sum += input[range.first + at];
    }
    output = sum;
}
