//! inline = "04000000"
//! buffers = [{ bytes = 32, fill = "iota" }, { bytes = 16, fill = "iota" }, { bytes = 4 }]
//! [[dispatch]]
//! entry = "append"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 1, buffer = 1 }]
//! [[dispatch]]
//! entry = "attend"
//! groups = [1, 1, 1]
//! bind = [{ slot = 0, buffer = 0 }, { slot = 2, buffer = 2 }]

@group(0) @binding(0) var<storage, read_write> cache: array<u32>;
@group(0) @binding(1) var<storage, read> token: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: u32;

var<immediate> position: u32;

@compute @workgroup_size(1)
fn append() {
    cache[position] = token[3];
}

@compute @workgroup_size(1)
fn attend() {
    var sum = 0u;
    for (var at = 0u; at <= position; at++) {
        sum += cache[at];
    }
    output = sum;
}
