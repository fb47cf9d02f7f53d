// Heads of an even width: their elements share words with each other only.
@group(0) @binding(3) var<storage, read_write> k_cache: array<u32>;
@group(0) @binding(4) var<storage, read_write> v_cache: array<u32>;

const PER_WORD = 2u;

fn store_keys(at: u32, source: u32) {
    k_cache[at / 2u] = half_bits(k[source]) | (half_bits(k[source + 1u]) << 16u);
}

fn store_values(at: u32, source: u32) {
    v_cache[at / 2u] = half_bits(v[source]) | (half_bits(v[source + 1u]) << 16u);
}
