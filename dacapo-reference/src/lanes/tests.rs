//! Every operation against its definition, and against rows of all lengths.

mod pairs;

use super::testing::{Random, elements, row};
use super::*;

const LENGTHS: [usize; 6] = [1, 3, 16, 64, 100, 256];

/// An operation, and what it should do.
type OfFloat = (Unary, fn(f64) -> f64);
type ToBits = (Unary, fn(f32) -> u32);

fn float(bits: u32) -> f32 {
    f32::from_bits(bits)
}

/// One operation on a row of its own, and in place; both must agree.
fn apply(run: impl Fn(Lanes<'_>, Lanes<'_>), a: &[u32]) -> Vec<u32> {
    let (dst, a) = (row(vec![0; a.len()]), row(a.iter().copied()));
    run(&dst, &a);
    run(&a, &a);
    assert_eq!(elements(&dst), elements(&a));
    elements(&dst)
}

/// The results are the nearest f32, or next to them.
fn assert_floats(op: Unary, expected: fn(f64) -> f64, inputs: &[u32]) {
    let found = apply(|dst, a| unary(op, dst, a), inputs);
    for (input, found) in inputs.iter().zip(found) {
        let (found, expected) = (float(found), expected(float(*input).into()) as f32);
        let near = [expected, expected.next_up(), expected.next_down()];
        assert!(
            near.contains(&found) || found.is_nan() && expected.is_nan(),
            "{op:?} {:?}: {found:?}, not {expected:?}",
            float(*input)
        );
    }
}

fn floats(random: &mut Random, lanes: usize) -> Vec<u32> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        1e-40,
    ];
    let mut any = || match random.bits() % 8 {
        0 => special[random.bits() as usize % special.len()],
        1 => random.float(),
        2 => random.small_float() * 1e10,
        3 | 4 => random.small_float(),
        _ => random.small_float() * 100.0,
    };
    (0..lanes).map(|_| any().to_bits()).collect()
}

#[test]
fn functions_of_floats_are_within_one_step() {
    let functions: [OfFloat; 33] = [
        (Unary::NegF, |x| -x),
        (Unary::AbsF, f64::abs),
        (Unary::SignF, |x| if x == 0.0 { x } else { x.signum() }),
        (Unary::Ceil, f64::ceil),
        (Unary::Floor, f64::floor),
        (Unary::Trunc, f64::trunc),
        (Unary::Round, f64::round_ties_even),
        (Unary::Fract, |x| x - x.floor()),
        (Unary::ModfFract, |x| {
            if x.is_infinite() { 0.0 } else { x.fract() }
        }),
        (Unary::Sqrt, f64::sqrt),
        (Unary::InverseSqrt, |x| x.sqrt().recip()),
        (Unary::Exp, f64::exp),
        (Unary::Exp2, f64::exp2),
        (Unary::Log, f64::ln),
        (Unary::Log2, f64::log2),
        (Unary::Sin, f64::sin),
        (Unary::Cos, f64::cos),
        (Unary::Tan, |x| x.sin() / x.cos()),
        (Unary::Asin, f64::asin),
        (Unary::Acos, f64::acos),
        (Unary::Atan, f64::atan),
        (Unary::Sinh, |x| x.exp_m1() / 2.0 - (-x).exp_m1() / 2.0),
        (Unary::Cosh, |x| x.exp() / 2.0 + (-x).exp() / 2.0),
        (Unary::Tanh, f64::tanh),
        (Unary::Asinh, f64::asinh),
        (Unary::Acosh, f64::acosh),
        (Unary::Atanh, f64::atanh),
        (Unary::Radians, |x| x * (core::f64::consts::PI / 180.0)),
        (Unary::Degrees, |x| x * (180.0 / core::f64::consts::PI)),
        (Unary::Saturate, |x| if x > 0.0 { x.min(1.0) } else { 0.0 }),
        (Unary::BoolToF, |x| {
            if x as f32 == 0.0 && x.is_sign_positive() {
                0.0
            } else {
                1.0
            }
        }),
        (Unary::RoundF16, |x| {
            half::f16::from_f64((x as f32).into()).into()
        }),
        (Unary::FrexpFract, |x| {
            let normal = x.is_normal();
            let bits = x.to_bits() & !(0x7ff << 52) | 1022 << 52;
            if normal { f64::from_bits(bits) } else { x }
        }),
    ];
    let mut random = Random::new(10);
    for (op, expected) in functions {
        for lanes in LENGTHS.into_iter().cycle().take(60) {
            assert_floats(op, expected, &floats(&mut random, lanes));
        }
    }
}

#[test]
fn conversions_and_tests_of_floats_are_those_of_rust() {
    let functions: [ToBits; 11] = [
        (Unary::FToI, |x| (f64::from(x) as i32).cast_unsigned()),
        (Unary::FToU, |x| f64::from(x) as u32),
        (Unary::FToBool, |x| (x != 0.0).into()),
        (Unary::BitsToBool, |x| (x.to_bits() != 0).into()),
        (Unary::IsNan, |x| (x.to_bits() << 1 > 0xff00_0000).into()),
        (Unary::IsInf, |x| (x.to_bits() << 1 == 0xff00_0000).into()),
        (Unary::IToF, |x| {
            (f64::from(x.to_bits().cast_signed()) as f32).to_bits()
        }),
        (Unary::UToF, |x| (f64::from(x.to_bits()) as f32).to_bits()),
        (Unary::ToF16Bits, |x| {
            half::f16::from_f32(x).to_bits().into()
        }),
        (Unary::FromF16Bits, |x| {
            half::f16::from_bits(x.to_bits() as u16).to_f32().to_bits()
        }),
        (Unary::FrexpExponent, |x| {
            let exponent = (f64::from(x).to_bits() >> 52 & 0x7ff) as i32 - 1022;
            if x.is_finite() && x != 0.0 {
                exponent.cast_unsigned()
            } else {
                0
            }
        }),
    ];
    let mut random = Random::new(11);
    for (op, expected) in functions {
        for lanes in LENGTHS.into_iter().cycle().take(60) {
            let inputs = floats(&mut random, lanes);
            let expected: Vec<u32> = inputs.iter().map(|x| expected(float(*x))).collect();
            assert_eq!(
                apply(|dst, a| unary(op, dst, a), &inputs),
                expected,
                "{op:?}"
            );
        }
    }
}

#[test]
fn functions_of_bits_are_those_of_the_specification() {
    let bit = |x: u32, at: u32| x >> at & 1;
    let clamp =
        |x: u32, low: i64, high: i64| i64::from(x.cast_signed()).clamp(low, high) as u32 & 0xff;
    let check = |op: Unary, expected: &dyn Fn(u32) -> u32| {
        let mut random = Random::new(12);
        for lanes in LENGTHS.into_iter().cycle().take(60) {
            let inputs: Vec<u32> = (0..lanes).map(|_| random.integer()).collect();
            let expected: Vec<u32> = inputs.iter().map(|x| expected(*x)).collect();
            assert_eq!(
                apply(|dst, a| unary(op, dst, a), &inputs),
                expected,
                "{op:?}"
            );
        }
    };
    check(Unary::NegI, &|x| 0u32.wrapping_sub(x));
    check(Unary::Not, &|x| u32::MAX - x);
    check(Unary::LogicalNot, &|x| if x == 0 { 1 } else { 0 });
    check(Unary::AbsI, &|x| {
        i64::from(x.cast_signed()).unsigned_abs() as u32
    });
    check(Unary::SignI, &|x| {
        i64::from(x.cast_signed()).signum() as u32
    });
    check(Unary::CountOneBits, &|x| (0..32).map(|at| bit(x, at)).sum());
    check(Unary::CountLeadingZeros, &|x| {
        (0..32).rev().take_while(|at| bit(x, *at) == 0).count() as u32
    });
    check(Unary::CountTrailingZeros, &|x| {
        (0..32).take_while(|at| bit(x, *at) == 0).count() as u32
    });
    check(Unary::ReverseBits, &|x| {
        (0..32).map(|at| bit(x, at) << (31 - at)).sum()
    });
    check(Unary::FirstTrailingBit, &|x| {
        (0..32).find(|at| bit(x, *at) == 1).unwrap_or(u32::MAX)
    });
    check(Unary::FirstLeadingBitU, &|x| {
        (0..32)
            .rev()
            .find(|at| bit(x, *at) == 1)
            .unwrap_or(u32::MAX)
    });
    check(Unary::FirstLeadingBitI, &|x| {
        (0..31)
            .rev()
            .find(|at| bit(x, *at) != x >> 31)
            .unwrap_or(u32::MAX)
    });
    for n in 0..4 {
        let byte = move |x: u32| x / 256u32.pow(n.into()) % 256;
        check(Unary::ByteU(n), &byte);
        check(Unary::ByteI(n), &|x| {
            byte(x).wrapping_sub(if byte(x) > 127 { 256 } else { 0 })
        });
    }
    for n in 0..2 {
        let half = move |x: u32| x / 65536u32.pow(n.into()) % 65536;
        check(Unary::HalfU(n), &half);
        check(Unary::HalfI(n), &|x| {
            half(x).wrapping_sub(if half(x) > 32767 { 65536 } else { 0 })
        });
    }
    check(Unary::ClampI8, &|x| clamp(x, -128, 127));
    check(Unary::ClampU8, &|x| if x > 255 { 255 } else { x });
}

#[test]
fn packing_takes_the_low_bits_and_leaves_the_rest() {
    let minus_one = [-1f32, -7.0, f32::NEG_INFINITY].map(f32::to_bits);
    for (op, from, packed, number) in [
        (Unary::ToSnorm8, Unary::FromSnorm8, 0x81, -1f32),
        (Unary::ToSnorm16, Unary::FromSnorm16, 0x8001, -1.0),
        (Unary::ToUnorm8, Unary::FromUnorm8, 0, 0.0),
        (Unary::ToUnorm16, Unary::FromUnorm16, 0, 0.0),
    ] {
        assert_eq!(apply(|dst, a| unary(op, dst, a), &minus_one), [packed; 3]);
        assert_eq!(
            apply(|dst, a| unary(from, dst, a), &[packed])[0],
            number.to_bits()
        );
    }
    let one = [1f32, 7.0, f32::INFINITY].map(f32::to_bits);
    for (op, from, packed) in [
        (Unary::ToSnorm8, Unary::FromSnorm8, 127),
        (Unary::ToSnorm16, Unary::FromSnorm16, 32767),
        (Unary::ToUnorm8, Unary::FromUnorm8, 255),
        (Unary::ToUnorm16, Unary::FromUnorm16, 65535),
    ] {
        assert_eq!(apply(|dst, a| unary(op, dst, a), &one), [packed; 3]);
        assert_eq!(
            apply(|dst, a| unary(from, dst, a), &[packed])[0],
            1f32.to_bits()
        );
    }
}
