// Rows of any length: elements one by one.

fn k_element(at: u32) -> f32 {
    return unpack2x16float(k_cache[at >> 1u] >> (16u * (at & 1u))).x;
}

fn v_element(at: u32) -> f32 {
    return unpack2x16float(v_cache[at >> 1u] >> (16u * (at & 1u))).x;
}
