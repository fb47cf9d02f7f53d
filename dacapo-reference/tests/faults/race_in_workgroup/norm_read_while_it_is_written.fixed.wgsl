//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 512, fill = "iota_f32" }, { slot = 1, bytes = 512 }]

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

var<workgroup> squares: array<f32, 64>;

@compute @workgroup_size(64)
fn norm(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let x = input[id.x];
    squares[lane] = x * x;
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride >>= 1u) {
        if lane < stride {
            squares[lane] += squares[lane + stride];
        }
        workgroupBarrier();
    }
    output[id.x] = x * inverseSqrt(squares[0] / 64.0 + 1e-5);
}
