//! MSL that naga writes: threads, memory and integers, compared with plain loops.

mod msl_support;

use metal_double::msl::Grid;
use msl_support::{Call, only};

/// Runs a text with one array of words in and one out, `threads` in one workgroup.
fn words(wgsl: &str, input: &[u32], output: usize, threads: u32) -> Vec<u32> {
    let declarations = "@group(0) @binding(0) var<storage, read> x: array<u32>;
        @group(0) @binding(1) var<storage, read_write> y: array<u32>;\n";
    let kernel = only(&format!("{declarations}{wgsl}"));
    let call = Call::of(&kernel)
        .buffer(0, input)
        .buffer(1, &vec![0u32; output])
        .lengths();
    call.run(1, threads).unwrap().get(1)
}

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
    assert_eq!(kernel.max_total_threads(), Some(128));
    let groups = 40;
    let src: Vec<f32> = (0..groups * 512).map(|i| (i % 17) as f32 - 3.0).collect();
    let done = Call::of(&kernel)
        .buffer(0, &src)
        .buffer(1, &vec![-1.0f32; groups])
        .lengths()
        .buffer(2, &[groups as u32 * 512, 0.5f32.to_bits()])
        .run(groups as u32, 128)
        .unwrap();
    let expected: Vec<f32> = src
        .chunks(512)
        .map(|c| c.iter().sum::<f32>() * 0.5)
        .collect();
    assert_eq!(done.get::<f32>(1), expected);
}

#[test]
fn subgroup_operations() {
    let input: Vec<u32> = (0..64u32)
        .map(|i| i.wrapping_mul(0x9E37_79B1) >> 7)
        .collect();
    let found = words(
        "@compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_invocation_id) lane: u32,
                @builtin(subgroup_id) id: u32, @builtin(num_subgroups) count: u32) {
            let v = x[i];
            let base = i * 20u;
            y[base] = subgroupAdd(v);
            y[base + 1u] = subgroupMul(v | 1u);
            y[base + 2u] = subgroupMin(v);
            y[base + 3u] = subgroupMax(v);
            y[base + 4u] = subgroupAnd(v);
            y[base + 5u] = subgroupOr(v);
            y[base + 6u] = subgroupXor(v);
            y[base + 7u] = subgroupExclusiveAdd(v);
            y[base + 8u] = subgroupInclusiveAdd(v);
            y[base + 9u] = subgroupExclusiveMul(v | 1u);
            y[base + 10u] = subgroupInclusiveMul(v | 1u);
            y[base + 11u] = subgroupBallot((v & 1u) == 1u).x;
            y[base + 12u] = u32(subgroupAll(v > 0u)) * 2u + u32(subgroupAny(v == x[5]));
            y[base + 13u] = subgroupShuffle(v, (lane * 7u + 3u) % 32u);
            y[base + 14u] = subgroupShuffleXor(v, 9u);
            y[base + 15u] = subgroupShuffleUp(v, 2u);
            y[base + 16u] = subgroupShuffleDown(v, 3u);
            y[base + 17u] = subgroupBroadcast(v, 11u) ^ subgroupBroadcastFirst(v);
            y[base + 18u] = quadBroadcast(v, 2u) ^ quadSwapX(v);
            y[base + 19u] = id * 16u + count;
        }",
        &input,
        64 * 20,
        64,
    );
    for i in 0..64usize {
        let (lane, start) = (i % 32, i / 32 * 32);
        let group = &input[start..start + 32];
        let product = |values: &[u32]| values.iter().fold(1u32, |a, v| a.wrapping_mul(v | 1));
        let sum = |values: &[u32]| values.iter().fold(0u32, |a, v| a.wrapping_add(*v));
        let ballot = group
            .iter()
            .enumerate()
            .fold(0, |a, (at, v)| a | (v & 1) << at);
        let expected = [
            sum(group),
            product(group),
            *group.iter().min().unwrap(),
            *group.iter().max().unwrap(),
            group.iter().fold(!0, |a, v| a & v),
            group.iter().fold(0, |a, v| a | v),
            group.iter().fold(0, |a, v| a ^ v),
            sum(&group[..lane]),
            sum(&group[..=lane]),
            product(&group[..lane]),
            product(&group[..=lane]),
            ballot,
            u32::from(group.iter().all(|v| *v > 0)) * 2 + u32::from(group.contains(&input[5])),
            group[(lane * 7 + 3) % 32],
            group[lane ^ 9],
            if lane >= 2 {
                group[lane - 2]
            } else {
                group[lane]
            },
            if lane + 3 < 32 {
                group[lane + 3]
            } else {
                group[lane]
            },
            group[11] ^ group[0],
            group[lane / 4 * 4 + 2] ^ group[lane ^ 1],
            (i / 32 * 16 + 2) as u32,
        ];
        assert_eq!(found[i * 20..][..20], expected, "thread {i}");
    }
}

#[test]
fn atomics() {
    let kernel = only(
        "struct Counters { sum: atomic<u32>, low: atomic<i32>, high: atomic<i32>, bits: atomic<u32>, last: atomic<u32>, swapped: atomic<u32> }
        @group(0) @binding(0) var<storage, read_write> c: Counters;
        @group(0) @binding(1) var<storage, read> x: array<i32, 96>;
        var<workgroup> tickets: atomic<u32>;
        var<workgroup> flags: array<atomic<u32>, 3>;
        @compute @workgroup_size(96)
        fn main(@builtin(local_invocation_index) i: u32) {
            if i < 3u { atomicStore(&flags[i], 0u); atomicStore(&tickets, 0u); }
            workgroupBarrier();
            let ticket = atomicAdd(&tickets, 1u);
            atomicAdd(&c.sum, ticket);
            atomicMin(&c.low, x[i]);
            atomicMax(&c.high, x[i]);
            atomicXor(&c.bits, 1u << (i % 31u));
            atomicOr(&flags[i / 32u], 1u << (i % 32u));
            atomicExchange(&c.last, 7u);
            let swap = atomicCompareExchangeWeak(&c.swapped, 5u, i);
            if swap.exchanged { atomicSub(&c.sum, 1000u); }
            workgroupBarrier();
            if i < 3u { atomicAnd(&c.bits, atomicLoad(&flags[i]) | 0xffff0000u); }
        }",
    );
    let x: Vec<i32> = (0..96).map(|i| i * 7919 % 1009 - 500).collect();
    let done = Call::of(&kernel)
        .buffer(0, &[0i32, 0, 0, 0, 0, 5])
        .buffer(1, &x)
        .run(1, 96)
        .unwrap();
    let found = done.get::<i32>(0);
    let bits = (0..96u32).fold(0, |a, i| a ^ 1 << (i % 31));
    assert_eq!(
        found[..5],
        [
            (0..96).sum::<i32>() - 1000,
            *x.iter().min().unwrap(),
            *x.iter().max().unwrap(),
            bits,
            7
        ]
    );
    assert!((0..96).contains(&found[5]));
}

#[test]
fn integers_at_their_limits() {
    let pairs = [
        (7u32, 0u32),
        (i32::MIN as u32, -1i32 as u32),
        (-7i32 as u32, 2),
        (0x8000_0001, 31),
        (12345, 67),
        (0, 0),
        (!0, 33),
    ];
    let input: Vec<u32> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
    let found = words(
        "@compute @workgroup_size(7)
        fn main(@builtin(local_invocation_index) i: u32) {
            let a = x[i * 2u]; let b = x[i * 2u + 1u];
            let s = bitcast<i32>(a); let t = bitcast<i32>(b);
            let o = i * 16u;
            y[o] = a / b; y[o + 1u] = a % b;
            y[o + 2u] = bitcast<u32>(s / t); y[o + 3u] = bitcast<u32>(s % t);
            y[o + 4u] = bitcast<u32>(-s); y[o + 5u] = bitcast<u32>(abs(s));
            y[o + 6u] = bitcast<u32>(sign(s)); y[o + 7u] = countOneBits(a);
            y[o + 8u] = countLeadingZeros(a); y[o + 9u] = countTrailingZeros(b);
            y[o + 10u] = reverseBits(a); y[o + 11u] = bitcast<u32>(firstLeadingBit(s));
            y[o + 12u] = firstTrailingBit(b); y[o + 13u] = bitcast<u32>(extractBits(s, 4u, b));
            y[o + 14u] = insertBits(a, b, 3u, 9u); y[o + 15u] = bitcast<u32>(s >> (b & 31u)) ^ (a << (b & 31u));
        }",
        &input,
        7 * 16,
        7,
    );
    for (i, &(a, b)) in pairs.iter().enumerate() {
        let (s, t) = (a as i32, b as i32);
        let leading = if s == 0 || s == -1 {
            !0
        } else {
            31 - (if s < 0 { !a } else { a }).leading_zeros()
        };
        let count = b.min(28);
        let extracted = if count == 0 {
            0
        } else {
            (a << (28 - count)) as i32 >> (32 - count)
        };
        let expected = [
            a.checked_div(b).unwrap_or(a),
            a.checked_rem(b).unwrap_or(0),
            if t == 0 { a } else { s.wrapping_div(t) as u32 },
            if t == 0 { 0 } else { s.wrapping_rem(t) as u32 },
            s.wrapping_neg() as u32,
            s.wrapping_abs() as u32,
            s.signum() as u32,
            a.count_ones(),
            a.leading_zeros(),
            b.trailing_zeros(),
            a.reverse_bits(),
            leading,
            if b == 0 { !0 } else { b.trailing_zeros() },
            extracted as u32,
            (a & !(0x1ff << 3)) | (b & 0x1ff) << 3,
            (s >> (b & 31)) as u32 ^ a << (b & 31),
        ];
        assert_eq!(found[i * 16..][..16], expected, "pair {i}");
    }
}

#[test]
fn packed_bytes() {
    let input = [0x01fe_807f_u32, 0xff02_7f81, 0x1234_5678, 0x9abc_def0];
    let found = words(
        "@compute @workgroup_size(2)
        fn main(@builtin(local_invocation_index) i: u32) {
            let a = x[i * 2u]; let b = x[i * 2u + 1u];
            let o = i * 6u;
            y[o] = bitcast<u32>(dot4I8Packed(a, b));
            y[o + 1u] = dot4U8Packed(a, b);
            y[o + 2u] = pack4xI8(unpack4xI8(a) + vec4<i32>(1, 2, 3, 4));
            y[o + 3u] = pack4xU8(unpack4xU8(a) + vec4<u32>(1u, 2u, 3u, 4u));
            y[o + 4u] = pack4xI8Clamp(unpack4xI8(a) * 2);
            y[o + 5u] = pack4xU8Clamp(unpack4xU8(b) * 2u);
        }",
        &input,
        12,
        2,
    );
    for (i, pair) in input.chunks(2).enumerate() {
        let (a, b) = (pair[0].to_le_bytes(), pair[1].to_le_bytes());
        let signed: i32 = (0..4)
            .map(|k| i32::from(a[k] as i8) * i32::from(b[k] as i8))
            .sum();
        let unsigned: u32 = (0..4).map(|k| u32::from(a[k]) * u32::from(b[k])).sum();
        let plus = u32::from_le_bytes(std::array::from_fn(|k| a[k].wrapping_add(k as u8 + 1)));
        let doubled = u32::from_le_bytes(std::array::from_fn(|k| {
            (i32::from(a[k] as i8) * 2).clamp(-128, 127) as u8
        }));
        let clamped = u32::from_le_bytes(std::array::from_fn(|k| {
            (u32::from(b[k]) * 2).min(255) as u8
        }));
        assert_eq!(
            found[i * 6..][..6],
            [signed as u32, unsigned, plus, plus, doubled, clamped]
        );
    }
}

#[test]
fn workgroup_memory_in_structs_and_uniform_loads() {
    let input: Vec<u32> = (0..64).map(|i| i * i).collect();
    let found = words(
        "struct Cell { sum: u32, parts: array<u32, 4>, flags: vec2<bool> }
        var<workgroup> cells: array<Cell, 16>;
        var<workgroup> width: u32;
        var<private> calls: u32 = 3u;
        fn part(i: u32) -> u32 { calls += 1u; return cells[i / 4u].parts[i % 4u] + calls; }
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) i: u32) {
            cells[i / 4u].parts[i % 4u] = x[i];
            if i == 17u { width = 4u; }
            let w = workgroupUniformLoad(&width);
            if i < 16u {
                var cell = cells[i];
                cell.sum = 0u;
                for (var k = 0u; k < w; k += 1u) {
                    if k == 2u { continue; }
                    cell.sum += cell.parts[k];
                }
                cells[i].sum = cell.sum;
                cells[i].flags = vec2<bool>(cell.sum > 100u, true);
            }
            workgroupBarrier();
            var result = 0u;
            switch i % 3u {
                case 0u: { result = cells[i / 4u].sum; }
                case 1u: { result = part(i) * 2u; }
                default: { result = select(1u, 2u, all(cells[i / 4u].flags)); }
            }
            y[i] = result;
        }",
        &input,
        64,
        64,
    );
    for i in 0..64 {
        let cell = &input[i / 4 * 4..][..4];
        let sum = cell[0] + cell[1] + cell[3];
        let expected = match i % 3 {
            0 => sum,
            1 => (input[i] + 4) * 2,
            _ => {
                if sum > 100 {
                    2
                } else {
                    1
                }
            }
        };
        assert_eq!(found[i], expected, "thread {i}");
    }
}

#[test]
fn lengths_and_immediates() {
    let kernel = only(
        "struct Header { count: u32, tail: array<vec2<u32>> }
        struct Params { offset: u32, scale: vec3<u32>, last: u32 }
        @group(0) @binding(0) var<storage, read> x: array<vec3<u32>>;
        @group(0) @binding(1) var<storage, read_write> y: array<u32>;
        @group(0) @binding(2) var<storage, read> header: Header;
        var<immediate> p: Params;
        @compute @workgroup_size(1)
        fn main() {
            y[0] = arrayLength(&x);
            y[1] = arrayLength(&y);
            y[2] = arrayLength(&header.tail);
            y[3] = x[1].y * p.scale.z + p.offset + p.last;
            y[4] = header.tail[2].y + header.count;
            y[1000] = 5u;
        }",
    );
    let x: Vec<u32> = (0..40).collect();
    let done = Call::of(&kernel)
        .buffer(0, &x)
        .buffer(1, &[0u32; 5])
        .buffer(2, &(0..10u32).map(|i| i + 100).collect::<Vec<_>>())
        .lengths()
        .buffer(30, &[10u32, 0, 0, 0, 2, 3, 4, 50])
        .run(1, 1);
    assert_eq!(
        done.unwrap().get::<u32>(1),
        [10, 5, 4, 5 * 4 + 60, 107 + 100]
    );
}

#[test]
fn places_in_a_grid_of_three_dimensions() {
    let kernel = only(
        "@group(0) @binding(0) var<storage, read_write> y: array<vec4<u32>, 720>;
        @compute @workgroup_size(4, 3, 2)
        fn main(@builtin(global_invocation_id) g: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>,
                @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
                @builtin(local_invocation_index) i: u32) {
            let size = n * vec3<u32>(4u, 3u, 2u);
            let at = g.x + size.x * (g.y + size.y * g.z);
            y[at] = vec4<u32>(l.x + 10u * l.y + 100u * l.z, w.x + 10u * w.y + 100u * w.z, i, at);
        }",
    );
    let grid = Grid {
        groups: [2, 3, 5],
        threads_per_group: [4, 3, 2],
        threads: None,
    };
    let done = Call::of(&kernel)
        .buffer(0, &[[0u32; 4]; 720])
        .run_grid(&grid, None)
        .unwrap();
    for (at, found) in done.get::<[u32; 4]>(0).into_iter().enumerate() {
        let g = [at % 8, at / 8 % 9, at / 72];
        let (l, w) = (
            [g[0] % 4, g[1] % 3, g[2] % 2],
            [g[0] / 4, g[1] / 3, g[2] / 2],
        );
        let digits = |v: [usize; 3]| (v[0] + 10 * v[1] + 100 * v[2]) as u32;
        assert_eq!(
            found,
            [
                digits(l),
                digits(w),
                (l[0] + 4 * l[1] + 12 * l[2]) as u32,
                at as u32
            ]
        );
    }
}

#[test]
fn words_of_64_bits() {
    let input = [0xdead_beef_u32, 0x1234_5678, 0xffff_fff0, 0x7fff_ffff];
    let found = words(
        "@compute @workgroup_size(1)
        fn main() {
            let a = (u64(x[1]) << 32u) | u64(x[0]);
            let b = (u64(x[3]) << 32u) | u64(x[2]);
            let m = a * 3lu + b / 7lu;
            let s = i64(a) - i64(b);
            y[0] = u32(m); y[1] = u32(m >> 32u);
            y[2] = u32(u64(s)); y[3] = u32(u64(s) >> 32u);
            y[4] = u32(min(a, b) % 1000lu); y[5] = select(1u, 2u, s < 0li);
        }",
        &input,
        6,
        1,
    );
    let (a, b) = (0x1234_5678_dead_beef_u64, 0x7fff_ffff_ffff_fff0_u64);
    let (m, s) = (a.wrapping_mul(3).wrapping_add(b / 7), a.wrapping_sub(b));
    assert_eq!(
        found,
        [
            m as u32,
            (m >> 32) as u32,
            s as u32,
            (s >> 32) as u32,
            (a % 1000) as u32,
            2
        ]
    );
}
