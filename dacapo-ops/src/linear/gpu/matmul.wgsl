// A tile of 64 tokens by 64 rows for each workgroup, 32 columns at a time; each thread has 4 by 4 of it. In workgroup
// memory neighbours along a column lie side by side, so that a thread loads its four at once.
const TILE: u32 = 64u;
const DEPTH: u32 = 32u;
const THREADS: u32 = 256u;
var<workgroup> inputs: array<vec4<f32>, 512>;
var<workgroup> weights: array<vec4<f32>, 512>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let units = p.units;
    let first_row = group.x * TILE;
    let first_token = group.y * TILE;
    let across = thread % 16u;
    let down = thread / 16u;
    var sums = array<vec4<f32>, 4>();
    for (var k = 0u; k < p.cols; k += DEPTH) {
        // Each thread brings two runs of four columns of each side.
        for (var run = 0u; run < 2u; run += 1u) {
            // Four neighbouring lanes take one row's columns in order; rows are spread over the others.
            let at = run * THREADS + thread;
            let column = at % 8u;
            let line = at / 8u;
            let k4 = k / 4u + column;
            let inside = k4 * 4u < p.cols;
            var x = vec4<f32>();
            var weight = vec4<f32>();
            if inside && first_token + line < p.tokens { x = x4(first_token + line, k4); }
            if inside && first_row + line < p.rows_0 { weight = weight4_0(first_row + line, k4, units); }
            let place = line / 4u;
            let lane = line & 3u;
            let base = column * 4u;
            for (var i = 0u; i < 4u; i += 1u) {
                inputs[(base + i) * 16u + place][lane] = x[i];
                weights[(base + i) * 16u + place][lane] = weight[i];
            }
        }
        workgroupBarrier();
        for (var depth = 0u; depth < DEPTH; depth += 1u) {
            let x = inputs[depth * 16u + down];
            let weight = weights[depth * 16u + across];
            sums[0] += x.x * weight;
            sums[1] += x.y * weight;
            sums[2] += x.z * weight;
            sums[3] += x.w * weight;
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i += 1u) {
        let token = first_token + down * 4u + i;
        if token >= p.tokens { continue; }
        for (var j = 0u; j < 4u; j += 1u) {
            let row = first_row + across * 4u + j;
            if row < p.rows_0 { put_0(token, row, sums[i][j]); }
        }
    }
}
