//! MSL written by hand.

mod msl_support;

use half::{bf16, f16};
use metal_double::msl::{CompileOptions, Constant, Grid, Library};
use msl_support::{Call, OPTIONS, function, library};

const NORM: &str = r#"
#include <metal_stdlib>
using namespace metal;

constant uint WIDTH [[function_constant(0)]];
constant float SCALE [[function_constant(3)]];
constant bool has_scale = is_function_constant_defined(SCALE);

struct Args { uint rows; uint columns; float epsilon; };

static float scaled(float x) { return has_scale ? x * SCALE : x; }

template <typename T, ushort W>
kernel void rms_norm(device const T* x [[buffer(0)]],
                     device const float* weight [[buffer(1)]],
                     device T* y [[buffer(2)]],
                     constant Args& a [[buffer(3)]],
                     threadgroup float* part [[threadgroup(0)]],
                     uint row [[threadgroup_position_in_grid]],
                     ushort tid [[thread_position_in_threadgroup]],
                     ushort lane [[thread_index_in_simdgroup]],
                     ushort group [[simdgroup_index_in_threadgroup]]) {
    threadgroup float total[1];
    float sum = 0;
    for (uint i = tid; i < a.columns; i += 32 * W) { float v = float(x[row * a.columns + i]); sum += v * v; }
    sum = simd_sum(sum);
    if (lane == 0) part[group] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (group == 0) {
        float t = simd_sum(lane < W ? part[lane] : 0.0f);
        if (lane == 0) total[0] = t;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float r = rsqrt(total[0] / a.columns + a.epsilon);
    for (uint i = tid; i < a.columns; i += 32 * W)
        y[row * a.columns + i] = T(scaled(float(x[row * a.columns + i]) * r * weight[i]));
}

template [[host_name("rms_norm_f32")]] kernel void rms_norm<float, 4>(device const float*, device const float*, device float*, constant Args&, threadgroup float*, uint, ushort, ushort, ushort);
template [[host_name("rms_norm_f16")]] kernel void rms_norm<half, 4>(device const half*, device const float*, device half*, constant Args&, threadgroup float*, uint, ushort, ushort, ushort);

typedef decltype(rms_norm<bfloat, 2>) rms_norm_t;
template [[host_name("rms_norm_bf16")]] kernel rms_norm_t rms_norm<bfloat, 2>;

kernel void width(device uint* out [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    threadgroup uint tile[16][4];
    tile[i % 16][i % 4] = i;
    out[i] = WIDTH + tile[i % 16][i % 4];
}
"#;

fn norm(x: &[f64], columns: usize, scale: f64) -> Vec<f64> {
    let mut expected = Vec::new();
    for row in x.chunks(columns) {
        let mean = row.iter().map(|v| v * v).sum::<f64>() / columns as f64;
        let factor = scale / (mean + 1e-5).sqrt();
        expected.extend(
            row.iter()
                .enumerate()
                .map(|(i, v)| v * factor * (1.0 + i as f64 * 0.001)),
        );
    }
    expected
}

fn near(found: impl Iterator<Item = f64>, expected: &[f64], tolerance: f64) {
    let found: Vec<f64> = found.collect();
    assert_eq!(found.len(), expected.len());
    for (at, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * e.abs().max(1.0),
            "element {at}: {f}, expected {e}"
        );
    }
}

fn call_norm<T: Copy>(name: &str, constants: &[(u32, Constant)], x: &[T], threads: u32) -> Vec<T> {
    let (rows, columns) = (3, 777);
    let weight: Vec<f32> = (0..columns).map(|i| 1.0 + i as f32 * 0.001).collect();
    let function = library(NORM).function(name, constants).unwrap();
    assert_eq!(function.static_threadgroup_bytes(), 16);
    let done = Call::of(&function)
        .buffer(0, x)
        .buffer(1, &weight)
        .buffer(2, &vec![0u8; x.len() * size_of::<T>()])
        .buffer(3, &[rows, columns, 1e-5f32.to_bits()])
        .threadgroup(0, 16)
        .run(rows, threads)
        .unwrap();
    done.get(2)
}

fn sines() -> Vec<f64> {
    (0..3 * 777).map(|i| f64::from(i).sin()).collect()
}

#[test]
fn templates_for_three_element_types() {
    let x: Vec<f32> = sines().iter().map(|&v| v as f32).collect();
    let exact: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    let found = call_norm("rms_norm_f32", &[], &x, 128);
    near(
        found.iter().map(|&v| f64::from(v)),
        &norm(&exact, 777, 1.0),
        1e-6,
    );

    let x: Vec<f16> = sines().iter().map(|&v| f16::from_f64(v)).collect();
    let exact: Vec<f64> = x.iter().map(|v| v.to_f64()).collect();
    let found = call_norm("rms_norm_f16", &[(3, Constant::Float(2.0))], &x, 128);
    near(
        found.iter().map(|v| v.to_f64()),
        &norm(&exact, 777, 2.0),
        1e-3,
    );

    let x: Vec<bf16> = sines().iter().map(|&v| bf16::from_f64(v)).collect();
    let exact: Vec<f64> = x.iter().map(|v| v.to_f64()).collect();
    let found = call_norm("rms_norm_bf16", &[], &x, 64);
    near(
        found.iter().map(|v| v.to_f64()),
        &norm(&exact, 777, 1.0),
        8e-3,
    );
}

#[test]
fn function_constants_are_reflected_and_wanted() {
    let library = library(NORM);
    let names: Vec<&str> = library
        .functions()
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["rms_norm_f32", "rms_norm_f16", "width", "rms_norm_bf16"]
    );
    let of = |name: &str| {
        let info = library.functions().iter().find(|f| f.name == name).unwrap();
        info.constants
            .iter()
            .map(|c| (c.name.clone(), c.index, c.type_name.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("width"), [("WIDTH".to_owned(), 0, "uint".to_owned())]);
    assert_eq!(
        of("rms_norm_f32"),
        [("SCALE".to_owned(), 3, "float".to_owned())]
    );

    let missing = library
        .function("width", &[(3, Constant::Float(1.0))])
        .unwrap_err();
    assert!(missing.contains("WIDTH at index 0"), "{missing}");
    let wrong = library
        .function("width", &[(0, Constant::Float(1.0))])
        .unwrap_err();
    assert!(
        wrong.contains("is of type uint, given a value of type float"),
        "{wrong}"
    );
    let unknown = library.function("height", &[]).unwrap_err();
    assert!(unknown.contains("height"), "{unknown}");

    for value in [7, 9] {
        let function = library
            .function("width", &[(0, Constant::Uint(value))])
            .unwrap();
        assert_eq!(function.static_threadgroup_bytes(), 256);
        assert_eq!(function.buffers().len(), 1);
        let done = Call::of(&function)
            .buffer(0, &[0u32; 64])
            .run(4, 16)
            .unwrap();
        assert_eq!(
            done.get::<u32>(0),
            (0..64).map(|i| i + value).collect::<Vec<_>>()
        );
    }
}

const MATRIX: &str = r#"
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

kernel void multiply(device const half* a [[buffer(0)]], device const half* b [[buffer(1)]],
                     device float* c [[buffer(2)]], constant uint& depth [[buffer(3)]],
                     threadgroup half* tile [[threadgroup(0)]],
                     uint lane [[thread_index_in_simdgroup]]) {
    simdgroup_float8x8 sum = make_filled_simdgroup_matrix<float, 8, 8>(0.f);
    simdgroup_half8x8 left, right;
    for (uint k = 0; k < depth; k += 8) {
        for (uint i = lane; i < 64; i += 32) tile[i] = a[(i / 8) * depth + k + i % 8];
        simdgroup_barrier(mem_flags::mem_threadgroup);
        simdgroup_load(left, tile, 8);
        simdgroup_load(right, b + k, depth, ulong2(0, 0), true);
        simdgroup_multiply_accumulate(sum, left, right, sum);
        simdgroup_barrier(mem_flags::mem_threadgroup);
    }
    sum.thread_elements()[0] += 1.0f;
    sum.thread_elements()[1] += 1.0f;
    simdgroup_store(sum, c, 8);
}

kernel void brain(device const bfloat* a [[buffer(0)]], device float* c [[buffer(1)]]) {
    simdgroup_bfloat8x8 m;
    simdgroup_load(m, a, 16, ulong2(8, 1));
    simdgroup_float8x8 one(1.0f), r;
    simdgroup_multiply(r, m, one);
    simdgroup_store(r, c, 16, ulong2(8, 0), true);
}
"#;

#[test]
fn simdgroup_matrices() {
    let depth = 40;
    let a: Vec<f16> = (0..8 * depth)
        .map(|i| f16::from_f64(f64::from(i * 7 % 23) - 11.0))
        .collect();
    let b: Vec<f16> = (0..8 * depth)
        .map(|i| f16::from_f64(f64::from(i * 5 % 19) - 9.0))
        .collect();
    let done = Call::of(&function(MATRIX, "multiply", &[]))
        .buffer(0, &a)
        .buffer(1, &b)
        .buffer(2, &[0f32; 64])
        .buffer(3, &[depth])
        .threadgroup(0, 128)
        .run(1, 32)
        .unwrap();
    let at = |m: &[f16], row: usize, k: usize| m[row * depth as usize + k].to_f32();
    let expected: Vec<f32> = (0..64)
        .map(|i| {
            1.0 + (0..depth as usize)
                .map(|k| at(&a, i / 8, k) * at(&b, i % 8, k))
                .sum::<f32>()
        })
        .collect();
    assert_eq!(done.get::<f32>(2), expected);

    let m: Vec<bf16> = (0..16 * 9).map(|i| bf16::from_f32(i as f32)).collect();
    let done = Call::of(&function(MATRIX, "brain", &[]))
        .buffer(0, &m)
        .buffer(1, &[0f32; 128])
        .run(1, 32)
        .unwrap();
    let c = done.get::<f32>(1);
    for (row, column) in (0..8).flat_map(|r| (0..8).map(move |c| (r, c))) {
        // Transposed into columns 8 to 15, from row 1, column 8.
        assert_eq!(
            c[column * 16 + 8 + row],
            ((row + 1) * 16 + 8 + column) as f32
        );
        assert_eq!(c[column * 16 + row], 0.0);
    }
}

const ATOMICS: &str = r#"
#include <metal_stdlib>
#include <metal_atomic>
using namespace metal;
struct Counters { atomic_uint sum; atomic_int low; atomic_int high; atomic_float total; atomic_uint bits; };
kernel void count(device Counters& c [[buffer(0)]], device const int* x [[buffer(1)]],
                  uint i [[thread_position_in_grid]], uint t [[thread_index_in_threadgroup]],
                  uint n [[threads_per_grid]]) {
    threadgroup atomic_uint seen;
    if (t == 0) atomic_store_explicit(&seen, 0u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    atomic_fetch_add_explicit(&seen, 1, memory_order_relaxed);
    atomic_fetch_min_explicit(&c.low, x[i], memory_order_relaxed);
    atomic_fetch_max_explicit(&c.high, x[i], memory_order_relaxed);
    atomic_fetch_add_explicit(&c.total, float(x[i]), memory_order_relaxed);
    atomic_fetch_or_explicit(&c.bits, 1u << (i % 32), memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint expected = 0;
    if (t == 0) atomic_fetch_add_explicit(&c.sum, atomic_load_explicit(&seen, memory_order_relaxed), memory_order_relaxed);
}
"#;

#[test]
fn atomics_and_partial_threadgroups() {
    let x: Vec<i32> = (0..100).map(|i| (i * 37) % 101 - 50).collect();
    let function = function(ATOMICS, "count", &[]);
    let grid = Grid {
        groups: [2, 1, 1],
        threads_per_group: [64, 1, 1],
        threads: Some([100, 1, 1]),
    };
    let done = Call::of(&function)
        .buffer(0, &[0i32, i32::MAX, i32::MIN, 0, 0])
        .buffer(1, &x)
        .run_grid(&grid, None)
        .unwrap();
    let counters = done.get::<i32>(0);
    assert_eq!(counters[0], 100);
    assert_eq!(counters[1], *x.iter().min().unwrap());
    assert_eq!(counters[2], *x.iter().max().unwrap());
    assert_eq!(
        f32::from_bits(counters[3] as u32),
        x.iter().sum::<i32>() as f32
    );
    assert_eq!(counters[4], -1);
}

const VECTORS: &str = r#"
#include <metal_stdlib>
using namespace metal;

constant float table[4] = { 1.0f, 2.0, 4.0e0, 8 };
constexpr constant int8_t levels[4] = { -3, -1, 1, 3 };

typedef metal::float4 Quad;
template <typename V, typename H> V widened(H h) { return V(h); }
template <typename T> T scaled(T v) { return v * T(2); }
template <typename T, typename U> T scaled(U v) { return T(v) * T(2); }
inline float pick(constant float* from, uint i) { return from[i]; }

kernel void vectors(device float4* out [[buffer(0)]], device const packed_float3* in [[buffer(1)]],
                    device uint* words [[buffer(2)]]) {
    float3 v = in[1];
    out[0] = float4(v.zyx, 1);
    out[1].xy = v.yz * 2;
    out[1].zw = float2(v.x);
    bool4 less = out[0] < float4(2.5f);
    out[2] = select(float4(1.0f), float4(-1.0f), less);
    out[3] = float4(less) + float4(all(less), any(less), 0, 0);
    half4 h = half4(out[0]) * 0.5h;
    out[4] = float4(h);
    out[5] = float4(pick(table, 3), table[1], levels[0], clamp(9, int(levels[1]), int(levels[3])));
    words[0] = as_type<uint>(1.5f);
    words[1] = as_type<uint>(half2(1.0h, -2.0h));
    words[2] = pack_float_to_unorm4x8(float4(0.0f, 0.5f, 1.0f, 2.0f));
    uchar4 q = as_type<uchar4>(0x01020304u);
    words[3] = q.x | q.w << 8;
    words[4] = extract_bits(0xabcd1234u, 8, 8);
    words[5] = as_type<ushort>(bfloat(1.01f));
    words[6] = mulhi(0x80000000u, 6u);
    float2x3 m = float2x3(float3(1, 2, 3), float3(4, 5, 6));
    float3 p = m * float2(10, 100);
    out[6] = float4(p, (transpose(m) * float3(1, 1, 1)).y);
    int4 shifted = int4(-8, 8, 1, 3) >> 1;
    out[7] = float4(shifted);
    Quad quad = Quad(1.0f, 2.0f, 3.0f, 4.0f) + vec<float, 4>(half4(1.0h));
    out[8] = quad + widened<Quad>(half4(0.5h)) + float4(scaled<float>(2), scaled<float2>(int2(3, 4)), 0);
    const float4 corners[2] = { float4(1), {2, 3, 4, 5} };
    out[9] = corners[words[0] & 1] + as_type<float4>(as_type<uint4>(corners[1]));
}
"#;

#[test]
fn vectors_packs_and_casts() {
    let function = function(VECTORS, "vectors", &[]);
    let done = Call::of(&function)
        .buffer(0, &[0f32; 40])
        .buffer(1, &[9f32, 9.0, 9.0, 1.0, 2.0, 3.0])
        .buffer(2, &[0u32; 7])
        .run(1, 1);
    let done = done.unwrap();
    let out = done.get::<f32>(0);
    let expected = [
        [3.0, 2.0, 1.0, 1.0],
        [4.0, 6.0, 1.0, 1.0],
        [1.0, -1.0, -1.0, -1.0],
        [0.0, 2.0, 1.0, 1.0],
        [1.5, 1.0, 0.5, 0.5],
        [8.0, 2.0, -3.0, 3.0],
        [410.0, 520.0, 630.0, 15.0],
        [-4.0, 4.0, 0.0, 1.0],
        [6.5, 9.5, 12.5, 5.5],
        [3.0, 4.0, 5.0, 6.0],
    ];
    assert_eq!(out, expected.as_flattened());
    let two =
        u32::from(f16::from_f32(1.0).to_bits()) | u32::from(f16::from_f32(-2.0).to_bits()) << 16;
    let brain = u32::from(bf16::from_f32(1.01).to_bits());
    assert_eq!(
        done.get::<u32>(2),
        [1.5f32.to_bits(), two, 0xffff8000, 0x0104, 0x12, brain, 3]
    );
}

/// Every one of these is refused, with the line and a word of the reason.
#[test]
fn errors_name_their_lines() {
    let refused = [
        (
            "kernel void k(device float* x [[buffer(0)]]) {\n  threadgroup float* p = x;\n}",
            "program_source:2:",
            "threadgroup",
        ),
        (
            "kernel void k(device float* x [[buffer(0)]]) {\n  constant float* p = x;\n}",
            "program_source:2:",
            "constant",
        ),
        (
            "void f(device float* p) {}\nkernel void k(constant float* x [[buffer(0)]]) {\n  f(x);\n}",
            "program_source:3:",
            "no matching function",
        ),
        (
            "kernel void k(constant float* x [[buffer(0)]]) {\n\n  x[0] = 1;\n}",
            "program_source:3:",
            "not assignable",
        ),
        (
            "void f(float* p) {}\nkernel void k(device float* x [[buffer(0)]]) { x[0] = 1; }",
            "program_source:1:",
            "address space qualifier",
        ),
        (
            "kernel void k(device float* x [[buffer(0)]]) {\n  float4 v = float4(1.0f, 2.0f);\n}",
            "program_source:2:",
            "float4",
        ),
        (
            "kernel void k(device float* x [[buffer(0)]]) {\n  int4 v = float4(1.0f);\n}",
            "program_source:2:",
            "int",
        ),
        (
            "kernel void k(device float* x [[buffer(0)]]) {\n  x[0] = undeclared;\n}",
            "program_source:2:",
            "undeclared",
        ),
        (
            "kernel void k(device float* x [[buffer(0)]]) {\n  x[0] = 1\n}",
            "program_source:2:",
            "';'",
        ),
        (
            "kernel void k(device float* x [[buffer(31)]]) { }",
            "program_source:1:",
            "out of bounds",
        ),
        (
            "kernel void k(float x [[buffer(0)]]) { }",
            "program_source:1:",
            "invalid type",
        ),
        (
            "kernel void k(device float* x) { }",
            "program_source:1:",
            "attribute",
        ),
        (
            "kernel void k(texture2d<float> t [[texture(0)]]) { }",
            "program_source:1:",
            "texture",
        ),
        (
            "#include <vector>\nkernel void k(device float* x [[buffer(0)]]) { }",
            "program_source:1:",
            "file not found",
        ),
        (
            "kernel void k(device atomic_uint* x [[buffer(0)]]) {\n  x[0] += 1;\n}",
            "program_source:2:",
            "no viable overloaded",
        ),
    ];
    for (text, line, word) in refused {
        let whole = format!("#include <metal_stdlib>\nusing namespace metal;\n{text}\n");
        let error = Library::compile(&whole, &OPTIONS)
            .err()
            .unwrap_or_else(|| panic!("accepted:\n{text}"));
        let shifted = line
            .trim_start_matches("program_source:")
            .trim_end_matches(':')
            .parse::<u32>()
            .unwrap()
            + 2;
        assert!(
            error.contains(&format!("program_source:{shifted}:")),
            "{error}\n{whole}"
        );
        assert!(error.contains(word), "{error}\n{whole}");
    }
}

#[test]
fn types_of_later_languages_are_refused() {
    let text = "kernel void k(device bfloat* x [[buffer(0)]]) { x[0] = x[1]; }";
    let older = CompileOptions {
        language: (3, 0),
        ..OPTIONS
    };
    let error = Library::compile(text, &older).unwrap_err();
    assert!(
        error.contains("program_source:1:") && error.contains("'bfloat' needs Metal 3.1"),
        "{error}"
    );
    Library::compile(text, &OPTIONS).unwrap();
}
