// A tile of 64 tokens by 64 rows for each workgroup of four subgroups, 32 columns at a time; each subgroup has 32 by 32 of
// it, as matrices of the size that the device's matrix units take: SIZE by SIZE, of the types Left, Right and Sum, which
// stand in front of this text. A line with {d} in it is written once for each matrix from top to bottom, and one with {a} for
// each from left to right. Rows of the tiles are 40 elements apart, so that the rows of a matrix lie in different banks.
const TILE: u32 = 64u;
const DEPTH: u32 = 32u;
const STRIDE: u32 = 40u;
const OUT: u32 = 68u;
var<workgroup> inputs: array<f16, 2560>;
var<workgroup> weights: array<f16, 2560>;
var<workgroup> results: array<f32, 4352>;

// The nearest f16; what is beyond its range becomes its largest, and NaN stays.
fn narrow(x: vec4<f32>) -> vec4<f16> {
    // By its bits: compilers may take it that a number equals itself.
    let is_nan = (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
    return vec4<f16>(select(clamp(x, vec4<f32>(-65504.0), vec4<f32>(65504.0)), x, is_nan));
}

@compute @workgroup_size(SUBGROUP_SIZE * 4u)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let threads = SUBGROUP_SIZE * 4u;
    let units = p.units;
    let first_row = group.x * TILE;
    let first_token = group.y * TILE;
    let down = subgroup / 2u * 32u;
    let across = subgroup % 2u * 32u;
    var c{d}{a} = Sum();
    for (var k = 0u; k < p.cols; k += DEPTH) {
        for (var at = thread; at < 512u; at += threads) {
            let column = at % 8u;
            let line = at / 8u;
            let k4 = k / 4u + column;
            let inside = k4 * 4u < p.cols;
            var x = vec4<f32>();
            var weight = vec4<f32>();
            if inside && first_token + line < p.tokens { x = x4(first_token + line, k4); }
            if inside && first_row + line < p.rows_0 { weight = weight4_0(first_row + line, k4, units); }
            let base = line * STRIDE + column * 4u;
            let narrow_x = narrow(x);
            let narrow_weight = narrow(weight);
            for (var i = 0u; i < 4u; i += 1u) {
                inputs[base + i] = narrow_x[i];
                weights[base + i] = narrow_weight[i];
            }
        }
        workgroupBarrier();
        for (var depth = 0u; depth < DEPTH; depth += SIZE) {
            let a{d} = coopLoadT<Left>(&inputs[(down + {d}u * SIZE) * STRIDE + depth], STRIDE);
            let b{a} = coopLoad<Right>(&weights[(across + {a}u * SIZE) * STRIDE + depth], STRIDE);
            c{d}{a} = coopMultiplyAdd(a{d}, b{a}, c{d}{a});
        }
        workgroupBarrier();
    }
    // The arguments of a store must have names.
    let stride = OUT;
    let at{d}{a} = (down + {d}u * SIZE) * OUT + across + {a}u * SIZE;
    let r{d}{a} = c{d}{a};
    coopStoreT(r{d}{a}, &results[at{d}{a}], stride);
    workgroupBarrier();
    for (var at = thread; at < TILE * TILE; at += threads) {
        let token = first_token + at / TILE;
        let row = first_row + at % TILE;
        if token < p.tokens && row < p.rows_0 { put_0(token, row, results[at / TILE * OUT + at % TILE]); }
    }
}
