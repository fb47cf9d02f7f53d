// Heads of an even width: their elements share words with each other only.
@group(0) @binding(3) var<storage, read_write> k_cache: array<u32>;
@group(0) @binding(4) var<storage, read_write> v_cache: array<u32>;

const PER_WORD = 2u;

fn word_of(elements: vec2<f32>) -> u32 {
    return half_bits(elements.x) | (half_bits(elements.y) << 16u);
}

fn store_keys(at: u32, elements: vec2<f32>) {
    k_cache[at / 2u] = word_of(elements);
}

fn store_values(at: u32, elements: vec2<f32>) {
    v_cache[at / 2u] = word_of(elements);
}
