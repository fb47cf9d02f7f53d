//! Through a device, against sums in f64.

use dacapo::MemoryKind;

use super::*;
use crate::testing::{Case, Random, devices, tensor};

/// `out` of one product, checked to be the only thing that changed.
fn run(
    device: &Device,
    linear: &Linear,
    case: &Case,
    x: &[f32],
    tokens: usize,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let (rows, cols) = (case.matrix().rows(), case.matrix().cols());
    let w = case.tensor(
        device,
        if case.matrix().dtype().is_quantized() {
            3
        } else {
            8
        },
    );
    let x = tensor(device, DType::F32, &[tokens, cols], x);
    let all = tensor(
        device,
        DType::F32,
        &[tokens + 2, rows],
        &vec![7.5f32; (tokens + 2) * rows],
    );
    let out = all.narrow(0, 1, tokens + 1).unwrap();
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
    assert!(all[..rows].iter().all(|&v| v == 7.5));
    assert!(all[(tokens + 1) * rows..].iter().all(|&v| v == 7.5));
    all[rows..(tokens + 1) * rows].to_vec()
}

fn check(case: &Case, x: &[f32], bias: Option<&[f32]>, integer: bool, y: &[f32]) {
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
                    let linear = Linear::with(&device, isa).unwrap();
                    let y = run(&device, &linear, &case, &x, tokens, bias);
                    check(&case, &x, bias, dtype.is_quantized(), &y);
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
        let weights = [0, 1, 2, 3].map(|at| cases[at].tensor(&device, 8));
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
