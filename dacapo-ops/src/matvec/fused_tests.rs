//! Products together with what goes before and after them, on the processor: against f64, and bit for bit against the
//! operations apart.

use dacapo::{CommandEncoder, MemoryKind};

use super::*;
use crate::add::Add;
use crate::dtype::DType;
use crate::gelu_mul::{Form, GeluMul};
use crate::linear::Epilogue;
use crate::linear::{Input, Linear, Product};
use crate::reference::noise;
use crate::rms_norm::RmsNorm;
use crate::rms_norm::tests::exactly as normed;
use crate::silu_mul::SiluMul;
use crate::tensor::Tensor;
use crate::testing::{Case, Random, devices, tensor};

const EPS: f32 = 1e-5;

fn processors() -> impl Iterator<Item = Device> {
    devices().filter(|device| device.gpu().is_none())
}

fn run(device: &Device, encode: impl FnOnce(&mut CommandEncoder) -> Result<()>) {
    let mut encoder = device.encoder("fused").unwrap();
    encode(&mut encoder).unwrap();
    encoder.commit().unwrap().wait().unwrap();
}

fn read(tensor: &Tensor) -> Vec<f32> {
    tensor.view().read().unwrap()
}

/// Some tokens' activations and the weight of their norm.
struct Rows {
    cols: usize,
    values: Vec<f32>,
    weight: Vec<f32>,
    x: Tensor,
    norm: Tensor,
}

impl Rows {
    fn new(device: &Device, tokens: usize, cols: usize) -> Rows {
        let (values, weight) = (noise(41, tokens * cols), noise(42, cols));
        Rows {
            x: tensor(device, DType::F32, &[tokens, cols], &values),
            norm: tensor(device, DType::F32, &[cols], &weight),
            cols,
            values,
            weight,
        }
    }

    fn norm(&self, has: bool) -> Option<Norm<'_>> {
        has.then_some(Norm {
            weight: &self.norm,
            eps: EPS,
        })
    }

    /// Each product of `case` with these rows, and how far a result may be from it.
    fn products(&self, case: &Case, is_normed: bool) -> Vec<(f64, f64)> {
        let rows: Vec<f32> = match is_normed {
            true => {
                let exact = normed(&self.values, &self.weight, EPS);
                exact.iter().map(|&x| x as f32).collect()
            }
            false => self.values.clone(),
        };
        let mut products = Vec::new();
        for x in rows.chunks(self.cols) {
            for row in 0..case.matrix().rows() {
                let (_, magnitude) = case.dot(row, x);
                let (want, bound) = match case.matrix().dtype().is_quantized() {
                    true => case.rounded_dot(row, x),
                    false => {
                        let roundings = (self.cols + 4) as f64 * 2f64.powi(-24);
                        (case.dot(row, x).0, magnitude * roundings)
                    }
                };
                // The norm's own error.
                let bound = if is_normed {
                    bound + 6e-7 * magnitude
                } else {
                    bound
                };
                products.push((want, bound));
            }
        }
        products
    }
}

#[track_caller]
fn check(what: &str, found: &[f32], wanted: impl IntoIterator<Item = (f64, f64)>) {
    let wanted: Vec<_> = wanted.into_iter().collect();
    assert_eq!(found.len(), wanted.len());
    for (at, (&found, (want, bound))) in found.iter().zip(wanted).enumerate() {
        let bound = bound + want.abs() * 2f64.powi(-22);
        let error = (f64::from(found) - want).abs();
        assert!(
            error <= bound,
            "{what}, element {at}: {found}, not {want} within {bound}"
        );
    }
}

/// Shapes whose rows are no whole number of workgroups' rows, and where workgroups reach from one matrix into the next.
const SHAPES: [[usize; 3]; 3] = [[576, 192, 192], [5, 2, 1], [130, 1037, 64]];

#[test]
fn several_products_of_normed_activations() {
    let mut random = Random::new(43);
    for dtype in DType::WEIGHTS {
        let cols = if dtype.block_len() == 256 { 512 } else { 288 };
        for (shape, count) in SHAPES
            .into_iter()
            .flat_map(|shape| [(shape, 2), (shape, 3)])
        {
            let cases: Vec<Case> = shape[..count]
                .iter()
                .map(|&rows| Case::new(&mut random, dtype, rows, cols))
                .collect();
            for (tokens, is_normed) in [(1, true), (3, true), (2, false)] {
                let mut first: Option<Vec<Vec<f32>>> = None;
                for device in processors() {
                    let found = together(&device, &cases, tokens, is_normed);
                    let first = first.get_or_insert_with(|| found.clone());
                    assert!(*first == found, "depends on the number of threads");
                }
            }
        }
    }
}

/// A plain product, one with a bias and one that is added, as one dispatch; checked.
fn together(device: &Device, cases: &[Case], tokens: usize, is_normed: bool) -> Vec<Vec<f32>> {
    let cols = cases[0].matrix().cols();
    let linear = Linear::new(device).unwrap();
    let rows = Rows::new(device, tokens, cols);
    let weights: Vec<Tensor> = cases.iter().map(|case| case.tensor(device, 8)).collect();
    let heights = cases.iter().map(|case| case.matrix().rows());
    let before: Vec<Vec<f32>> = heights.map(|height| noise(7, tokens * height)).collect();
    let outs = || -> Vec<Tensor> {
        let outs = before.iter().zip(cases);
        outs.map(|(values, case)| {
            let shape = [tokens, case.matrix().rows()];
            tensor(device, DType::F32, &shape, values)
        })
        .collect()
    };
    let bias = noise(8, cases[1].matrix().rows());
    let bias_tensor = tensor(device, DType::F32, &[bias.len()], &bias);
    let epilogues = [
        Epilogue::None,
        Epilogue::Bias(&bias_tensor),
        Epilogue::Accumulate,
    ];
    let (fused, apart) = (outs(), outs());
    run(device, |encoder| {
        let norm = rows.norm(is_normed);
        let input = Input { x: &rows.x, norm };
        let each = products(&weights, epilogues, &fused);
        linear.encode_together(encoder, &each, input)?;
        assert_eq!(encoder.barriers().len(), 0);
        Ok(())
    });
    let found: Vec<Vec<f32>> = fused.iter().map(read).collect();
    for (at, (case, found)) in cases.iter().zip(&found).enumerate() {
        let height = case.matrix().rows();
        let wanted = rows.products(case, is_normed).into_iter().enumerate();
        let wanted = wanted.map(|(i, (want, bound))| match at {
            0 => (want, bound),
            1 => (want + f64::from(bias[i % height]), bound),
            _ => (want + f64::from(before[at][i]), bound),
        });
        check(&format!("{} {at}", case.matrix().dtype()), found, wanted);
    }

    let norm = RmsNorm::new(device).unwrap();
    let x = tensor(
        device,
        DType::F32,
        &[tokens, cols],
        &vec![0f32; tokens * cols],
    );
    let scratch = device.buffer(Linear::scratch_bytes(tokens, cols), MemoryKind::DeviceLocal);
    let scratch = scratch.unwrap();
    run(device, |encoder| {
        match is_normed {
            true => norm.encode(encoder, &rows.x, &rows.norm, EPS, &x)?,
            false => encoder.copy(rows.x.view(), x.view())?,
        }
        linear.encode_each(
            encoder,
            &products(&weights, epilogues, &apart),
            &x,
            &scratch,
        )
    });
    let apart: Vec<Vec<f32>> = apart.iter().map(read).collect();
    assert!(apart == found, "the products apart give other bits");
    found
}

fn products<'a>(
    weights: &'a [Tensor],
    epilogues: [Epilogue<'a>; 3],
    outs: &'a [Tensor],
) -> Vec<Product<'a>> {
    let each = weights.iter().zip(epilogues).zip(outs);
    each.map(|((w, epilogue), out)| Product { w, epilogue, out })
        .collect()
}

#[test]
fn gated_units() {
    let activations = [
        Activation::Silu,
        Activation::Gelu(Form::Tanh),
        Activation::Gelu(Form::Erf),
    ];
    let mut random = Random::new(44);
    for dtype in DType::WEIGHTS {
        let cols = if dtype.block_len() == 256 { 512 } else { 288 };
        for (height, tokens) in [(1037, 1), (6, 3)] {
            let cases = [(); 2].map(|()| Case::new(&mut random, dtype, height, cols));
            for (activation, is_normed) in activations.into_iter().zip([true, false, true]) {
                let mut first: Option<Vec<f32>> = None;
                for device in processors() {
                    let found = gated(&device, &cases, tokens, activation, is_normed);
                    let first = first.get_or_insert_with(|| found.clone());
                    assert!(*first == found, "depends on the number of threads");
                }
            }
        }
    }
}

fn gated(
    device: &Device,
    cases: &[Case; 2],
    tokens: usize,
    activation: Activation,
    is_normed: bool,
) -> Vec<f32> {
    let (height, cols) = (cases[0].matrix().rows(), cases[0].matrix().cols());
    let linear = Linear::new(device).unwrap();
    let rows = Rows::new(device, tokens, cols);
    let [gate, up] = cases.each_ref().map(|case| case.tensor(device, 8));
    let zeros = || {
        tensor(
            device,
            DType::F32,
            &[tokens, height],
            &vec![0f32; tokens * height],
        )
    };
    let (fused, gates, ups, apart) = (zeros(), zeros(), zeros(), zeros());
    run(device, |encoder| {
        let norm = rows.norm(is_normed);
        let input = Input { x: &rows.x, norm };
        linear.encode_gated(encoder, [&gate, &up], activation, input, &fused)
    });
    let found = read(&fused);
    let [gate_products, up_products] = cases.each_ref().map(|case| rows.products(case, is_normed));
    let wanted = gate_products.iter().zip(&up_products).map(|(g, u)| {
        // Slopes of these functions are below 1.13.
        let (gated, gate_bound) = (exactly(activation, g.0), 1.13 * g.1 + 3e-5 * g.0.abs());
        let bound = gate_bound * (u.0.abs() + u.1) + gated.abs() * u.1;
        (gated * u.0, bound)
    });
    check(
        &format!("{} {activation:?}", cases[0].matrix().dtype()),
        &found,
        wanted,
    );

    let norm = RmsNorm::new(device).unwrap();
    let (silu, gelu) = (SiluMul::new(device).unwrap(), GeluMul::new(device).unwrap());
    let x = tensor(
        device,
        DType::F32,
        &[tokens, cols],
        &vec![0f32; tokens * cols],
    );
    let scratch = device.buffer(Linear::scratch_bytes(tokens, cols), MemoryKind::DeviceLocal);
    let scratch = scratch.unwrap();
    run(device, |encoder| {
        match is_normed {
            true => norm.encode(encoder, &rows.x, &rows.norm, EPS, &x)?,
            false => encoder.copy(rows.x.view(), x.view())?,
        }
        for (w, out) in [(&gate, &gates), (&up, &ups)] {
            linear.encode(encoder, w, &x, Epilogue::None, &scratch, out)?;
        }
        match activation {
            Activation::Silu => silu.encode(encoder, &gates, &ups, &apart),
            Activation::Gelu(form) => gelu.encode(encoder, form, &gates, &ups, &apart),
        }
    });
    assert!(
        read(&apart) == found,
        "the operations apart give other bits"
    );
    found
}

fn exactly(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu(Form::Tanh) => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            x / 2.0 * (1.0 + inner.tanh())
        }
        Activation::Gelu(Form::Erf) => x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
    }
}

/// By its Taylor series, which loses too much beyond arguments where 1 is within 2e-10.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.5 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn sums_are_added_to_what_is_there() {
    let mut random = Random::new(45);
    for dtype in DType::WEIGHTS {
        let cols = if dtype.block_len() == 256 { 512 } else { 288 };
        for (tokens, height) in [(1, 517), (3, 33), (4, 9), (65, 70)] {
            let case = Case::new(&mut random, dtype, height, cols);
            for isa in Isa::available() {
                let mut first: Option<Vec<f32>> = None;
                for device in processors() {
                    let linear = Linear::with(&device, isa).unwrap();
                    let rows = Rows::new(&device, tokens, cols);
                    let before = noise(9, tokens * height);
                    let shape = [tokens, height];
                    let [h, update] =
                        [(); 2].map(|()| tensor(&device, DType::F32, &shape, &before));
                    let w = case.tensor(&device, 8);
                    let len = Linear::scratch_bytes(tokens, cols);
                    let scratch = device.buffer(len, MemoryKind::DeviceLocal).unwrap();
                    run(&device, |e| {
                        let epilogue = Epilogue::Accumulate;
                        linear.encode(e, &w, &rows.x, epilogue, &scratch, &h)
                    });
                    let found = read(&h);
                    let wanted = rows.products(&case, false).into_iter().zip(&before);
                    let wanted = wanted.map(|((want, bound), &h)| (want + f64::from(h), bound));
                    check(&format!("{dtype} {tokens} {height}"), &found, wanted);
                    let add = Add::new(&device).unwrap();
                    h.view().write(&before).unwrap();
                    run(&device, |e| {
                        linear.encode(e, &w, &rows.x, Epilogue::None, &scratch, &update)?;
                        add.encode(e, &h, &update)
                    });
                    assert!(read(&h) == found, "the operations apart give other bits");
                    let first = first.get_or_insert_with(|| found.clone());
                    assert!(*first == found, "depends on the number of threads");
                }
            }
        }
    }
}

#[test]
fn what_takes_more_than_one_dispatch() {
    let device = processors().next().unwrap();
    let linear = Linear::new(&device).unwrap();
    let case = Case::new(&mut Random::new(46), DType::Q4_1, 8, 32);
    let w = case.tensor(&device, 8);
    let rows = Rows::new(&device, 4, 32);
    let out = tensor(&device, DType::F32, &[4, 8], &[0f32; 32]);
    let ids = tensor(&device, DType::U32, &[4], &[0u32; 4]);
    let mut encoder = device.encoder("refused").unwrap();
    let product = Product {
        w: &w,
        epilogue: Epilogue::None,
        out: &out,
    };
    let errors = [
        linear.encode_together(&mut encoder, &[product], &rows.x),
        linear.encode_gated(&mut encoder, [&w, &w], Activation::Silu, &rows.x, &out),
        linear.encode_argmax(&mut encoder, &w, &rows.x, &ids),
    ];
    let [together, gated, argmax] = errors.map(|error| error.unwrap_err().to_string());
    assert!(
        together.contains("fewer than 4 tokens, not 4"),
        "{together}"
    );
    assert!(gated.contains("fewer than 4 tokens, not 4"), "{gated}");
    assert!(argmax.contains("in a second dispatch"), "{argmax}");
}
