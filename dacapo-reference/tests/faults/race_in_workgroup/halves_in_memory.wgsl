//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 16 }, { slot = 1, bytes = 32 }]

enable f16;

@group(0) @binding(0) var<storage, read_write> halves: array<f16>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(8)
fn shift(@builtin(local_invocation_index) lane: u32) {
    halves[lane] = f16(lane); //~ other
    if lane == 7u {
        output[lane] = f32(halves[2]); //~ race_in_workgroup
    }
}
