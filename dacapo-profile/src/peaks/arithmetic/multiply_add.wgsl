// Multiplies and adds in registers.

struct Params {
    factor: f32,
    summand: f32,
    turns: u32,
}

var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> sums: array<u32>;

fn sum_of(x: vec4<f32>) -> u32 {
    let numbers = vec4<u32>(x);
    return numbers.x + numbers.y + numbers.z + numbers.w;
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= arrayLength(&sums) {
        return;
    }
    let factor = vec4<f32>(params.factor);
    let summand = vec4<f32>(params.summand);
    let start = vec4<f32>(f32(id.x % 256u)) + vec4<f32>(0.0, 1.0, 2.0, 3.0);
    // None waits for another.
    var a = start;
    var b = start + 4.0;
    var c = start + 8.0;
    var d = start + 12.0;
    var e = start + 16.0;
    var f = start + 20.0;
    var g = start + 24.0;
    var h = start + 28.0;
    for (var turn = 0u; turn < params.turns; turn += 1u) {
        a = fma(a, factor, summand);
        b = fma(b, factor, summand);
        c = fma(c, factor, summand);
        d = fma(d, factor, summand);
        e = fma(e, factor, summand);
        f = fma(f, factor, summand);
        g = fma(g, factor, summand);
        h = fma(h, factor, summand);
    }
    sums[id.x] = sum_of(a) + sum_of(b) + sum_of(c) + sum_of(d) + sum_of(e) + sum_of(f) + sum_of(g) + sum_of(h);
}
