fn packed(x: Chunk) -> vec4<u32> {
    let low = vec4<u32>(half_bits(x[0].x), half_bits(x[0].z), half_bits(x[1].x), half_bits(x[1].z));
    let high = vec4<u32>(half_bits(x[0].y), half_bits(x[0].w), half_bits(x[1].y), half_bits(x[1].w));
    return low | (high << vec4<u32>(16u));
}

fn store_k(row: u32, chunk: u32, x: Chunk) {
    k_cache[row * CHUNKS + chunk] = packed(x);
}

fn store_v(row: u32, chunk: u32, x: Chunk) {
    v_cache[row * CHUNKS + chunk] = packed(x);
}

/// A chunk as it is in the cache.
fn stored(x: Chunk) -> Chunk {
    return unpack(packed(x));
}
