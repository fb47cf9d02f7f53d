// A tile of TOKENS by ROWS for each workgroup, DEPTH columns at a time. Each of DOWN by ACROSS subgroups has a part of it, as
// matrices of the size that the device's matrix units take: SIZE by SIZE, of the types Left, Right and Sum. These constants
// and types stand in front of this text, with how tiles lie in workgroup memory: `tiles`, whose elements are PER halves,
// and `keep`, which puts eight halves there. A line with {d} in it is written once for each matrix of a part from
// top to bottom, one with {a} for each from left to right, and one with {x} or {w} for each eight activations or weights that
// a thread brings. Lines of the tiles are STRIDE halves apart, so that eight of them lie in different banks.
//
// What comes next is loaded while the present is multiplied. With two BUFFERS a thread writes one while others still read
// the other, and one barrier a turn is enough.

// The nearest f16; what is beyond its range becomes its largest, and NaN stays.
fn narrow(x: vec4<f32>) -> vec4<f16> {
    // By its bits: compilers may take it that a number equals itself.
    let size = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
    // What is below 65520 is rounded to 65504 at most, and hardly ever is anything else met.
    if max(max(size.x, size.y), max(size.z, size.w)) < 0x477ff000u { return vec4<f16>(x); }
    let is_nan = size > vec4<u32>(0x7f800000u);
    return vec4<f16>(select(clamp(x, vec4<f32>(-65504.0), vec4<f32>(65504.0)), x, is_nan));
}

@compute @workgroup_size(SUBGROUP_SIZE * DOWN * ACROSS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let threads = SUBGROUP_SIZE * DOWN * ACROSS;
    let units = p.units;
    let first_row = group.x * ROWS;
    let first_token = group.y * TOKENS;
    let down = subgroup / ACROSS * (TOKENS / DOWN);
    let across = subgroup % ACROSS * (ROWS / ACROSS);
    let last4 = (p.cols - 1u) / 4u;
    // Lines beyond the last are the last once more: what comes of them is not kept.
    let x_at{x} = thread + {x}u * threads;
    let x_token{x} = min(first_token + x_at{x} / (DEPTH / 8u), p.tokens - 1u);
    let x_column{x} = x_at{x} % (DEPTH / 8u);
    let w_at{w} = thread + {w}u * threads;
    let w_row{w} = min(first_row + w_at{w} / (DEPTH / 8u), p.rows_0 - 1u);
    let w_column{w} = w_at{w} % (DEPTH / 8u);
    var a_of_x{x} = x4(x_token{x}, min(x_column{x} * 2u, last4));
    var b_of_x{x} = x4(x_token{x}, min(x_column{x} * 2u + 1u, last4));
    var weights{w} = load8(w_row{w}, min(w_column{w}, last4 / 2u), units);
    var c{d}{a} = Sum();
    var start = 0u;
    for (var k = 0u; k < p.cols; k += DEPTH) {
        if x_at{x} < TOKENS * (DEPTH / 8u) { keep(start + x_at{x} / (DEPTH / 8u) * STRIDE + x_column{x} * 8u, narrow(a_of_x{x}), narrow(b_of_x{x})); }
        // Columns beyond the last count for nothing because their weights are 0.
        let is_in{w} = k + w_column{w} * 8u < p.cols;
        if w_at{w} < ROWS * (DEPTH / 8u) { keep(start + TOKENS * STRIDE + w_at{w} / (DEPTH / 8u) * STRIDE + w_column{w} * 8u, select(vec4<f16>(), narrow(low4(weights{w})), is_in{w}), select(vec4<f16>(), narrow(high4(weights{w})), is_in{w})); }
        workgroupBarrier();
        let next = k + DEPTH;
        if next < p.cols {
            a_of_x{x} = x4(x_token{x}, min(next / 4u + x_column{x} * 2u, last4));
            b_of_x{x} = x4(x_token{x}, min(next / 4u + x_column{x} * 2u + 1u, last4));
            weights{w} = load8(w_row{w}, min(next / 8u + w_column{w}, last4 / 2u), units);
        }
        for (var depth = 0u; depth < DEPTH; depth += SIZE) {
            let a{d} = coopLoadT<Left>(&tiles[(start + (down + {d}u * SIZE) * STRIDE + depth) / PER], STRIDE / PER);
            let b{a} = coopLoad<Right>(&tiles[(start + (TOKENS + across + {a}u * SIZE) * STRIDE + depth) / PER], STRIDE / PER);
            c{d}{a} = coopMultiplyAdd(a{d}, b{a}, c{d}{a});
        }
        start = (TOKENS + ROWS) * STRIDE - start;
        if BUFFERS == 1u { start = 0u; workgroupBarrier(); }
    }
    // Each subgroup has a place for one matrix of results. The arguments of a store must have names.
    let place = subgroup * SIZE * SIZE;
    let stride = SIZE;
    let lane = thread % SUBGROUP_SIZE;
    let r{d}{a} = c{d}{a};
// Of each matrix in turn:
    {
        coopStoreT(r{d}{a}, &results[place], stride);
        workgroupBarrier();
        for (var at = lane; at < SIZE * SIZE; at += SUBGROUP_SIZE) {
            let token = first_token + down + {d}u * SIZE + at / SIZE;
            let row = first_row + across + {a}u * SIZE + at % SIZE;
            if token < p.tokens && row < p.rows_0 { put_0(token, row, results[place + at]); }
        }
        workgroupBarrier();
    }
// Behind them:
}
