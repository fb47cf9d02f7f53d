// Rows of any length: elements one by one.
@group(0) @binding(1) var<storage, read> k_cache: array<f32>;
@group(0) @binding(2) var<storage, read> v_cache: array<f32>;

fn k_element(at: u32) -> f32 {
    return k_cache[at];
}

fn v_element(at: u32) -> f32 {
    return v_cache[at];
}
