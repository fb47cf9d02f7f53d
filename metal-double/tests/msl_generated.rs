//! MSL that naga writes, run and compared with plain loops.

mod msl_support;

use msl_support::{Call, msl, only};

#[test]
fn barriers_and_subgroups() {
    let kernel = only(
        "struct Params { n: u32, scale: f32 }
        @group(0) @binding(0) var<storage, read> src: array<f32>;
        @group(0) @binding(1) var<storage, read_write> dst: array<f32>;
        @group(0) @binding(2) var<uniform> params: Params;
        var<workgroup> partial: array<f32, 8>;
        fn load4(i: u32) -> vec4<f32> { return vec4<f32>(src[i], src[i + 1u], src[i + 2u], src[i + 3u]); }
        @compute @workgroup_size(128)
        fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) li: u32,
                @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) width: u32) {
            let i = (wg.x * 128u + li) * 4u;
            var s = 0.0;
            if i + 3u < params.n { s = dot(load4(i), vec4<f32>(params.scale)); }
            let r = subgroupAdd(s);
            if lane == 0u { partial[li / width] = r; }
            workgroupBarrier();
            if li == 0u {
                var total = 0.0;
                for (var k = 0u; k < 128u / width; k += 1u) { total += partial[k]; }
                dst[wg.x] = total;
            }
        }",
    );
    let groups = 40;
    let src: Vec<f32> = (0..groups * 512).map(|i| (i % 17) as f32 - 3.0).collect();
    let done = Call::of(&kernel)
        .buffer(0, &src)
        .buffer(1, &vec![-1.0f32; groups])
        .buffer(2, &[groups as u32 * 512, 0.5f32.to_bits()])
        .buffer(29, &[src.len() as u32 * 4, groups as u32 * 4])
        .run(groups as u32, 128)
        .unwrap();
    let expected: Vec<f32> = src
        .chunks(512)
        .map(|c| c.iter().sum::<f32>() * 0.5)
        .collect();
    assert_eq!(done.get::<f32>(1), expected);
}
