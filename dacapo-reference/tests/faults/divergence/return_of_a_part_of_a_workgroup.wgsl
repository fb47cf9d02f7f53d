//! groups = [4, 1, 1]
//! inline = "50000000"
//! buffers = [{ slot = 0, bytes = 512, fill = "iota" }, { slot = 1, bytes = 512 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<immediate> length: u32;
var<workgroup> tile: array<u32, 32>;

@compute @workgroup_size(32)
fn reverse(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if id.x >= length {
        return;
    }
    tile[lane] = input[id.x];
    workgroupBarrier(); //~ divergence
    output[id.x] = tile[lane] + 1u;
}
