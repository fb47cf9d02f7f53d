//! groups = [1, 1, 1]
//! buffers = [{ slot = 0, bytes = 64, fill = "iota" }, { slot = 1, bytes = 16 }]

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

var<workgroup> rows: array<vec4<u32>, 4>;

@compute @workgroup_size(16)
fn sums(@builtin(local_invocation_index) lane: u32) {
    rows[lane / 4u][lane % 4u] = input[lane];
    workgroupBarrier();
    if lane % 4u == 3u {
        let row = rows[lane / 4u];
        output[lane / 4u] = row.x + row.y + row.z + row.w;
    }
}
