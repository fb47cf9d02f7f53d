//! groups = [1, 1, 1]
//! steps = 20000
//! buffers = [{ slot = 0, bytes = 4, fill = "zero" }, { slot = 1, bytes = 4, fill = "zero" }]

@group(0) @binding(0) var<storage, read_write> lock: atomic<u32>;
@group(0) @binding(1) var<storage, read_write> counter: atomic<u32>;

@compute @workgroup_size(8)
fn count() {
    while atomicExchange(&lock, 1u) == 1u { } //~ runaway
    atomicStore(&counter, atomicLoad(&counter) + 1u);
    atomicStore(&lock, 0u);
}
