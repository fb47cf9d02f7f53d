const NORMED = false;

fn weight_of(of_q: bool, i: u32) -> f32 {
    return 1.0;
}
