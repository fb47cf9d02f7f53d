@group(0) @binding(3) var<storage, read_write> k_cache: array<f32>;
@group(0) @binding(4) var<storage, read_write> v_cache: array<f32>;

const PER_WORD = 1u;

fn store_keys(at: u32, source: u32) {
    k_cache[at] = k[source];
}

fn store_values(at: u32, source: u32) {
    v_cache[at] = v[source];
}
