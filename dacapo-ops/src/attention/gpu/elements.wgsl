const VECS: u32 = 1u;
alias Chunk = array<vec4<f32>, 1>;

fn load_k(row: u32, chunk: u32) -> Chunk {
    var x = vec4<f32>(0.0);
    for (var i = 0u; i < min(4u, HEAD_DIM - 4u * chunk); i++) {
        x[i] = k_element(row * HEAD_DIM + 4u * chunk + i);
    }
    return Chunk(x);
}

fn load_v(row: u32, chunk: u32) -> Chunk {
    var x = vec4<f32>(0.0);
    for (var i = 0u; i < min(4u, HEAD_DIM - 4u * chunk); i++) {
        x[i] = v_element(row * HEAD_DIM + 4u * chunk + i);
    }
    return Chunk(x);
}
