enable f16;
enable wgpu_cooperative_matrix;
// Multiplies matrices in registers: four with two others, each product added up over the turns.

override SUBGROUP_SIZE: u32;

struct Params {
    turns: u32,
}

var<immediate> params: Params;

@group(0) @binding(0) var<storage, read_write> sums: array<u32>;

// Rows of 16: four matrices, and two that are multiplied by their rows, too.
var<workgroup> left: array<f16, 1024>;
var<workgroup> right: array<f16, 512>;
// A product of each subgroup.
var<workgroup> results: array<f32, 1024>;

fn sum_of(subgroup: u32, lane: u32) -> u32 {
    var sum = 0u;
    for (var i = lane; i < 256u; i += SUBGROUP_SIZE) {
        sum += u32(results[subgroup * 256u + i]);
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
    for (var i = thread; i < 1024u; i += threads) {
        left[i] = f16((3u * (i / 16u) + i % 16u) % 5u);
    }
    for (var i = thread; i < 512u; i += threads) {
        right[i] = f16((i / 16u + 2u * (i % 16u)) % 7u);
    }
    workgroupBarrier();
    let a0 = coopLoadT<coop_mat16x16<f16, A>>(&left[0u], 16u);
    let a1 = coopLoadT<coop_mat16x16<f16, A>>(&left[256u], 16u);
    let a2 = coopLoadT<coop_mat16x16<f16, A>>(&left[512u], 16u);
    let a3 = coopLoadT<coop_mat16x16<f16, A>>(&left[768u], 16u);
    let b0 = coopLoad<coop_mat16x16<f16, B>>(&right[0u], 16u);
    let b1 = coopLoad<coop_mat16x16<f16, B>>(&right[256u], 16u);
    var c00 = coop_mat16x16<f32, C>();
    var c01 = coop_mat16x16<f32, C>();
    var c10 = coop_mat16x16<f32, C>();
    var c11 = coop_mat16x16<f32, C>();
    var c20 = coop_mat16x16<f32, C>();
    var c21 = coop_mat16x16<f32, C>();
    var c30 = coop_mat16x16<f32, C>();
    var c31 = coop_mat16x16<f32, C>();
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
    let stride = 16u;
    let own = subgroup * 256u;
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
