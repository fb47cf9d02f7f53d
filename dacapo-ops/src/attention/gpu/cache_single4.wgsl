const VECS: u32 = 1u;
alias Chunk = array<vec4<f32>, 1>;

fn load_k(row: u32, chunk: u32) -> Chunk {
    return Chunk(k_cache[row * CHUNKS + chunk]);
}

fn load_v(row: u32, chunk: u32) -> Chunk {
    return Chunk(v_cache[row * CHUNKS + chunk]);
}
