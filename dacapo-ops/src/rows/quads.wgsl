@group(0) @binding(0) var<storage, read> logits: array<vec4<u32>>;

/// The bits of four neighbours.
fn load_quad(row: u32, quad: u32) -> vec4<u32> {
    return logits[row * (p.width >> 2u) + quad];
}

fn load(row: u32, at: u32) -> u32 {
    return logits[row * (p.width >> 2u) + (at >> 2u)][at & 3u];
}
