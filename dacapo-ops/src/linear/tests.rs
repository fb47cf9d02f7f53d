//! Through a device, against sums in f64.

use dacapo::{Graph, MemoryKind};

use super::*;
use crate::testing::{Case, Random, devices, tensor};

/// The weights as the device takes them, on the processor at an odd place.
fn weights(device: &Device, linear: &Linear, case: &Case) -> Tensor {
    let at = if case.matrix().dtype().is_quantized() {
        3
    } else {
        8
    };
    match device.gpu() {
        Some(_) => linear.weights(device, "w", &case.matrix()).unwrap(),
        None => case.tensor(device, at),
    }
}

/// `out` of one product, checked to be the only thing that changed.
pub(super) fn run(
    device: &Device,
    linear: &Linear,
    case: &Case,
    x: &[f32],
    tokens: usize,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let (rows, cols) = (case.matrix().rows(), case.matrix().cols());
    let w = weights(device, linear, case);
    let x = tensor(device, DType::F32, &[tokens, cols], x);
    // Rows before and behind; on a GPU four, so that the first of the product is aligned.
    let margin = if device.gpu().is_some() { 4 } else { 1 };
    let all = tensor(
        device,
        DType::F32,
        &[tokens + 2 * margin, rows],
        &vec![7.5f32; (tokens + 2 * margin) * rows],
    );
    let out = all.narrow(0, margin, tokens + margin).unwrap();
    let bias = bias.map(|b| tensor(device, DType::F32, &[rows], b));
    let epilogue = bias.as_ref().map_or(Epilogue::None, Epilogue::Bias);
    let len = Linear::scratch_bytes(tokens, cols);
    let scratch = device.buffer(len, MemoryKind::DeviceLocal).unwrap();
    let mut encoder = device.encoder("linear").unwrap();
    linear
        .encode(&mut encoder, &w, &x, epilogue, &scratch, &out)
        .unwrap();
    encoder.commit().unwrap().wait().unwrap();
    let all = all.view().read::<f32>().unwrap();
    let (before, rest) = all.split_at(margin * rows);
    let (product, behind) = rest.split_at(tokens * rows);
    assert!(before.iter().chain(behind).all(|&v| v == 7.5));
    product.to_vec()
}

/// Whether the device multiplies so many tokens in f16.
pub(super) fn in_halves(device: &Device, tokens: usize) -> bool {
    tokens > 8
        && device
            .gpu()
            .is_some_and(|gpu| gpu.cooperative_matrix.is_some())
}

/// As [`check`] where both factors are rounded to f16: by 2^-11 of each term, or 2^-25 of one that is very small.
pub(super) fn check_halves(case: &Case, x: &[f32], bias: Option<&[f32]>, y: &[f32]) {
    let (rows, cols) = (case.matrix().rows(), case.matrix().cols());
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(rows)) {
        for (row, &y) in y.iter().enumerate() {
            let (want, magnitude) = case.dot(row, x);
            let small: f64 = case
                .row(row)
                .iter()
                .zip(x)
                .map(|(w, x)| f64::from(w.abs() + x.abs()))
                .sum();
            let want = want + bias.map_or(0.0, |b| f64::from(b[row]));
            let roundings = 2f64.powi(-10) * 1.01 + (cols + 4) as f64 * 2f64.powi(-23);
            let bound =
                magnitude * roundings + small * 2f64.powi(-24) + want.abs() * 2f64.powi(-22);
            assert!(
                (f64::from(y) - want).abs() <= bound,
                "{} {rows} x {cols} in f16, row {row}: {y}, not {want} within {bound}",
                case.matrix().dtype()
            );
        }
    }
}

pub(super) fn check(case: &Case, x: &[f32], bias: Option<&[f32]>, integer: bool, y: &[f32]) {
    let (rows, cols) = (case.matrix().rows(), case.matrix().cols());
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(rows)) {
        for (row, &y) in y.iter().enumerate() {
            let (want, bound) = if integer {
                case.rounded_dot(row, x)
            } else {
                let (want, magnitude) = case.dot(row, x);
                (want, magnitude * (cols + 4) as f64 * 2f64.powi(-24))
            };
            let want = want + bias.map_or(0.0, |b| f64::from(b[row]));
            let bound = bound + want.abs() * 2f64.powi(-22);
            assert!(
                (f64::from(y) - want).abs() <= bound,
                "{} {rows} x {cols}, row {row}: {y}, not {want} within {bound}",
                case.matrix().dtype()
            );
        }
    }
}

#[test]
fn every_type_on_any_number_of_threads() {
    let mut random = Random::new(31);
    for dtype in DType::WEIGHTS {
        let cols = if dtype.block_len() == 256 { 512 } else { 288 };
        for (tokens, rows) in [(1, 517), (3, 33), (4, 9), (65, 70)] {
            let case = Case::new(&mut random, dtype, rows, cols);
            let x = random.normal(tokens * cols);
            let bias = random.normal(rows);
            let bias = (tokens % 2 == 1).then_some(&bias[..]);
            for isa in Isa::available() {
                let mut first: Option<Vec<f32>> = None;
                for device in devices() {
                    if device.gpu().is_some() && isa != Isa::detect() {
                        continue;
                    }
                    let linear = Linear::with(&device, isa).unwrap();
                    let y = run(&device, &linear, &case, &x, tokens, bias);
                    match in_halves(&device, tokens) {
                        true => check_halves(&case, &x, bias, &y),
                        false => check(&case, &x, bias, dtype.is_quantized(), &y),
                    }
                    if device.gpu().is_some() {
                        continue;
                    }
                    let first = first.get_or_insert_with(|| y.clone());
                    assert_eq!(
                        bytemuck::cast_slice::<_, u32>(first),
                        bytemuck::cast_slice::<_, u32>(&y)
                    );
                }
            }
        }
    }
}

/// One row more than the last of several full workgroups, and wider than any vector of a model.
#[test]
fn long_rows_and_many_groups() {
    let mut random = Random::new(32);
    let device = devices().last().unwrap();
    for (rows, cols, tokens) in [(2049, 32, 1), (3, 50_176, 1), (2, 50_176, 5)] {
        let case = Case::new(&mut random, DType::Q8_0, rows, cols);
        let x = random.normal(tokens * cols);
        let linear = Linear::new(&device).unwrap();
        check(
            &case,
            &x,
            None,
            true,
            &run(&device, &linear, &case, &x, tokens, None),
        );
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let device = devices().next().unwrap();
    let linear = Linear::new(&device).unwrap();
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(&device, "", dtype, shape).unwrap();
    let w = zeros(DType::Q4_1, &[8, 64]);
    let scratch = device
        .buffer(Linear::scratch_bytes(4, 64), MemoryKind::DeviceLocal)
        .unwrap();
    let (x, out) = (zeros(DType::F32, &[4, 64]), zeros(DType::F32, &[4, 8]));
    let bias = zeros(DType::F32, &[8]);
    let mut encoder = device.encoder("").unwrap();
    let mut refused = |w: &Tensor, x: &Tensor, bias: &Tensor, out: &Tensor| {
        let epilogue = Epilogue::Bias(bias);
        let error = linear.encode(&mut encoder, w, x, epilogue, &scratch, out);
        error.unwrap_err().to_string()
    };
    let wrong = zeros(DType::F32, &[4, 32]);
    assert_eq!(
        refused(&w, &wrong, &bias, &out),
        "linear: x is F32 [4, 32]; it must be F32 [4, 64]"
    );
    assert!(refused(&zeros(DType::U32, &[8, 64]), &x, &bias, &out).contains("w is U32 [8, 64]"));
    assert!(refused(&zeros(DType::F32, &[8, 8, 8]), &x, &bias, &out).contains("w is"));
    assert!(refused(&w, &zeros(DType::F16, &[4, 64]), &bias, &out).contains("x is F16"));
    assert!(refused(&w, &x, &bias, &zeros(DType::F32, &[4, 9])).contains("out is"));
    assert!(refused(&w, &x, &zeros(DType::F32, &[9]), &out).contains("bias is"));
    assert!(refused(&w, &x, &bias, &zeros(DType::F32, &[5, 8])).contains("out is"));
    let gaps = zeros(DType::F32, &[4, 128]).narrow(1, 0, 64).unwrap();
    assert!(refused(&w, &gaps, &bias, &out).contains("with gaps"));
    let short = scratch.slice(4..).unwrap();
    let error = linear.encode(&mut encoder, &w, &x, Epilogue::None, &short, &out);
    if Isa::detect().level() == crate::simd::Level::Avx512 {
        assert!(error.unwrap_err().to_string().contains("scratch"));
    }
    encoder.commit().unwrap().wait().unwrap();
}

#[test]
fn products_of_the_same_activations_share_their_quantisation() {
    let mut random = Random::new(33);
    let device = devices().last().unwrap();
    let linear = Linear::new(&device).unwrap();
    let cols = 256;
    for tokens in [1, 5] {
        let x = random.normal(tokens * cols);
        let types = [DType::Q4_1, DType::F32, DType::Q8_0, DType::Q6K];
        let cases = types.map(|dtype| Case::new(&mut random, dtype, 40, cols));
        let weights = [0, 1, 2, 3].map(|at| weights(&device, &linear, &cases[at]));
        let out =
            [(); 4].map(|()| tensor(&device, DType::F32, &[tokens, 40], &vec![0f32; tokens * 40]));
        let products = [0, 1, 2, 3].map(|at| Product {
            w: &weights[at],
            epilogue: Epilogue::None,
            out: &out[at],
        });
        let activations = tensor(&device, DType::F32, &[tokens, cols], &x);
        let len = Linear::scratch_bytes(tokens, cols);
        let scratch = device.buffer(len, MemoryKind::DeviceLocal).unwrap();
        let mut encoder = device.encoder("each").unwrap();
        linear
            .encode_each(&mut encoder, &products, &activations, &scratch)
            .unwrap();
        // At most one between quantising and multiplying; none between the products.
        assert!(encoder.barriers().len() <= 1, "{:?}", encoder.barriers());
        encoder.commit().unwrap().wait().unwrap();
        for (case, out) in cases.iter().zip(&out) {
            let integer = case.matrix().dtype().is_quantized();
            check(case, &x, None, integer, &out.view().read::<f32>().unwrap());
        }
    }
}

/// Every type over sizes around those of subgroups, units and tiles, on a GPU: with each of the shapes for few tokens.
#[test]
fn gpu_products_of_every_shape() {
    let Some(device) = crate::testing::vulkan() else {
        return;
    };
    let linear = Linear::new(&device).unwrap();
    let mut random = Random::new(34);
    for dtype in DType::WEIGHTS {
        let widths: &[usize] = match dtype.block_len() {
            1 => &[1, 3, 8, 63, 200, 577, 1024],
            32 => &[32, 96, 256, 1568],
            _ => &[256, 768],
        };
        for (i, &cols) in widths.iter().enumerate() {
            for (j, tokens) in [1, 3, 8, 9, 70].into_iter().enumerate() {
                let rows = [1, 7, 67, 130][(i + j) % 4];
                let case = Case::new(&mut random, dtype, rows, cols);
                let x = random.normal(tokens * cols);
                let bias = random.normal(rows);
                let bias = (i + j).is_multiple_of(2).then_some(&bias[..]);
                let y = run(&device, &linear, &case, &x, tokens, bias);
                match in_halves(&device, tokens) {
                    true => check_halves(&case, &x, bias, &y),
                    false => check(&case, &x, bias, dtype.is_quantized(), &y),
                }
            }
        }
        let cols = 1024;
        let case = Case::new(&mut random, dtype, 37, cols);
        for (rows, subgroups, unroll, split, tokens) in [(2, 4, 2, 2, 1), (3, 8, 1, 8, 2)] {
            let x = random.normal(tokens * cols);
            linear.force_shape(Some(Shape {
                rows,
                subgroups,
                unroll,
                split,
                tokens: tokens as u32,
            }));
            let y = run(&device, &linear, &case, &x, tokens, None);
            check(&case, &x, None, dtype.is_quantized(), &y);
        }
        linear.force_shape(None);
    }
}

/// A matrix longer than the longest binding is multiplied in parts.
#[test]
fn a_matrix_beyond_the_longest_binding() {
    let Some(device) = crate::testing::vulkan() else {
        return;
    };
    let cols = 4096;
    let limit = device.limits().max_binding_bytes;
    if limit > 256 << 20 {
        // Such a matrix would take minutes; Mesa's device, which CI has, binds 128 MiB.
        return;
    }
    let rows = limit as usize / (4 * cols) + 300;
    let value = |row: usize, col: usize| ((row * 7 + col * 3) % 11) as f32 - 5.0;
    let bytes: Vec<f32> = (0..rows * cols)
        .map(|at| value(at / cols, at % cols))
        .collect();
    let linear = Linear::new(&device).unwrap();
    let matrix = WeightMatrix::new(DType::F32, rows, cols, bytemuck::cast_slice(&bytes)).unwrap();
    let w = linear.weights(&device, "large", &matrix).unwrap();
    let bias: Vec<f32> = (0..rows).map(|row| (row % 13) as f32).collect();
    let bias = tensor(&device, DType::F32, &[rows], &bias);
    let scratch = device.buffer(256, MemoryKind::DeviceLocal).unwrap();
    for tokens in [1, 2, 9] {
        let values: Vec<f32> = (0..tokens * cols).map(|at| (at % 5) as f32 - 2.0).collect();
        let x = tensor(&device, DType::F32, &[tokens, cols], &values);
        let out = Tensor::zeros(&device, "out", DType::F32, &[tokens, rows]).unwrap();
        let mut encoder = device.encoder("large").unwrap();
        for epilogue in [Epilogue::Bias(&bias), Epilogue::Accumulate] {
            linear
                .encode(&mut encoder, &w, &x, epilogue, &scratch, &out)
                .unwrap();
        }
        let whole = Product {
            w: &w,
            epilogue: Epilogue::None,
            out: &out,
        };
        let error = linear.encode_together(&mut encoder, &[whole], &x);
        let parts = "is multiplied in parts: the device binds";
        assert!(tokens > 8 || error.unwrap_err().to_string().contains(parts));
        encoder.commit().unwrap().wait().unwrap();
        let found = out.view().read::<f32>().unwrap();
        for (token, x) in values.chunks(cols).enumerate() {
            for row in [0, 1, 255, 256, rows / 2, rows - 301, rows - 300, rows - 1] {
                let exact: f64 = x
                    .iter()
                    .enumerate()
                    .map(|(col, x)| f64::from(value(row, col)) * f64::from(*x))
                    .sum();
                let exact = 2.0 * exact + (row % 13) as f64;
                assert_eq!(f64::from(found[token * rows + row]), exact, "row {row}");
            }
        }
    }
    let plain = Tensor::zeros(&device, "out", DType::F32, &[2, rows]).unwrap();
    let x = Tensor::zeros(&device, "x", DType::F32, &[2, cols]).unwrap();
    let graph = Graph::capture(&device, |encoder| {
        linear.encode(encoder, &w, &x, Epilogue::None, &scratch, &plain)
    })
    .unwrap();
    let whole = |node: &dacapo::Node| node.kernel().interface().overwrites(3);
    assert!(graph.nodes().len() > 1 && !graph.nodes().iter().any(whole));
}
