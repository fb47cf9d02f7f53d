//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 64 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(16)
fn blur(@builtin(local_invocation_index) lane: u32) {
    var sum = 0u;
    for (var offset = -1i; offset <= 1i; offset++) {
        let at = i32(lane) + offset;
        if at >= 0 && at < 16 {
            sum += input[at];
        }
    }
    output[lane] = sum;
}
