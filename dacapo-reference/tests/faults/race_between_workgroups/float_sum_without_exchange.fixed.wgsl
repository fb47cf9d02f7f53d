//! groups = [8, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota_f32" }, { slot = 1, bytes = 4, fill = "zero" }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> sum: atomic<u32>;

@compute @workgroup_size(4)
fn add(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        let part = input[id.x] + input[id.x + 1u] + input[id.x + 2u] + input[id.x + 3u];
        var old = atomicLoad(&sum);
        loop {
            let sum_now = bitcast<u32>(bitcast<f32>(old) + part);
            let result = atomicCompareExchangeWeak(&sum, old, sum_now);
            if result.exchanged {
                break;
            }
            old = result.old_value;
        }
    }
}
