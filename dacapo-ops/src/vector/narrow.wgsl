// The nearest f16; what is beyond its range becomes its largest, and NaN stays.
fn narrow(x: vec4<f32>) -> vec4<f16> {
    // By its bits: compilers may take it that a number equals itself.
    let size = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
    // What is below 65520 is rounded to 65504 at most, and hardly ever is anything else met.
    if max(max(size.x, size.y), max(size.z, size.w)) < 0x477ff000u { return vec4<f16>(x); }
    let is_nan = size > vec4<u32>(0x7f800000u);
    return vec4<f16>(select(clamp(x, vec4<f32>(-65504.0), vec4<f32>(65504.0)), x, is_nan));
}
