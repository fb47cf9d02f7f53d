//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 256, fill = "iota" }]

@group(0) @binding(0) var<storage, read_write> values: array<u32>;

var<workgroup> scan: array<array<u32, 64>, 2>;

@compute @workgroup_size(64)
fn inclusive_scan(@builtin(local_invocation_index) lane: u32) {
    scan[0][lane] = values[lane];
    workgroupBarrier();
    var source = 0u;
    for (var distance = 1u; distance < 64u; distance *= 2u) {
        let next = 1u - source;
        if lane >= distance {
            scan[next][lane] = scan[source][lane] + scan[source][lane - distance]; //~ uninitialized
        }
        workgroupBarrier();
        source = next;
    }
    values[lane] = scan[source][lane];
}
