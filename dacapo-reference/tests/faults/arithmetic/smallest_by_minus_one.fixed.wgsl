//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [5, -7, -2147483648, 9] }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<i32>;
@group(0) @binding(1) var<storage, read_write> output: array<i32>;

@compute @workgroup_size(4)
fn negate(@builtin(local_invocation_index) lane: u32) {
    let sign = select(1i, -1i, input[lane] < 0i);
    output[lane] = max(input[lane], -2147483647i) / sign;
}
