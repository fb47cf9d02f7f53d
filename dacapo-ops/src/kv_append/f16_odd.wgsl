// Heads of an odd width share words with their neighbours, which other workgroups may be writing: each half is
// cleared and set by itself.
@group(0) @binding(3) var<storage, read_write> k_cache: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> v_cache: array<atomic<u32>>;

const PER_WORD = 1u;

fn store_keys(at: u32, elements: vec2<f32>) {
    let shift = (at & 1u) * 16u;
    atomicAnd(&k_cache[at / 2u], 0xffff0000u >> shift);
    atomicOr(&k_cache[at / 2u], half_bits(elements.x) << shift);
}

fn store_values(at: u32, elements: vec2<f32>) {
    let shift = (at & 1u) * 16u;
    atomicAnd(&v_cache[at / 2u], 0xffff0000u >> shift);
    atomicOr(&v_cache[at / 2u], half_bits(elements.x) << shift);
}
