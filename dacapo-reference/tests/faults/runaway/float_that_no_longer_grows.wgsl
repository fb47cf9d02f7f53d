//! groups = [1, 1, 1]
//! steps = 2000000
//! buffers = [{ slot = 0, values = [16777000.0] }, { slot = 1, bytes = 4 }]

@group(0) @binding(0) var<storage, read> start: f32;
@group(0) @binding(1) var<storage, read_write> output: f32;

@compute @workgroup_size(1)
fn count_up() {
    var x = start;
    var steps = 0u;
    while x < 16778000.0 { //~ runaway
        x += 1.0; //~ runaway
        steps += 1u; //~ runaway
    }
    output = f32(steps);
}
