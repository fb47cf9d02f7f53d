// What the norm's forms share. The form, which precedes this, declares its buffers and
//   alias Part                               what is loaded at once: vec4<f32> or f32,
//   fn sum_of(v: Part) -> f32                of its elements,
//   fn greatest_of(v: Part) -> f32           magnitude of its elements,
//   fn count() -> u32                        parts in all rows,
//   fn take(i: u32) -> Part                  part i of what is to be normalised, once,
//   fn retake(i: u32) -> Part                the same again,
//   fn weight_of(i: u32) -> Part             what part i of each row's norm is multiplied with,
//   fn put(i: u32, value: Part)              its norm.

struct Params {
    rows_per_group: u32,
    // Elements of a row.
    width: u32,
    eps: f32,
}

var<immediate> params: Params;

override SUBGROUP_SIZE: u32;
const THREADS = 256u;

var<workgroup> sums: array<f32, THREADS / 4>;

// One row to a workgroup, or to each of its subgroups where a workgroup takes several.
fn whole() -> bool {
    return params.rows_per_group == 1u;
}

// The sum over the threads of a row, the same bits in each of them.
fn row_sum(value: f32, subgroup: u32, lane: u32) -> f32 {
    let sum = subgroupAdd(value);
    if !whole() {
        return sum;
    }
    if lane == 0u {
        sums[subgroup] = sum;
    }
    workgroupBarrier();
    var all = 0.0;
    for (var i = lane; i < THREADS / SUBGROUP_SIZE; i += SUBGROUP_SIZE) {
        all += sums[i];
    }
    workgroupBarrier();
    return subgroupAdd(all);
}

fn row_greatest(value: f32, subgroup: u32, lane: u32) -> f32 {
    let greatest = subgroupMax(value);
    if !whole() {
        return greatest;
    }
    if lane == 0u {
        sums[subgroup] = greatest;
    }
    workgroupBarrier();
    var all = 0.0;
    for (var i = lane; i < THREADS / SUBGROUP_SIZE; i += SUBGROUP_SIZE) {
        all = max(all, sums[i]);
    }
    workgroupBarrier();
    return subgroupMax(all);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let width = params.width / PART;
    let rows = count() / width;
    let elements = f32(params.width);
    let first = select(lane, subgroup * SUBGROUP_SIZE + lane, whole());
    let step = select(SUBGROUP_SIZE, THREADS, whole());
    let own = select(subgroup, 0u, whole());
    for (var at = group.x * params.rows_per_group; at < rows; at += groups.x * params.rows_per_group) {
        let row = at + own;
        // Threads without a row go along with nothing to do.
        let end = select(0u, width, row < rows);
        let base = row * width;

        var squares = Part();
        for (var i = first; i < end; i += step) {
            let v = take(base + i);
            squares = fma(v, v, squares);
        }
        let sum = row_sum(sum_of(squares), subgroup, lane);
        var norm = norm_of(sum / elements, params.eps);

        // All threads of a row agree.
        if !is_normal(sum, elements) {
            norm = scaled(base, first, end, step, elements, subgroup, lane);
        }

        for (var i = first; i < end; i += step) {
            put(base + i, retake(base + i) * norm.scale * norm.factor * weight_of(i));
        }
    }
}

// The norm of a row whose squares are no normal f32: of its elements divided by the greatest.
fn scaled(base: u32, first: u32, end: u32, step: u32, elements: f32, subgroup: u32, lane: u32) -> Norm {
    var greatest = 0.0;
    for (var i = first; i < end; i += step) {
        greatest = max(greatest, greatest_of(retake(base + i)));
    }
    greatest = row_greatest(greatest, subgroup, lane);
    let scale = scale_for(greatest);
    var squares = Part();
    for (var i = first; i < end; i += step) {
        let v = retake(base + i) * scale;
        squares = fma(v, v, squares);
    }
    let mean = row_sum(sum_of(squares), subgroup, lane) / elements;
    return scaled_norm(scale, mean, params.eps);
}
