// What all forms share. Each has `params`, with `heads`, `kv_heads`, `capacity`, `splits`, `scale` and `softcap`.

const CHUNK: u32 = 4u * VECS;
const CHUNKS: u32 = (HEAD_DIM + CHUNK - 1u) / CHUNK;
/// Stands for negative infinity.
const LOWEST: f32 = -3.4028234e38;

/// What part `split` of `working` parts of the positions in seen.x..seen.y has.
fn part_of(seen: vec2<u32>, split: u32, working: u32) -> vec2<u32> {
    let count = seen.y - seen.x;
    let length = (count + working - 1u) / working;
    return seen.x + min(vec2<u32>(split, split + 1u) * length, vec2<u32>(count));
}

/// A weighted mean; without any weight 0.
fn divided(sum: f32, total: f32) -> f32 {
    if total == 0.0 {
        return 0.0;
    }
    return sum / total;
}

/// tanh x, relative error below 1e-6.
fn tanh_exactly(x: f32) -> f32 {
    let squared = x * x;
    if squared < 0.36 {
        var y = fma(0.015468751, squared, -0.052096654);
        y = fma(y, squared, 0.13310064);
        y = fma(y, squared, -0.33332303);
        return x * fma(y, squared, 0.99999994);
    }
    return 1.0 - 2.0 / (exp_exactly(2.0 * x) + 1.0);
}

/// The score that a scaled dot product gives.
fn capped(product: f32) -> f32 {
    if params.softcap == 0.0 {
        return product;
    }
    return params.softcap * tanh_exactly(product / params.softcap);
}
