// Unsigned integers of 64 bits: x the lower half, y the upper.

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + u32(low < a.x));
}

fn sub64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

/// The whole product of two words.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return vec2<u32>((low & 0xffffu) | (other << 16u), (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u));
}

/// The upper half of a product of 128 bits, and whether the lower half is not 0.
fn upper_product(a: vec2<u32>, b: vec2<u32>) -> vec3<u32> {
    let low = wide_product(a.x, b.x);
    let cross = add64(wide_product(a.y, b.x), vec2<u32>(low.y, 0u));
    let other = add64(wide_product(a.x, b.y), vec2<u32>(cross.x, 0u));
    let upper = add64(add64(wide_product(a.y, b.y), vec2<u32>(cross.y, 0u)), vec2<u32>(other.y, 0u));
    return vec3<u32>(upper, u32((low.x | other.x) != 0u));
}
