@group(0) @binding(0) var<storage, read> logits: array<u32>;

/// The bits of four neighbours, NaN beyond the row's end.
fn load_quad(row: u32, quad: u32) -> vec4<u32> {
    let at = row * p.width + 4u * quad;
    let left = p.width - 4u * quad;
    var bits = vec4<u32>(logits[at], NAN_BITS, NAN_BITS, NAN_BITS);
    if left > 1u {
        bits.y = logits[at + 1u];
    }
    if left > 2u {
        bits.z = logits[at + 2u];
    }
    if left > 3u {
        bits.w = logits[at + 3u];
    }
    return bits;
}

fn load(row: u32, at: u32) -> u32 {
    return logits[row * p.width + at];
}
