// What a row's elements are multiplied with, from the mean of their squares. `inverse_root` precedes this.

struct Norm {
    // Both multiply an element: together they may be too small or too large for an f32.
    scale: f32,
    factor: f32,
}

fn norm_of(mean: f32, eps: f32) -> Norm {
    return Norm(1.0, inverse_root(mean + eps));
}

// Whether no square overflowed, and none lost bits below 2^-126.
fn is_normal(sum: f32, elements: f32) -> bool {
    return sum >= elements * 0x1p-100 && sum < 0x1p+127;
}

// A power of two, so that nothing is rounded; it and its inverse are normal.
fn scale_for(greatest: f32) -> f32 {
    let exponent = clamp(i32(bitcast<u32>(greatest) >> 23u), 1, 253);
    return bitcast<f32>(u32(254 - exponent) << 23u);
}

// The norm of a row from the mean of the squares of its elements times `scale`, which is that of the greatest of them.
fn scaled_norm(scale: f32, mean: f32, eps: f32) -> Norm {
    // 1 / sqrt(mean / scale^2 + eps) is scale / sqrt(mean + eps scale^2); the mean is below 16.
    // NVIDIA's compiler squares the scale first, which may give infinity.
    let scaled_eps = select(0.0, eps * scale * scale, eps > 0.0);
    if scaled_eps > 1e30 {
        return norm_of(0.0, eps);
    }
    return Norm(scale, inverse_root(mean + scaled_eps));
}
