fn store_k(row: u32, chunk: u32, x: Chunk) {
    k_cache[row * CHUNKS + chunk] = x[0];
}

fn store_v(row: u32, chunk: u32, x: Chunk) {
    v_cache[row * CHUNKS + chunk] = x[0];
}

/// A chunk as it is in the cache.
fn stored(x: Chunk) -> Chunk {
    return x;
}
