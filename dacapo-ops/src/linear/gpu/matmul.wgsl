// A tile of 64 tokens by 64 rows for each workgroup, 32 columns at a time; each thread has 4 by 4 of it. In workgroup
// memory neighbours along a column lie side by side, so that a thread loads its four at once.
const TILE: u32 = 64u;
const DEPTH: u32 = 32u;
var<workgroup> inputs: array<vec4<f32>, 512>;
var<workgroup> weights: array<vec4<f32>, 512>;

// Where four lines of a column are; neighbouring threads write to different banks.
fn place_of(column: u32, four: u32) -> u32 {
    return column * 16u + (four ^ (column / 4u));
}

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
        // Half of the threads bring one side each: four columns of four lines, turned around, for whoever writes an element
        // of a vector may write the others, too. Eight neighbours take one line's columns in order.
        let column = thread % 8u;
        let four = thread / 8u % 16u;
        let k4 = k / 4u + column;
        let inside = k4 * 4u < p.cols;
        var lines = array<vec4<f32>, 4>();
        if thread < 128u {
            for (var i = 0u; i < 4u; i += 1u) {
                let token = first_token + four * 4u + i;
                if inside && token < p.tokens { lines[i] = x4(token, k4); }
            }
            for (var i = 0u; i < 4u; i += 1u) {
                inputs[place_of(column * 4u + i, four)] = vec4<f32>(lines[0][i], lines[1][i], lines[2][i], lines[3][i]);
            }
        } else {
            for (var i = 0u; i < 4u; i += 1u) {
                let row = first_row + four * 4u + i;
                if inside && row < p.rows_0 { lines[i] = weight4_0(row, k4, units); }
            }
            for (var i = 0u; i < 4u; i += 1u) {
                weights[place_of(column * 4u + i, four)] = vec4<f32>(lines[0][i], lines[1][i], lines[2][i], lines[3][i]);
            }
        }
        workgroupBarrier();
        for (var depth = 0u; depth < DEPTH; depth += 1u) {
            let x = inputs[place_of(depth, down)];
            let weight = weights[place_of(depth, across)];
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
