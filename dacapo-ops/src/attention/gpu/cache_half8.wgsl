const VECS: u32 = 2u;
alias Chunk = array<vec4<f32>, 2>;

fn unpack(x: vec4<u32>) -> Chunk {
    return Chunk(
        vec4<f32>(unpack2x16float(x.x), unpack2x16float(x.y)),
        vec4<f32>(unpack2x16float(x.z), unpack2x16float(x.w)),
    );
}

fn load_k(row: u32, chunk: u32) -> Chunk {
    return unpack(k_cache[row * CHUNKS + chunk]);
}

fn load_v(row: u32, chunk: u32) -> Chunk {
    return unpack(v_cache[row * CHUNKS + chunk]);
}
