fn widen$(two: u32) -> vec2<f32> {
    return vec2<f32>(bitcast<f32>(two << 16u), bitcast<f32>(two & 0xffff0000u));
}
