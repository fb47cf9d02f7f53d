fn widen$(two: u32) -> vec2<f32> {
    return unpack2x16float(two);
}
