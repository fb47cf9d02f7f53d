@group(0) @binding(7) var<storage, read> q_norm: array<f32>;
@group(0) @binding(8) var<storage, read> k_norm: array<f32>;

const NORMED = true;

fn weight_of(of_q: bool, i: u32) -> f32 {
    if of_q {
        return q_norm[i];
    }
    return k_norm[i];
}
