alias Part = vec4<f32>;
const PART = 4u;

fn sum_of(v: Part) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn greatest_of(v: Part) -> f32 {
    let m = max(abs(v.xy), abs(v.zw));
    return max(m.x, m.y);
}
