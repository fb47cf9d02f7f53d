//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 32, fill = "iota" }, { slot = 1, bytes = 64 }]

enable f16;

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

var<workgroup> halves: array<f16, 8>;

@compute @workgroup_size(8)
fn shift(@builtin(local_invocation_index) lane: u32) {
    halves[lane] = f16(input[lane]); //~ other
    output[lane] = f32(halves[(lane + 2u) % 8u]); //~ race_in_workgroup
}
