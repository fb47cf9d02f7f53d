//! buffers = [{ bytes = 64, fill = "zero" }]
//! [[dispatch]]
//! entry = "count"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0, bytes = 30 }]

enable f16;

@group(0) @binding(0) var<storage, read_write> output: array<f16>;

@compute @workgroup_size(16)
fn count(@builtin(local_invocation_index) lane: u32) {
    output[lane] = f16(lane); //~ out_of_bounds
}
