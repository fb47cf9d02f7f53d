use dacapo::{Device, DeviceOptions, MemoryKind};

use super::*;

fn compared(a: &[u8], b: &[u8], tolerance: f64) -> Outcome {
    let device = Device::open(&DeviceOptions::cpu()).unwrap();
    let view = |bytes: &[u8]| {
        let buffer = device.buffer(bytes.len() as u64, MemoryKind::DeviceLocal);
        let buffer = buffer.unwrap();
        buffer.write(bytes).unwrap();
        buffer
    };
    compare(&view(a), &view(b), tolerance).unwrap()
}

/// Like the results of a layer: of all signs and magnitudes around 1.
fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|at| (at as f32 * 0.7371).sin() * 2.5)
        .collect()
}

fn f32_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn f16_bytes(numbers: &[f32]) -> Vec<u8> {
    let halves = numbers.iter().map(|number| f16::from_f32(*number));
    halves.flat_map(f16::to_le_bytes).collect()
}

/// Piece by piece: the planted difference lies beyond the first.
#[test]
fn a_planted_difference_is_found_in_f32() {
    let count = (PIECE / 4) as usize + 1000;
    let numbers = numbers(count);
    let a = f32_bytes(&numbers);
    assert_eq!(compared(&a, &a, 0.0), Outcome::Equal);

    let at = count - 500;
    let mut near = numbers.clone();
    near[at] += 0.0005;
    let outcome = compared(&a, &f32_bytes(&near), 1e-3);
    let Outcome::Close {
        kind: Kind::F32,
        share,
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert!((share - 0.0005 / 2.5).abs() < 1e-6, "{share}");

    let mut far = near;
    far[at + 7] = 9.0;
    let outcome = compared(&a, &f32_bytes(&far), 1e-3);
    let Outcome::Different(difference) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(difference.kind, Kind::F32);
    assert_eq!(difference.offset, 4 * (at as u64 + 7));
    let values = [numbers[at + 7], 9.0].map(|number| format!("{number:?}"));
    assert_eq!(difference.values, values);
    assert!(difference.share.unwrap() > 0.5);
}

/// As f32, a difference in the lower of two halves would be lost among their digits.
#[test]
fn a_planted_difference_is_found_in_f16() {
    let numbers = numbers(3000);
    let a = f16_bytes(&numbers);
    for at in [1500, 1501] {
        let mut other = numbers.clone();
        other[at] += 0.25;
        let outcome = compared(&a, &f16_bytes(&other), 1e-3);
        let Outcome::Different(difference) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (difference.kind, difference.offset),
            (Kind::F16, 2 * at as u64)
        );
    }
    let rounded: Vec<f32> = numbers.iter().map(|number| number * 1.0004).collect();
    let outcome = compared(&a, &f16_bytes(&rounded), 1e-3);
    assert!(
        matches!(
            outcome,
            Outcome::Close {
                kind: Kind::F16,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[test]
fn integers_and_odd_bytes_must_be_equal() {
    let ids: Vec<u32> = (0..100).map(|at| 49_000 + at).collect();
    let bytes = |ids: &[u32]| {
        ids.iter()
            .flat_map(|id| id.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let mut other = ids.clone();
    other[40] += 1;
    let outcome = compared(&bytes(&ids), &bytes(&other), 1e-3);
    let Outcome::Different(difference) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((difference.kind, difference.offset), (Kind::Bytes, 160));
    assert_eq!(difference.values, ["90 bf 00 00", "91 bf 00 00"]);
    assert_eq!(difference.share, None);

    let outcome = compared(&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 6], 1.0);
    let Outcome::Different(difference) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (difference.offset, difference.values),
        (4, ["05".into(), "06".into()])
    );
}

#[test]
fn what_is_no_number_is_not_near_one() {
    let mut a = numbers(100);
    a[3] = f32::NAN;
    a[4] = f32::INFINITY;
    let mut b = a.clone();
    // Another not-a-number is none either.
    b[3] = f32::from_bits(0x7fc0_0001);
    let outcome = compared(&f32_bytes(&a), &f32_bytes(&b), 0.0);
    assert_eq!(
        outcome,
        Outcome::Close {
            kind: Kind::F32,
            share: 0.0
        }
    );
    for (at, value) in [(3, 1.0), (4, 1.0), (5, f32::NAN), (6, f32::NEG_INFINITY)] {
        let mut b = a.clone();
        b[at] = value;
        let outcome = compared(&f32_bytes(&a), &f32_bytes(&b), 1e-3);
        let Outcome::Different(difference) = outcome else {
            panic!("{at}: {outcome:?}")
        };
        assert_eq!(difference.offset, 4 * at as u64);
    }
}
