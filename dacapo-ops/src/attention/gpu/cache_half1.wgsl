// Rows of any length: elements one by one.
@group(0) @binding(1) var<storage, read> k_cache: array<u32>;
@group(0) @binding(2) var<storage, read> v_cache: array<u32>;

fn k_element(at: u32) -> f32 {
    return unpack2x16float(k_cache[at >> 1u] >> (16u * (at & 1u))).x;
}

fn v_element(at: u32) -> f32 {
    return unpack2x16float(v_cache[at >> 1u] >> (16u * (at & 1u))).x;
}
