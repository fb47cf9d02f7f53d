// Multiplies matrices in registers: four with two others, each product added up over the turns. In front of this stand SIZE,
// the rows and columns of each, and the types Left, Right and Sum.

override SUBGROUP_SIZE: u32;

struct Params {
    turns: u32,
}

var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> sums: array<u32>;

// Elements of a matrix.
const ELEMENTS: u32 = SIZE * SIZE;

// Rows of SIZE: four matrices, and two that are multiplied by their rows, too.
var<workgroup> left: array<f16, 4u * ELEMENTS>;
var<workgroup> right: array<f16, 2u * ELEMENTS>;
// A product of each subgroup.
var<workgroup> results: array<f32, 4u * ELEMENTS>;

fn sum_of(subgroup: u32, lane: u32) -> u32 {
    var sum = 0u;
    for (var i = lane; i < ELEMENTS; i += SUBGROUP_SIZE) {
        sum += u32(results[subgroup * ELEMENTS + i]);
    }
    return sum;
}

@compute @workgroup_size(SUBGROUP_SIZE * 4u)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let threads = SUBGROUP_SIZE * 4u;
    for (var i = thread; i < 4u * ELEMENTS; i += threads) {
        left[i] = f16((3u * (i / SIZE) + i % SIZE) % 5u);
    }
    for (var i = thread; i < 2u * ELEMENTS; i += threads) {
        right[i] = f16((i / SIZE + 2u * (i % SIZE)) % 7u);
    }
    workgroupBarrier();
    let a0 = coopLoadT<Left>(&left[0u], SIZE);
    let a1 = coopLoadT<Left>(&left[ELEMENTS], SIZE);
    let a2 = coopLoadT<Left>(&left[2u * ELEMENTS], SIZE);
    let a3 = coopLoadT<Left>(&left[3u * ELEMENTS], SIZE);
    let b0 = coopLoad<Right>(&right[0u], SIZE);
    let b1 = coopLoad<Right>(&right[ELEMENTS], SIZE);
    var c00 = Sum();
    var c01 = Sum();
    var c10 = Sum();
    var c11 = Sum();
    var c20 = Sum();
    var c21 = Sum();
    var c30 = Sum();
    var c31 = Sum();
    for (var turn = 0u; turn < params.turns; turn += 1u) {
        c00 = coopMultiplyAdd(a0, b0, c00);
        c01 = coopMultiplyAdd(a0, b1, c01);
        c10 = coopMultiplyAdd(a1, b0, c10);
        c11 = coopMultiplyAdd(a1, b1, c11);
        c20 = coopMultiplyAdd(a2, b0, c20);
        c21 = coopMultiplyAdd(a2, b1, c21);
        c30 = coopMultiplyAdd(a3, b0, c30);
        c31 = coopMultiplyAdd(a3, b1, c31);
    }
    // The arguments of a store must have names.
    let stride = SIZE;
    let own = subgroup * ELEMENTS;
    var sum = 0u;
    let r00 = c00;
    coopStoreT(r00, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    let r01 = c01;
    coopStoreT(r01, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    let r10 = c10;
    coopStoreT(r10, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    let r11 = c11;
    coopStoreT(r11, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    let r20 = c20;
    coopStoreT(r20, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    let r21 = c21;
    coopStoreT(r21, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    let r30 = c30;
    coopStoreT(r30, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    let r31 = c31;
    coopStoreT(r31, &results[own], stride);
    workgroupBarrier();
    sum += sum_of(subgroup, lane);
    workgroupBarrier();
    sums[group.x * threads + thread] = sum;
}
