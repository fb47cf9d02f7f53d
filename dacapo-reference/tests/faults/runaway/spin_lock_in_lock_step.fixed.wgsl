//! groups = [1, 1, 1]
//! steps = 20000
//! buffers = [{ slot = 0, bytes = 4, fill = "zero" }, { slot = 1, bytes = 4, fill = "zero" }]

@group(0) @binding(0) var<storage, read_write> lock: atomic<u32>;
@group(0) @binding(1) var<storage, read_write> counter: atomic<u32>;

@compute @workgroup_size(8)
fn count() {
    atomicAdd(&counter, 1u);
}
