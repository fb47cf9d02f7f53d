//! MSL that naga writes: floats, halves, vectors and matrices, compared with f64.

mod msl_support;

use half::f16;
use msl_support::{Call, only};

/// Runs a text with one array of floats in and one out.
fn floats(wgsl: &str, input: &[f32], output: usize, threads: u32) -> Vec<f32> {
    let declarations = "@group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;\n";
    let kernel = only(&format!("enable f16;\n{declarations}{wgsl}"));
    let call = Call::of(&kernel)
        .buffer(0, input)
        .buffer(1, &vec![0f32; output])
        .lengths();
    call.run(1, threads).unwrap().get(1)
}

fn near(found: f32, expected: f64, units: f64, what: &str) {
    let allowed =
        units * f64::from(f32::EPSILON) * expected.abs().max(f64::from(f32::MIN_POSITIVE));
    let same = found.is_nan() && expected.is_nan() || f64::from(found) == expected;
    assert!(
        same || (f64::from(found) - expected).abs() <= allowed,
        "{what}: {found}, expected {expected}"
    );
}

type Function = (&'static str, fn(f64) -> f64, f64);

/// Units in the last place allowed: what the C library's functions give.
const FUNCTIONS: [Function; 27] = [
    ("exp(a)", f64::exp, 1.0),
    ("exp2(a)", f64::exp2, 1.0),
    (
        "log(abs(a) + 0.1)",
        |a| f64::from(a.abs() as f32 + 0.1).ln(),
        1.0,
    ),
    (
        "log2(abs(a) + 0.1)",
        |a| f64::from(a.abs() as f32 + 0.1).log2(),
        1.0,
    ),
    ("pow(abs(a), 1.5)", |a| a.abs().powf(1.5), 1.0),
    ("sqrt(abs(a))", |a| a.abs().sqrt(), 0.5),
    (
        "inverseSqrt(abs(a) + 0.1)",
        |a| 1.0 / f64::from(a.abs() as f32 + 0.1).sqrt(),
        0.5,
    ),
    ("tanh(a)", f64::tanh, 2.0),
    ("sin(a)", f64::sin, 1.0),
    ("cos(a)", f64::cos, 1.0),
    ("tan(a)", f64::tan, 1.0),
    ("atan(a)", f64::atan, 1.0),
    ("asinh(a)", f64::asinh, 2.0),
    ("sinh(a)", f64::sinh, 2.0),
    ("cosh(a)", f64::cosh, 2.0),
    ("atan2(a, 2.0)", |a| a.atan2(2.0), 1.0),
    ("floor(a)", f64::floor, 0.0),
    ("ceil(a)", f64::ceil, 0.0),
    ("trunc(a)", f64::trunc, 0.0),
    ("round(a)", f64::round_ties_even, 0.0),
    (
        "fract(a)",
        |a| f64::from((a - a.floor()) as f32).min(f64::from(0.999_999_94_f32)),
        1.0,
    ),
    ("abs(a)", f64::abs, 0.0),
    ("sign(a)", |a| if a == 0.0 { 0.0 } else { a.signum() }, 0.0),
    ("step(0.5, a)", |a| f64::from(u8::from(a >= 0.5)), 0.0),
    ("saturate(a)", |a| a.clamp(0.0, 1.0), 0.0),
    ("fma(a, a, 1.0)", |a| a.mul_add(a, 1.0), 0.5),
    ("mix(1.0, 3.0, a)", |a| 1.0 + 2.0 * a, 1.0),
];

#[test]
fn functions_agree_with_f64() {
    let input: Vec<f32> = [0.0, 0.5, 1.0, -1.0, 2.5, -2.5, 3.5]
        .into_iter()
        .chain((0..200).map(|i| ((i * 37) as f32 * 0.13).sin() * 9.0))
        .collect();
    let n = FUNCTIONS.len();
    let lines: String = FUNCTIONS
        .iter()
        .enumerate()
        .map(|(at, (text, ..))| format!("y[i * {n}u + {at}u] = {text};\n"))
        .collect();
    let threads = input.len() as u32;
    let found = floats(
        &format!(
            "@compute @workgroup_size({threads}) fn main(@builtin(local_invocation_index) i: u32) {{ let a = x[i];\n{lines} }}"
        ),
        &input,
        input.len() * n,
        threads,
    );
    for (i, &a) in input.iter().enumerate() {
        for (at, (text, exact, units)) in FUNCTIONS.iter().enumerate() {
            near(
                found[i * n + at],
                exact(f64::from(a)),
                *units,
                &format!("{text} of {a}"),
            );
        }
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    let input = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, 3e38];
    let found = floats(
        "@compute @workgroup_size(5)
        fn main(@builtin(local_invocation_index) i: u32) {
            let a = x[i];
            y[i * 4u] = a * 2.0; y[i * 4u + 1u] = max(a, 1.0); y[i * 4u + 2u] = min(a, 1.0);
            y[i * 4u + 3u] = f32(i32(a)) + f32(u32(a));
        }",
        &input,
        20,
        5,
    );
    assert!(found[0].is_nan());
    assert_eq!(found[1..3], [1.0, 1.0]);
    assert_eq!(found[4..7], [f32::INFINITY, f32::INFINITY, 1.0]);
    assert_eq!(found[7], 2147483520.0 + 4294967040.0);
    assert_eq!(
        found[8..12],
        [f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY, -2147483648.0]
    );
    assert_eq!(found[12], 1e-40 * 2.0);
    assert_eq!(found[16], f32::INFINITY);
}

#[test]
fn halves() {
    let kernel = only(
        "enable f16;
        @group(0) @binding(0) var<storage, read> x: array<vec4<f16>, 16>;
        @group(0) @binding(1) var<storage, read_write> y: array<vec4<f16>, 32>;
        @group(0) @binding(2) var<storage, read_write> z: array<u32, 16>;
        @compute @workgroup_size(16)
        fn main(@builtin(local_invocation_index) i: u32) {
            let v = x[i];
            y[i * 2u] = v * v + vec4<f16>(0.5h);
            let small = v < vec4<f16>(1.5h);
            y[i * 2u + 1u] = select(-v, vec4<f16>(vec4<f32>(v) * 0.3333), small);
            let wide = vec2<f32>(f32(v.x), f32(v.w));
            z[i] = pack2x16float(wide) ^ pack2x16float(vec2<f32>(v.xw));
            if any(small) { z[i] += u32(dot(v, vec4<f16>(1.0h))) * 65536u; }
        }",
    );
    let x: Vec<f16> = (0..64)
        .map(|i| f16::from_f32((i as f32 * 0.37).sin() * 3.0 + 3.5))
        .collect();
    let done = Call::of(&kernel)
        .buffer(0, &x)
        .buffer(1, &[f16::ZERO; 128])
        .buffer(2, &[0u32; 16])
        .run(1, 16)
        .unwrap();
    let (y, z) = (done.get::<f16>(1), done.get::<u32>(2));
    for i in 0..64 {
        let v = x[i];
        let square = f16::from_f32(v.to_f32() * v.to_f32());
        assert_eq!(y[i / 4 * 8 + i % 4], f16::from_f32(square.to_f32() + 0.5));
        let other = if v < f16::from_f32(1.5) {
            f16::from_f32(v.to_f32() * 0.3333)
        } else {
            -v
        };
        assert_eq!(y[i / 4 * 8 + 4 + i % 4], other);
    }
    for (i, lanes) in x.chunks(4).enumerate() {
        let round = |v: f32| f16::from_f32(v).to_f32();
        let sum = lanes
            .iter()
            .skip(1)
            .fold(lanes[0].to_f32(), |a, v| round(a + v.to_f32()));
        let any = lanes.iter().any(|v| *v < f16::from_f32(1.5));
        assert_eq!(z[i], if any { sum as u32 * 65536 } else { 0 }, "vector {i}");
    }
}

#[test]
fn packs() {
    let input: Vec<f32> = (0..64).map(|i| (i as f32 * 0.71).sin() * 1.4).collect();
    let found = floats(
        "@compute @workgroup_size(16)
        fn main(@builtin(local_invocation_index) i: u32) {
            let v = vec4<f32>(x[i * 4u], x[i * 4u + 1u], x[i * 4u + 2u], x[i * 4u + 3u]);
            let a = unpack4x8snorm(pack4x8snorm(v));
            let b = unpack4x8unorm(pack4x8unorm(v));
            let c = vec4<f32>(unpack2x16snorm(pack2x16snorm(v.xy)), unpack2x16unorm(pack2x16unorm(v.zw)));
            let d = vec4<f32>(unpack2x16float(pack2x16float(v.xy)), quantizeToF16(v.z), 0.0);
            for (var k = 0u; k < 4u; k += 1u) {
                y[i * 16u + k] = a[k]; y[i * 16u + 4u + k] = b[k]; y[i * 16u + 8u + k] = c[k]; y[i * 16u + 12u + k] = d[k];
            }
        }",
        &input,
        256,
        16,
    );
    for (i, &v) in input.iter().enumerate() {
        let at = i / 4 * 16 + i % 4;
        let snorm = |top: f32| (v.clamp(-1.0, 1.0) * top).round_ties_even() / top;
        let unorm = |top: f32| (v.clamp(0.0, 1.0) * top).round_ties_even() / top;
        assert_eq!(found[at], snorm(127.0));
        assert_eq!(found[at + 4], unorm(255.0));
        assert_eq!(
            found[at + 8],
            if i % 4 < 2 {
                snorm(32767.0)
            } else {
                unorm(65535.0)
            }
        );
        assert_eq!(
            found[at + 12],
            if i % 4 < 3 {
                f16::from_f32(v).to_f32()
            } else {
                0.0
            }
        );
    }
}

#[test]
fn matrices() {
    let kernel = only(
        "struct Block { m: mat3x4<f32>, square: mat3x3<f32>, v: vec3<f32> }
        @group(0) @binding(0) var<storage, read> blocks: array<Block, 2>;
        @group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>, 6>;
        @group(0) @binding(2) var<uniform> scale: mat2x2<f32>;
        @compute @workgroup_size(1)
        fn main() {
            let b = blocks[1];
            y[0] = b.m * b.v;
            y[1] = vec4<f32>(y[0] * b.m, determinant(b.square));
            y[2] = (b.m * b.square)[2];
            y[3] = transpose(transpose(b.m))[1] + b.m[2] * scale[1].x;
            let doubled = scale * 2.0 + scale;
            y[4] = vec4<f32>(doubled[0], doubled[1]);
            y[5] = vec4<f32>(length(b.v), distance(b.v, vec3<f32>(1.0)), cross(b.v, vec3<f32>(1.0, 0.0, 0.0)).yz);
        }",
    );
    // Columns of three floats lie 16 bytes apart.
    let mut block = vec![0f32; 28];
    let m: Vec<f32> = (1..=12).map(|i| i as f32).collect();
    block[..12].copy_from_slice(&m);
    let square = [[2.0f32, 1.0, 0.0], [0.5, 3.0, 1.0], [1.0, 0.0, 4.0]];
    for (column, values) in square.iter().enumerate() {
        block[12 + column * 4..][..3].copy_from_slice(values);
    }
    block[24..27].copy_from_slice(&[1.0, 2.0, 3.0]);
    let blocks: Vec<f32> = vec![0.0; 28].into_iter().chain(block).collect();
    let done = Call::of(&kernel)
        .buffer(0, &blocks)
        .buffer(1, &[0f32; 24])
        .buffer(2, &[1f32, 2.0, 3.0, 4.0])
        .run(1, 1)
        .unwrap();
    let y = done.get::<f32>(1);
    let v = [1.0f32, 2.0, 3.0];
    let mv: Vec<f32> = (0..4)
        .map(|r| (0..3).map(|c| m[c * 4 + r] * v[c]).sum())
        .collect();
    assert_eq!(y[..4], mv);
    let vm: Vec<f32> = (0..3)
        .map(|c| (0..4).map(|r| m[c * 4 + r] * mv[r]).sum())
        .collect();
    assert_eq!(y[4..7], vm);
    assert_eq!(y[7], 2.0 * 3.0 * 4.0 - 0.5 * 4.0 + 1.0);
    let product: Vec<f32> = (0..4)
        .map(|r| (0..3).map(|c| m[c * 4 + r] * square[2][c]).sum())
        .collect();
    assert_eq!(y[8..12], product);
    let sum: Vec<f32> = (0..4).map(|r| m[4 + r] + m[8 + r] * 3.0).collect();
    assert_eq!(y[12..16], sum);
    assert_eq!(y[16..20], [3.0, 6.0, 9.0, 12.0]);
    assert_eq!(y[20..], [14f32.sqrt(), 5f32.sqrt(), 3.0, -2.0]);
}

#[test]
fn fractions_and_exponents() {
    let input = [1.75f32, -2.5, 0.0, 1000.0, -0.125];
    let found = floats(
        "@compute @workgroup_size(5)
        fn main(@builtin(local_invocation_index) i: u32) {
            let m = modf(x[i]); let f = frexp(x[i]); let w = modf(vec2<f32>(x[i], 1.5));
            y[i * 6u] = m.fract; y[i * 6u + 1u] = m.whole; y[i * 6u + 2u] = f.fract; y[i * 6u + 3u] = f32(f.exp);
            y[i * 6u + 4u] = ldexp(f.fract, f.exp + 1); y[i * 6u + 5u] = w.fract.y + w.whole.x;
        }",
        &input,
        30,
        5,
    );
    for (i, &a) in input.iter().enumerate() {
        let y = &found[i * 6..][..6];
        assert_eq!(y[..2], [a.fract(), a.trunc()]);
        assert_eq!(y[2] * y[3].exp2(), a);
        assert!(a == 0.0 || (0.5..1.0).contains(&y[2].abs()));
        assert_eq!(y[4..], [a * 2.0, 0.5 + a.trunc()]);
    }
}

#[test]
fn cooperative_matrices() {
    let kernel = only(
        "enable wgpu_cooperative_matrix; enable f16;
        @group(0) @binding(0) var<storage, read> a: array<f16, 320>;
        @group(0) @binding(1) var<storage, read> b: array<f16, 320>;
        @group(0) @binding(2) var<storage, read_write> c: array<f32, 128>;
        var<workgroup> tile: array<f16, 80>;
        @compute @workgroup_size(32)
        fn main(@builtin(local_invocation_index) i: u32) {
            var sum = coopLoad<coop_mat8x8<f32, C>>(&c[0], 8u);
            for (var k = 0u; k < 40u; k += 8u) {
                for (var at = i; at < 64u; at += 32u) { tile[(at / 8u) * 10u + at % 8u] = a[(at / 8u) * 40u + k + at % 8u]; }
                workgroupBarrier();
                let left = coopLoadT<coop_mat8x8<f16, A>>(&tile[0], 10u);
                let right = coopLoad<coop_mat8x8<f16, B>>(&b[k], 40u);
                sum = coopMultiplyAdd(left, right, sum);
                workgroupBarrier();
            }
            coopStore(sum, &c[0], 8u);
            coopStoreT(sum, &c[64], 8u);
        }",
    );
    let a: Vec<f16> = (0..320)
        .map(|i| f16::from_f32((i * 7 % 23) as f32 - 11.0))
        .collect();
    let b: Vec<f16> = (0..320)
        .map(|i| f16::from_f32((i * 5 % 19) as f32 - 9.0))
        .collect();
    let mut c = vec![0f32; 128];
    c[..64].copy_from_slice(&std::array::from_fn::<f32, 64, _>(|i| i as f32));
    let done = Call::of(&kernel)
        .buffer(0, &a)
        .buffer(1, &b)
        .buffer(2, &c)
        .run(1, 32)
        .unwrap();
    let found = done.get::<f32>(2);
    let at = |m: &[f16], row: usize, k: usize| m[row * 40 + k].to_f32();
    // Without T, a matrix lies column by column: row and column of a store change places in between.
    let dot = |row: usize, column: usize| {
        (0..40)
            .map(|k| at(&a, row, k) * at(&b, column, k))
            .sum::<f32>()
    };
    for (row, column) in (0..8).flat_map(|row| (0..8).map(move |column| (row, column))) {
        let expected = dot(row, column) + (column * 8 + row) as f32;
        assert_eq!(
            found[column * 8 + row],
            expected,
            "row {row}, column {column}"
        );
        assert_eq!(
            found[64 + row * 8 + column],
            expected,
            "row {row}, column {column}, transposed"
        );
    }
}

#[test]
fn casts_between_vectors() {
    let found = floats(
        "@compute @workgroup_size(1)
        fn main() {
            let v = vec4<f32>(x[0], x[1], x[2], x[3]);
            let b = v > vec4<f32>(0.0);
            let n = vec4<i32>(v);
            let u = vec4<u32>(b);
            let w = vec4<f32>(u) + vec4<f32>(vec4<bool>(n)) + vec4<f32>(b);
            for (var k = 0u; k < 4u; k += 1u) { y[k] = w[k] + f32(n[k]) * 10.0; }
            var m = v.wzyx; m.y += 1.0; m = vec4<f32>(m.xy, m.zw).zwxy;
            for (var k = 0u; k < 4u; k += 1u) { y[4u + k] = m[k]; }
        }",
        &[1.5, -2.5, 0.25, -0.5],
        8,
        1,
    );
    assert_eq!(found, [13.0, -19.0, 2.0, 0.0, -2.5, 1.5, -0.5, 1.25]);
}
