//! groups = [1, 1, 1]
//! steps = 20000
//! buffers = [{ slot = 0, values = [3, 0, 1, 2] }, { slot = 1, bytes = 4 }]

@group(0) @binding(0) var<storage, read> next: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: u32;

@compute @workgroup_size(1)
fn length() {
    var at = 0u;
    var length = 0u;
    while at != 9u { //~ runaway
        at = next[at]; //~ runaway
        length += 1u; //~ runaway
    }
    output = length;
}
