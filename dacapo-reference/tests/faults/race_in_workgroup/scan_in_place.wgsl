//! groups = [2, 1, 1]
//! buffers = [{ slot = 0, bytes = 512, fill = "iota" }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

var<workgroup> scan: array<u32, 64>;

@compute @workgroup_size(64)
fn inclusive_scan(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    scan[lane] = values[id.x];
    workgroupBarrier();
    for (var distance = 1u; distance < 64u; distance *= 2u) {
        if lane >= distance {
            scan[lane] += scan[lane - distance]; //~ race_in_workgroup
        }
        workgroupBarrier();
    }
    values[id.x] = scan[lane];
}
