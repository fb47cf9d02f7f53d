//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 32, fill = "zero" }]

enable f16;

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<f16>;

@compute @workgroup_size(16)
fn narrow(@builtin(local_invocation_index) lane: u32) {
    output[lane] = f16(input[lane]);
}
