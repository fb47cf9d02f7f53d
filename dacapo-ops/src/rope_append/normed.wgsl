const NORMED = true;

fn weight_of(of_q: bool, i: u32) -> f32 {
    if of_q {
        return q_norm[i];
    }
    return k_norm[i];
}
