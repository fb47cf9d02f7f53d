// The low or the high nibbles of four bytes as `1 + nibble / 16`: they go where a f32 between 1 and 2 has its first
// digits, which costs two operations an element instead of three.
fn low_ones$(word: u32) -> vec4<f32> {
    let moved = vec4<u32>(word << 19u, word << 11u, word << 3u, word >> 5u);
    return bitcast<vec4<f32>>((moved & vec4<u32>(0x780000u)) | vec4<u32>(0x3f800000u));
}

fn high_ones$(word: u32) -> vec4<f32> {
    let moved = vec4<u32>(word << 15u, word << 7u, word >> 1u, word >> 9u);
    return bitcast<vec4<f32>>((moved & vec4<u32>(0x780000u)) | vec4<u32>(0x3f800000u));
}
