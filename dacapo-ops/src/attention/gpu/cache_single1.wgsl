// Rows of any length: elements one by one.

fn k_element(at: u32) -> f32 {
    return k_cache[at];
}

fn v_element(at: u32) -> f32 {
    return v_cache[at];
}
