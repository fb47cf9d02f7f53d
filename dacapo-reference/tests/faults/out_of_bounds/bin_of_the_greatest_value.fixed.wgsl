//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, values = [0.0, 0.25, 0.5, 1.0] }, { slot = 1, bytes = 64, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>>;

@compute @workgroup_size(4)
fn histogram(@builtin(local_invocation_index) lane: u32) {
    let bin = min(u32(input[lane] * 16.0), 15u);
    atomicAdd(&bins[bin], 1u);
}
