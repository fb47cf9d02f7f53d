//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 128, fill = "iota" }, { slot = 1, bytes = 128 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> tile: array<u32, 32>;

fn neighbour(lane: u32, distance: u32) -> u32 {
    let values = &tile;
    return (*values)[lane + distance]; //~ out_of_bounds
}

@compute @workgroup_size(32)
fn add_neighbours(@builtin(local_invocation_index) lane: u32) {
    tile[lane] = input[lane];
    workgroupBarrier();
    output[lane] = neighbour(lane, 1u) + neighbour(lane, 4u);
}
