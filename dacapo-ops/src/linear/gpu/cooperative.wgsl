// A tile of TOKENS by ROWS for each workgroup, DEPTH columns at a time. Each of DOWN by ACROSS subgroups has a part of it, as
// matrices of the size that the device's matrix units take: SIZE by SIZE, of the types Left, Right and Sum. These constants
// and types stand in front of this text, with how tiles lie in workgroup memory: `tiles`, whose elements are PER halves,
// and `keep`, which puts eight halves there. A line with {d} in it is written once for each matrix of a part from
// top to bottom, one with {a} for each from left to right, and one with {x} or {w} for each eight activations or weights that
// a thread brings. Lines of the tiles are STRIDE halves apart, so that eight of them lie in different banks.
//
// What comes next is loaded while the present is multiplied. With two BUFFERS a thread writes one while others still read
// the other, and one barrier a turn is enough.
//
// What is beyond the range of f16 is to become its largest number. To look for it would cost more than a quarter of the time.
// As it is, it becomes infinite, and so do sums with it, or NaN: these are left out, and what a workgroup has left out is
// computed once more from numbers that `narrow` has brought into range.
// Small matrices look first, and leave nothing out.

// The first: whether any sum of the workgroup is left out. Matrices are loaded from multiples of 16 bytes (Vulkan,
// VUID-RuntimeSpirv-OpCooperativeMatrixLoadKHR-08986), where `tiles` begins if each variable has a multiple of that.
var<workgroup> are_late: array<atomic<u32>, 4>;

// Whether any of a lane's elements of the matrix of results at a place is infinite or NaN.
fn is_beyond(place: u32, lane: u32) -> bool {
    var is = false;
    for (var at = lane; at < SIZE * SIZE; at += SUBGROUP_SIZE) {
        is = is || (bitcast<u32>(results[place + at]) & 0x7f800000u) == 0x7f800000u;
    }
    return is;
}

// Puts a lane's elements of it where they go.
fn put_matrix(place: u32, lane: u32, first_token: u32, first_row: u32) {
    for (var at = lane; at < SIZE * SIZE; at += SUBGROUP_SIZE) {
        let token = first_token + at / SIZE;
        let row = first_row + at % SIZE;
        if token < p.tokens && row < p.rows_0 { put_0(token, row, results[place + at]); }
    }
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
    // Each subgroup has a place for one matrix of results. The arguments of a store must have names.
    let place = subgroup * SIZE * SIZE;
    let stride = SIZE;
    let lane = thread % SUBGROUP_SIZE;
    if thread == 0u { atomicStore(&are_late[0], 0u); }
    // Lines beyond the last are the last once more: what comes of them is not kept.
    let x_at{x} = thread + {x}u * threads;
    let x_token{x} = min(first_token + x_at{x} / (DEPTH / 8u), p.tokens - 1u);
    let x_column{x} = x_at{x} % (DEPTH / 8u);
    let x_to{x} = x_at{x} / (DEPTH / 8u) * STRIDE + x_column{x} * 8u;
    let w_at{w} = thread + {w}u * threads;
    let w_row{w} = min(first_row + w_at{w} / (DEPTH / 8u), p.rows_0 - 1u);
    let w_column{w} = w_at{w} % (DEPTH / 8u);
    let w_to{w} = (TOKENS + w_at{w} / (DEPTH / 8u)) * STRIDE + w_column{w} * 8u;
    var c{d}_{a} = Sum();
    var late{d}_{a} = false;
//: sums
    var a_of_x{x} = x4(x_token{x}, min(x_column{x} * 2u, last4));
    var b_of_x{x} = x4(x_token{x}, min(x_column{x} * 2u + 1u, last4));
    var weights{w} = load8(w_row{w}, min(w_column{w}, last4 / 2u), units);
    c{d}_{a} = Sum();
    var start = 0u;
    for (var k = 0u; k < p.cols; k += DEPTH) {
        if x_at{x} < TOKENS * (DEPTH / 8u) { keep(start + x_to{x}, halved(a_of_x{x}), halved(b_of_x{x})); }
        if w_at{w} < ROWS * (DEPTH / 8u) { keep(start + w_to{w}, within(k, w_column{w}, halved(low4(weights{w}))), within(k, w_column{w}, halved(high4(weights{w})))); }
        workgroupBarrier();
        let next = k + DEPTH;
        if next < p.cols {
            a_of_x{x} = x4(x_token{x}, min(next / 4u + x_column{x} * 2u, last4));
            b_of_x{x} = x4(x_token{x}, min(next / 4u + x_column{x} * 2u + 1u, last4));
            weights{w} = load8(w_row{w}, min(next / 8u + w_column{w}, last4 / 2u), units);
        }
//: step
        {
            let a{d} = coopLoadT<Left>(&tiles[(start + (down + {d}u * SIZE) * STRIDE + {depth}) / PER], STRIDE / PER);
            let b{a} = coopLoad<Right>(&tiles[(start + (TOKENS + across + {a}u * SIZE) * STRIDE + {depth}) / PER], STRIDE / PER);
            c{d}_{a} = coopMultiplyAdd(a{d}, b{a}, c{d}_{a});
        }
//: turn
        start = (TOKENS + ROWS) * STRIDE - start;
        if BUFFERS == 1u { start = 0u; workgroupBarrier(); }
    }
//: matrix
    {
        let sums = c{d}_{a};
        coopStoreT(sums, &results[place], stride);
        workgroupBarrier();
//: look
        late{d}_{a} = is_beyond(place, lane);
        if late{d}_{a} { atomicStore(&are_late[0], 1u); }
//: put
        if {now} { put_matrix(place, lane, first_token + down + {d}u * SIZE, first_row + across + {a}u * SIZE); }
        workgroupBarrier();
    }
