//! Every format against values computed by the PyPI package `gguf` (scripts/fixtures/quant_blocks.py).

use half::f16;

use super::*;

/// Blocks and their values.
fn fixture(name: &str) -> (Vec<u8>, Vec<f32>) {
    let data: &[u8] = match name {
        "Q8_0" => include_bytes!("fixtures/q8_0.bin"),
        "Q4_0" => include_bytes!("fixtures/q4_0.bin"),
        "Q4_1" => include_bytes!("fixtures/q4_1.bin"),
        "Q4_K" => include_bytes!("fixtures/q4_k.bin"),
        "Q6_K" => include_bytes!("fixtures/q6_k.bin"),
        "Q5_0" => include_bytes!("fixtures/q5_0.bin"),
        "Q5_1" => include_bytes!("fixtures/q5_1.bin"),
        "Q2_K" => include_bytes!("fixtures/q2_k.bin"),
        "Q3_K" => include_bytes!("fixtures/q3_k.bin"),
        "Q5_K" => include_bytes!("fixtures/q5_k.bin"),
        "IQ4_NL" => include_bytes!("fixtures/iq4_nl.bin"),
        "IQ4_XS" => include_bytes!("fixtures/iq4_xs.bin"),
        _ => panic!("no fixture for {name}"),
    };
    let (count, rest) = data.split_first_chunk::<4>().unwrap();
    let count = u32::from_le_bytes(*count) as usize;
    let (block_len, block_bytes) = DType::WEIGHTS
        .iter()
        .map(|t| (t.name(), t.block_len(), t.block_bytes()))
        .chain(
            LoadOnly::ALL
                .iter()
                .map(|t| (t.name(), t.block_len(), t.block_bytes())),
        )
        .find_map(|(n, len, bytes)| (n == name).then_some((len, bytes)))
        .unwrap();
    let (blocks, values) = rest.split_at(count * block_bytes);
    let values: Vec<f32> = values
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    assert_eq!(values.len(), count * block_len);
    (blocks.to_vec(), values)
}

/// Equal bit for bit, except that any NaN equals any other.
fn assert_same(name: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(
            g.to_bits() == w.to_bits() || (g.is_nan() && w.is_nan()),
            "{name} element {i}: {g:e}, gguf says {w:e}"
        );
    }
}

#[test]
fn weights_agree_with_gguf_at_every_level() {
    for dtype in DType::WEIGHTS.into_iter().filter(|t| t.is_quantized()) {
        let (blocks, want) = fixture(dtype.name());
        for isa in Isa::available() {
            let mut got = vec![0.0; want.len()];
            dequantize(isa, dtype, &blocks, &mut got).unwrap();
            assert_same(dtype.name(), &got, &want);
        }
    }
}

#[test]
fn load_only_types_agree_with_gguf() {
    for kind in LoadOnly::ALL {
        let (blocks, want) = fixture(kind.name());
        let mut got = vec![0.0; want.len()];
        kind.dequantize(&blocks, &mut got).unwrap();
        assert_same(kind.name(), &got, &want);
        let mut halves = vec![f16::ZERO; want.len()];
        kind.dequantize_to_f16(&blocks, &mut halves).unwrap();
        for (h, w) in halves.iter().zip(&want) {
            let w = f16::from_f32(*w);
            assert!(h.to_bits() == w.to_bits() || (h.is_nan() && w.is_nan()));
        }
        let converted = kind.convert(&blocks, want.len()).unwrap();
        match kind.converts_to() {
            DType::F16 => assert_eq!(converted, bytemuck::cast_slice::<_, u8>(&halves)),
            exact => {
                dequantize(Isa::PORTABLE, exact, &converted, &mut got).unwrap();
                assert_same(kind.name(), &got, &want);
            }
        }
        assert!(kind.convert(&blocks[1..], want.len()).is_err());
    }
}

#[test]
fn every_half_converts() {
    for bits in 0..=u16::MAX {
        let (got, want) = (
            half_to_f32(bits.to_le_bytes()),
            f16::from_bits(bits).to_f32(),
        );
        assert!(got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()));
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let mut out = [0.0; 64];
    let isa = Isa::PORTABLE;
    assert!(dequantize(isa, DType::Q4_1, &[0; 40], &mut out).is_ok());
    let short = dequantize(isa, DType::Q4_1, &[0; 39], &mut out).unwrap_err();
    assert_eq!(
        short.to_string(),
        "weights (bytes) holds 39, but the shapes require 40"
    );
    assert!(dequantize(isa, DType::Q4_1, &[0; 40], &mut out[1..]).is_err());
    assert!(dequantize(isa, DType::U32, &[0; 256], &mut out).is_err());
    assert!(LoadOnly::Q5_0.dequantize(&[0; 43], &mut out).is_err());
    assert!(LoadOnly::Q5_0.dequantize(&[0; 44], &mut out[1..]).is_err());
    assert!(WeightMatrix::new(DType::Q6K, usize::MAX, 256, &[]).is_err());
    assert!(WeightMatrix::new(DType::F32, 2, 2, &[0; 15]).is_err());
    let matrix = WeightMatrix::new(DType::F32, 2, 2, &[0; 16]).unwrap();
    assert!(matrix.row_range(1..3).is_err());
    assert_eq!(matrix.row_range(1..2).unwrap().len(), 8);
}

mod activations {
    use super::*;
    use bytemuck::Zeroable;
    use proptest::prelude::*;

    fn quantized(isa: Isa, x: &[f32]) -> Vec<Q15Group> {
        let mut groups = vec![Q15Group::zeroed(); Q15Group::count(x.len())];
        quantize_row(isa, x, &mut groups).unwrap();
        groups
    }

    fn integers(group: &Q15Group) -> [i32; 256] {
        std::array::from_fn(|i| 128 * i32::from(group.high[i]) + i32::from(group.low[i]))
    }

    proptest! {
        #[test]
        fn error_is_half_a_step(x in prop::collection::vec(-1e30f32..1e30, 1..700)) {
            let groups = quantized(Isa::PORTABLE, &x);
            for (i, &v) in x.iter().enumerate() {
                let group = &groups[i / 256];
                let block: &[f32] = &x[i / 32 * 32..x.len().min(i / 32 * 32 + 32)];
                let largest = block.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
                let scale = f64::from(group.scales[i % 256 / 32]);
                let got = scale * f64::from(integers(group)[i % 256]);
                prop_assert!(group.high[i % 256] >= -127 && group.low[i % 256] <= 127);
                prop_assert!((got - f64::from(v)).abs() <= largest / 32512.0 * 1.01);
            }
            for isa in Isa::available() {
                prop_assert_eq!(&quantized(isa, &x), &groups);
            }
        }
    }

    #[test]
    fn sums_and_padding() {
        let x: Vec<f32> = (0..77).map(|i| (i as f32 * 0.7).sin()).collect();
        for isa in Isa::available() {
            let groups = quantized(isa, &x);
            assert_eq!(groups.len(), 1);
            for (half, &sum) in groups[0].half_sums.iter().enumerate() {
                assert_eq!(
                    sum,
                    integers(&groups[0])[16 * half..][..16].iter().sum::<i32>()
                );
            }
            assert!(integers(&groups[0])[77..].iter().all(|&v| v == 0));
            assert_eq!(groups[0].scales[3..], [0.0; 5]);
        }
    }

    #[test]
    fn extremes() {
        for isa in Isa::available() {
            assert_eq!(quantized(isa, &[0.0; 32])[0], Q15Group::zeroed());
            assert_eq!(quantized(isa, &[1e-40; 32])[0], Q15Group::zeroed());
            let largest = quantized(isa, &[f32::MAX; 32])[0];
            assert_eq!(integers(&largest)[..32], [16256; 32]);
            let least = quantized(isa, &[-f32::MAX; 32])[0];
            assert_eq!(integers(&least)[..32], [-16256; 32]);
            for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
                let group = quantized(isa, &[1.0, bad, 2.0])[0];
                assert!(group.scales[0].is_nan());
                assert_eq!(integers(&group), [0; 256]);
            }
        }
    }
}
