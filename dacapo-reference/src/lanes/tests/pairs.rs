//! Operations of two elements and more.

use super::*;

fn check(op: Binary, expected: &dyn Fn(u32, u32) -> u32, input: &dyn Fn(&mut Random) -> u32) {
    let mut random = Random::new(13);
    for lanes in LENGTHS.into_iter().cycle().take(60) {
        let a: Vec<u32> = (0..lanes).map(|_| input(&mut random)).collect();
        let b: Vec<u32> = (0..lanes).map(|_| input(&mut random)).collect();
        let expected: Vec<u32> = a.iter().zip(&b).map(|(a, b)| expected(*a, *b)).collect();
        let (dst, a, b) = (row(vec![0; lanes]), row(a), row(b));
        binary(op, &dst, &a, &b);
        binary(op, &b, &a, &b);
        assert_eq!(elements(&dst), elements(&b));
        for (found, expected) in elements(&dst).into_iter().zip(expected) {
            let float_result = !matches!(op, Binary::EqF | Binary::NeF | Binary::LtF | Binary::LeF);
            let both_nan = float_result && float(found).is_nan() && float(expected).is_nan();
            assert!(
                found == expected || both_nan,
                "{op:?}: {found:#x}, not {expected:#x}"
            );
        }
    }
}

#[test]
fn integers_wrap_and_divide_as_the_specification_says() {
    let check = |op, expected: &dyn Fn(u32, u32) -> u32| check(op, expected, &Random::integer);
    let signed = |f: fn(i64, i64) -> i64| {
        move |a: u32, b: u32| f(a.cast_signed().into(), b.cast_signed().into()) as u32
    };
    let wide = |f: fn(u64, u64) -> u64| move |a: u32, b: u32| f(a.into(), b.into()) as u32;
    check(Binary::AddI, &signed(|a, b| a + b));
    check(Binary::SubI, &signed(|a, b| a - b));
    check(Binary::MulI, &signed(|a, b| a * b));
    check(Binary::DivI, &signed(|a, b| if b == 0 { a } else { a / b }));
    check(Binary::RemI, &signed(|a, b| if b == 0 { 0 } else { a % b }));
    check(Binary::DivU, &wide(|a, b| a.checked_div(b).unwrap_or(a)));
    check(Binary::RemU, &wide(|a, b| if b == 0 { 0 } else { a % b }));
    check(Binary::MinI, &signed(|a, b| if a < b { a } else { b }));
    check(Binary::MaxI, &signed(|a, b| if a > b { a } else { b }));
    check(Binary::MinU, &wide(|a, b| if a < b { a } else { b }));
    check(Binary::MaxU, &wide(|a, b| if a > b { a } else { b }));
    check(Binary::And, &wide(|a, b| a & b));
    check(Binary::Or, &wide(|a, b| a | b));
    check(Binary::Xor, &wide(|a, b| (a | b) - (a & b)));
    check(Binary::Shl, &wide(|a, b| a << (b % 32)));
    check(Binary::ShrU, &wide(|a, b| a >> (b % 32)));
    check(Binary::ShrI, &|a, b| {
        i64::from(a.cast_signed()).div_euclid(1 << (b % 32)) as u32
    });
    check(Binary::Eq, &wide(|a, b| (a == b).into()));
    check(Binary::Ne, &wide(|a, b| (a != b).into()));
    check(Binary::LtI, &signed(|a, b| (a < b).into()));
    check(Binary::LeI, &signed(|a, b| (a <= b).into()));
    check(Binary::LtU, &wide(|a, b| (a < b).into()));
    check(Binary::LeU, &wide(|a, b| (a <= b).into()));
    let bytes = |x: u32| x.to_le_bytes().map(i64::from);
    let dot = move |a, b| {
        bytes(a)
            .iter()
            .zip(bytes(b))
            .map(|(a, b)| a * b)
            .sum::<i64>() as u32
    };
    check(Binary::Dot4U8, &dot);
    let bytes = |x: u32| x.to_le_bytes().map(|byte| i64::from(byte.cast_signed()));
    let dot = move |a, b| {
        bytes(a)
            .iter()
            .zip(bytes(b))
            .map(|(a, b)| a * b)
            .sum::<i64>() as u32
    };
    check(Binary::Dot4I8, &dot);
}

#[test]
fn floats_are_rounded_once() {
    let check = |op, expected: &dyn Fn(f64, f64) -> f64| {
        let expected = |a, b| (expected(float(a).into(), float(b).into()) as f32).to_bits();
        check(op, &expected, &|random| floats(random, 1)[0]);
    };
    // Twice the bits and two more: a rounding to f64 in between does no harm.
    check(Binary::AddF, &|a, b| a + b);
    check(Binary::SubF, &|a, b| a - b);
    check(Binary::MulF, &|a, b| a * b);
    check(Binary::DivF, &|a, b| a / b);
    check(Binary::RemF, &|a, b| a % b);
    check(Binary::Atan2, &f64::atan2);
    check(Binary::PowF, &|a, b| {
        if a < 0.0 { f64::NAN } else { a.powf(b) }
    });
}

#[test]
fn comparisons_of_nan_fail_but_one() {
    let check = |op, expected: &dyn Fn(f32, f32) -> bool| {
        let expected = |a, b| u32::from(expected(float(a), float(b)));
        check(op, &expected, &|random| floats(random, 1)[0]);
    };
    check(Binary::EqF, &|a, b| {
        a.partial_cmp(&b).is_some_and(|order| order.is_eq())
    });
    check(Binary::NeF, &|a, b| {
        a.partial_cmp(&b).is_none_or(|order| order.is_ne())
    });
    check(Binary::LtF, &|a, b| {
        a.partial_cmp(&b).is_some_and(|order| order.is_lt())
    });
    check(Binary::LeF, &|a, b| {
        a.partial_cmp(&b).is_some_and(|order| order.is_le())
    });
}

#[test]
fn the_smaller_and_the_larger_ignore_one_nan() {
    let cases = [
        (1.0, 2.0),
        (2.0, 1.0),
        (f32::NAN, 1.0),
        (1.0, f32::NAN),
        (-1.0, f32::NEG_INFINITY),
    ];
    let a = row(cases.map(|(a, _)| a.to_bits()));
    let b = row(cases.map(|(_, b)| b.to_bits()));
    let dst = row([0; 5]);
    binary(Binary::MinF, &dst, &a, &b);
    assert_eq!(
        elements(&dst),
        [1.0, 1.0, 1.0, 1.0, f32::NEG_INFINITY].map(f32::to_bits)
    );
    binary(Binary::MaxF, &dst, &a, &b);
    assert_eq!(elements(&dst), [2.0, 2.0, 1.0, 1.0, -1.0].map(f32::to_bits));
    let exponents = row([1, 3, 0, 0, 1u32]);
    binary(Binary::Ldexp, &dst, &b, &exponents);
    assert_eq!(elements(&dst)[..3], [4.0f32, 8.0, 1.0].map(f32::to_bits));
}

#[test]
fn operations_of_three_take_them_in_order() {
    let ternary = |op, a: u32, b: u32, c: u32| {
        let rows = [a, b, c].map(|x| row([x; 21]));
        let dst = row([0; 21]);
        super::ternary(op, &dst, &rows[0], &rows[1], &rows[2]);
        super::ternary(op, &rows[2], &rows[0], &rows[1], &rows[2]);
        assert_eq!(elements(&dst), elements(&rows[2]));
        assert_eq!(elements(&dst), [dst[0].get(); 21]);
        dst[0].get()
    };
    let floats =
        |op, a: f32, b: f32, c: f32| float(ternary(op, a.to_bits(), b.to_bits(), c.to_bits()));
    assert_eq!(floats(Ternary::Fma, 2.0, 3.0, 4.0), 10.0);
    assert_eq!(floats(Ternary::FmaF16, 256.0, 256.0, -16.0), f32::INFINITY);
    assert_eq!(floats(Ternary::FmaF16, 256.0, 256.0, -32.0), 65504.0);
    assert_eq!(floats(Ternary::ClampF, 5.0, 1.0, 3.0), 3.0);
    assert_eq!(floats(Ternary::ClampF, 0.0, 1.0, 3.0), 1.0);
    let minus = |n: i32| (-n).cast_unsigned();
    assert_eq!(ternary(Ternary::ClampI, minus(7), minus(3), 3), minus(3));
    assert_eq!(ternary(Ternary::ClampU, minus(7), 2, 3), 3);
    assert_eq!(
        [0, 1].map(|c| ternary(Ternary::Select, 10, 20, c)),
        [10, 20]
    );
    assert_eq!(ternary(Ternary::ExtractBitsU, 0xabcd_ef01, 28, 9), 0xa);
    assert_eq!(ternary(Ternary::ExtractBitsI, 0xabcd_ef01, 28, 9), minus(6));
    let [e, new, offset, count] = [0xffff_ffff, 0, 28, 9].map(|x| row([x; 3]));
    insert_bits(&e, &e, &new, &offset, &count);
    assert_eq!(elements(&e), [0x0fff_ffff; 3]);
}
