// A thread takes a column, along x, of one token after the other, along y. What precedes this is load.wgsl and
// blocks.wgsl; what follows is `fn dequantize(row: u32, column: u32) -> f32`.

// Rows of the table from `first_row` on.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

struct Params {
    first_row: u32,
    // Of this part of the table.
    rows: u32,
    cols: u32,
    row_bytes: u32,
    // Of the whole table.
    vocabulary: u32,
}

var<immediate> params: Params;

const THREADS = 256u;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(global_invocation_id) thread: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var token = group.y; token < arrayLength(&ids); token += groups.y) {
        let id = ids[token];
        // Ids before the part wrap around and lie beyond it.
        let row = id - params.first_row;
        let here = row < params.rows;
        // The first part's dispatch clears the rows of ids without a row.
        let cleared = id >= params.vocabulary && params.first_row == 0u;
        if !here && !cleared {
            continue;
        }
        for (var column = thread.x; column < params.cols; column += groups.x * THREADS) {
            var value = 0.0;
            if here {
                value = dequantize(row * params.row_bytes, column);
            }
            out[token * params.cols + column] = value;
        }
    }
}
