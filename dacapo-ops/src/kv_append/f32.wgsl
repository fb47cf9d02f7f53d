@group(0) @binding(3) var<storage, read_write> k_cache: array<f32>;
@group(0) @binding(4) var<storage, read_write> v_cache: array<f32>;

const PER_WORD = 1u;

fn store_keys(at: u32, elements: vec2<f32>) {
    k_cache[at] = elements.x;
}

fn store_values(at: u32, elements: vec2<f32>) {
    v_cache[at] = elements.x;
}
