alias Part = f32;
const PART = 1u;

fn sum_of(v: Part) -> f32 {
    return v;
}

fn greatest_of(v: Part) -> f32 {
    return abs(v);
}
