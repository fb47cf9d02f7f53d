//! Products in one dispatch with what goes before and after them, against f64.

use dacapo::{Graph, MemoryKind};

use super::*;
use crate::gelu_mul;
use crate::testing::{Case, Random, tensor, vulkan};

/// Rows of each output's surroundings, which must stay as they are.
const MARGIN: usize = 4;
const BEFORE: f32 = 7.5;

/// An output in the middle of a larger tensor.
struct Out {
    all: Tensor,
    out: Tensor,
}

impl Out {
    fn new(device: &Device, tokens: usize, rows: usize) -> Out {
        let shape = [tokens + 2 * MARGIN, rows];
        let all = tensor(device, DType::F32, &shape, &vec![BEFORE; shape[0] * rows]);
        let out = all.narrow(0, MARGIN, tokens + MARGIN).unwrap();
        Out { all, out }
    }

    fn read(&self) -> Vec<f32> {
        let all = self.all.view().read::<f32>().unwrap();
        let margin = MARGIN * self.out.cols();
        let (before, rest) = all.split_at(margin);
        let (product, behind) = rest.split_at(rest.len() - margin);
        assert!(before.iter().chain(behind).all(|&v| v == BEFORE));
        product.to_vec()
    }
}

/// Activations of some tokens, and the weight of their norm where they have one.
struct Activations {
    cols: usize,
    x: Vec<f32>,
    norm: Option<(Vec<f32>, f32)>,
    device_x: Tensor,
    device_norm: Option<Tensor>,
}

impl Activations {
    fn new(device: &Device, random: &mut Random, tokens: usize, cols: usize, norm: bool) -> Self {
        let x = random.normal(tokens * cols);
        let norm = norm.then(|| (random.normal(cols), 1e-5));
        Activations::of(device, x, cols, norm)
    }

    fn of(device: &Device, x: Vec<f32>, cols: usize, norm: Option<(Vec<f32>, f32)>) -> Self {
        let device_x = tensor(device, DType::F32, &[x.len() / cols, cols], &x);
        let device_norm =
            (norm.as_ref()).map(|(weight, _)| tensor(device, DType::F32, &[cols], weight));
        Activations {
            cols,
            x,
            norm,
            device_x,
            device_norm,
        }
    }

    fn input(&self) -> Input<'_> {
        let eps = self.norm.as_ref().map_or(0.0, |(_, eps)| *eps);
        let norm = self.device_norm.as_ref();
        Input {
            x: &self.device_x,
            norm: norm.map(|weight| Norm { weight, eps }),
        }
    }

    /// What is multiplied with the weights, one row for each token.
    fn exactly(&self) -> Vec<Vec<f64>> {
        let rows = self.x.chunks(self.cols).map(|row| {
            let row = row.iter().map(|&x| f64::from(x));
            let Some((weight, eps)) = &self.norm else {
                return row.collect();
            };
            let mean = row.clone().map(|x| x * x).sum::<f64>() / self.cols as f64;
            let scale = 1.0 / (mean + f64::from(*eps)).sqrt();
            row.zip(weight)
                .map(|(x, &w)| x * scale * f64::from(w))
                .collect()
        });
        rows.collect()
    }
}

/// Each product, and how far a sum in f32 may be from it.
fn products(case: &Case, x: &Activations) -> Vec<(f64, f64)> {
    let rows: Vec<Vec<f32>> = (0..case.matrix().rows()).map(|row| case.row(row)).collect();
    let mut products = Vec::new();
    for x in x.exactly() {
        products.extend(rows.iter().map(|row| case.single_dot(row, &x)));
    }
    products
}

#[track_caller]
fn check(what: &str, found: &[f32], wanted: impl IntoIterator<Item = (f64, f64)>) {
    let wanted: Vec<_> = wanted.into_iter().collect();
    assert_eq!(found.len(), wanted.len());
    for (at, (&found, (want, bound))) in found.iter().zip(wanted).enumerate() {
        let error = (f64::from(found) - want).abs();
        assert!(
            error <= bound,
            "{what}, element {at}: {found}, not {want} within {bound}"
        );
    }
}

fn run(device: &Device, encode: impl FnOnce(&mut CommandEncoder) -> Result<()>) -> Result<()> {
    let mut encoder = device.encoder("fused")?;
    encode(&mut encoder)?;
    Ok(encoder.commit()?.wait()?)
}

/// Widths around units and subgroups that matrices of a type can have.
fn widths(dtype: DType) -> &'static [usize] {
    match dtype.block_len() {
        1 => &[1, 63, 200, 577, 1024],
        32 => &[32, 96, 1568],
        _ => &[256, 768],
    }
}

/// Ways to cut the work beside the one that is chosen: two that nobody would choose, and some that tuning may try.
fn shapes(random: &mut Random) -> Vec<Shape> {
    let mut power = |most: usize| 1 << random.below(most.ilog2() as usize + 1);
    let mut cuts = vec![(2, 4, 2, 2), (3, 8, 1, 8)];
    for _ in 0..2 {
        let rows = power(4);
        let subgroups = power(16);
        cuts.push((
            rows,
            subgroups,
            power(4 / rows as usize),
            power(subgroups as usize),
        ));
    }
    let shapes = cuts
        .into_iter()
        .map(|(rows, subgroups, unroll, split)| Shape {
            rows,
            subgroups,
            unroll,
            split,
            tokens: 2,
        });
    shapes.collect()
}

/// Every type with each shape and width, numbers of tokens in turns; `test` gets a number that goes up.
fn every_form(linear: &Linear, mut test: impl FnMut(&mut Random, DType, usize, usize, usize)) {
    let (mut random, mut cuts) = (Random::new(71), Random::new(72));
    let mut number = 0;
    for dtype in DType::WEIGHTS {
        for &cols in widths(dtype) {
            test(
                &mut random,
                dtype,
                cols,
                [1, 3, 8, 2, 5][number % 5],
                number,
            );
            number += 1;
        }
        for shape in shapes(&mut cuts) {
            linear.force_shape(Some(shape));
            let cols = if dtype.block_len() == 1 { 1030 } else { 1024 };
            test(&mut random, dtype, cols, number % 2 + 1, number);
            number += 1;
        }
        linear.force_shape(None);
    }
}

#[test]
fn several_products_at_once() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    every_form(&linear, |random, dtype, cols, tokens, number| {
        let x = Activations::new(&device, random, tokens, cols, number % 2 == 0);
        let rows = [[67, 7, 130], [1, 33, 2], [40, 1, 1]][number % 3];
        let cases = rows.map(|rows| Case::new(random, dtype, rows, cols));
        let weights =
            [0, 1, 2].map(|at| linear.weights(&device, "w", &cases[at].matrix()).unwrap());
        let biases = rows.map(|rows| random.normal(rows));
        let bias = [0, 1, 2].map(|at| tensor(&device, DType::F32, &[rows[at]], &biases[at]));
        let outs = rows.map(|rows| Out::new(&device, tokens, rows));
        let count = [3, 2, 3, 1][number % 4];
        let all = [0, 1, 2].map(|at| Product {
            w: &weights[at],
            epilogue: match (number + at) % 4 {
                0 | 3 => Epilogue::None,
                1 => Epilogue::Bias(&bias[at]),
                _ => Epilogue::Accumulate,
            },
            out: &outs[at].out,
        });
        run(&device, |e| {
            linear.encode_together(e, &all[..count], x.input())
        })
        .unwrap();
        for at in 0..count {
            let wanted = products(&cases[at], &x).into_iter().enumerate();
            let wanted = wanted.map(|(i, (want, bound))| {
                let added = match all[at].epilogue {
                    Epilogue::None => 0.0,
                    Epilogue::Bias(_) => f64::from(biases[at][i % rows[at]]),
                    Epilogue::Accumulate => f64::from(BEFORE),
                };
                (want + added, bound + (want + added).abs() * 2f64.powi(-22))
            });
            let what = format!(
                "{dtype} {} x {cols}, {tokens} tokens, {:?}",
                rows[at], all[at].epilogue
            );
            check(&what, &outs[at].read(), wanted);
        }
        for out in &outs[count..] {
            assert!(out.read().iter().all(|&v| v == BEFORE));
        }
    });
}

fn exactly(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu(gelu_mul::Form::Tanh) => {
            let inner = (2.0 / core::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::Gelu(gelu_mul::Form::Erf) => 0.5 * x * erfc(-x / 2f64.sqrt()),
    }
}

/// erfc through the integral of its definition, by Simpson's rule.
fn erfc(x: f64) -> f64 {
    let steps = 20_000;
    let h = x / f64::from(steps);
    let f = |i: i32| (-(h * f64::from(i)).powi(2)).exp();
    let inner: f64 = (1..steps).map(|i| f64::from(2 + 2 * (i % 2)) * f(i)).sum();
    1.0 - 2.0 / core::f64::consts::PI.sqrt() * (f(0) + inner + f(steps)) * h / 3.0
}

#[test]
fn gated_units() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    let activations = [
        Activation::Silu,
        Activation::Gelu(gelu_mul::Form::Tanh),
        Activation::Gelu(gelu_mul::Form::Erf),
    ];
    every_form(&linear, |random, dtype, cols, tokens, number| {
        let x = Activations::new(&device, random, tokens, cols, number % 2 == 1);
        let rows = [67, 1, 30, 129][number % 4];
        let activation = activations[number % 3];
        let cases = [(); 2].map(|()| Case::new(random, dtype, rows, cols));
        let [gate, up] =
            [0, 1].map(|at| linear.weights(&device, "w", &cases[at].matrix()).unwrap());
        let out = Out::new(&device, tokens, rows);
        run(&device, |e| {
            linear.encode_gated(e, [&gate, &up], activation, x.input(), &out.out)
        })
        .unwrap();
        let pairs = products(&cases[0], &x)
            .into_iter()
            .zip(products(&cases[1], &x));
        let wanted = pairs.map(|((gate, gate_bound), (up, up_bound))| {
            let active = exactly(activation, gate);
            // No activation is steeper than 1.13.
            let active_bound = 1.13 * gate_bound + active.abs() * 2f64.powi(-20) + 1e-7;
            (
                active * up,
                active_bound * (up.abs() + up_bound) + active.abs() * up_bound,
            )
        });
        let what = format!("{dtype} {rows} x {cols}, {tokens} tokens, {activation:?}");
        check(&what, &out.read(), wanted);
    });
}

#[test]
fn the_greatest_of_a_product() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    every_form(&linear, |random, dtype, cols, tokens, number| {
        let x = Activations::new(&device, random, tokens, cols, number % 2 == 0);
        let rows = [67, 1, 700, 129][number % 4];
        let case = Case::new(random, dtype, rows, cols);
        let w = linear.weights(&device, "w", &case.matrix()).unwrap();
        let ids = tensor(&device, DType::U32, &[tokens], &vec![77u32; tokens]);
        run(&device, |e| linear.encode_argmax(e, &w, x.input(), &ids)).unwrap();
        let products = products(&case, &x);
        for (token, id) in ids.view().read::<u32>().unwrap().into_iter().enumerate() {
            let row = &products[token * rows..][..rows];
            let (found, bound) = row[id as usize];
            for (other, other_bound) in row {
                assert!(
                    found + bound >= other - other_bound,
                    "{dtype} {rows} x {cols}: {id}"
                );
            }
        }
    });
}

/// Integers, of which every sum is exact: so is the choice, also among equals.
#[test]
fn the_first_of_equals_on_every_run() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    let mut random = Random::new(72);
    let plain = |row: &[f32]| {
        let better = |best: usize, i: usize| row[i] > row[best] || row[best].is_nan();
        (0..row.len()).fold(0, |best, i| if better(best, i) { i } else { best }) as u32
    };
    // The last has more workgroups than may run.
    for (rows, cols, tokens) in [(1, 8, 1), (5000, 24, 3), (999, 40, 8), (70_001, 8, 2)] {
        let weights: Vec<f32> = (0..rows * cols)
            .map(|_| (random.bits() % 4) as f32 - 1.0)
            .collect();
        let bytes = bytemuck::cast_slice(&weights);
        let matrix = WeightMatrix::new(DType::F32, rows, cols, bytes).unwrap();
        let w = linear.weights(&device, "w", &matrix).unwrap();
        let x: Vec<f32> = (0..tokens * cols)
            .map(|_| (random.bits() % 3) as f32 - 1.0)
            .collect();
        let wanted: Vec<u32> = x
            .chunks(cols)
            .map(|x| {
                let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| w * x).sum();
                plain(&weights.chunks(cols).map(dot).collect::<Vec<f32>>())
            })
            .collect();
        let x = tensor(&device, DType::F32, &[tokens, cols], &x);
        let ids = [(); 3].map(|()| tensor(&device, DType::U32, &[tokens], &vec![77u32; tokens]));
        let graph = Graph::capture(&device, |encoder| -> Result<()> {
            ids.iter()
                .try_for_each(|ids| linear.encode_argmax(encoder, &w, &x, ids))
        })
        .unwrap();
        for _ in 0..3 {
            for ids in &ids {
                ids.view().write(&vec![77u32; tokens]).unwrap();
            }
            graph.replay("again").unwrap().wait().unwrap();
            for ids in &ids {
                assert_eq!(ids.view().read::<u32>().unwrap(), wanted, "{rows} x {cols}");
            }
        }
    }
}

#[test]
fn the_greatest_passes_over_nan() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let values: [(&[f32], u32); 7] = [
        (&[nan, 1.0, nan, 3.0, 3.0], 3),
        (&[nan, nan, nan], u32::MAX),
        (&[-inf, -inf, nan], 0),
        (&[-inf, nan, -1e30, -1e30], 2),
        (&[-0.0, 0.0], 0),
        (&[2.0, inf, inf], 1),
        (&[-3.0, -2.0, -2.5], 1),
    ];
    for (column, id) in values {
        // One column of these weights, times 1.
        let rows: Vec<f32> = column.iter().flat_map(|&w| [w, 0.0, 0.0, 0.0]).collect();
        let bytes = bytemuck::cast_slice(&rows);
        let matrix = WeightMatrix::new(DType::F32, column.len(), 4, bytes).unwrap();
        let w = linear.weights(&device, "w", &matrix).unwrap();
        let x = tensor(&device, DType::F32, &[1, 4], &[1.0f32, 0.0, 0.0, 0.0]);
        let ids = tensor(&device, DType::U32, &[1], &[77u32]);
        run(&device, |e| linear.encode_argmax(e, &w, &x, &ids)).unwrap();
        assert_eq!(ids.view().read::<u32>().unwrap(), [id], "{column:?}");
    }
}

/// Rows whose norms lie at the ends of what is promised.
#[test]
fn norms_of_large_and_small_rows() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    let mut random = Random::new(73);
    let (rows, cols) = (9, 512);
    let case = Case::new(&mut random, DType::F16, rows, cols);
    let w = linear.weights(&device, "w", &case.matrix()).unwrap();
    for (size, eps) in [
        (1e17, 1e-5),
        (1e-13, 0.0),
        (1e-14, 1e-5),
        (0.0, 1e-5),
        (1e-30, 1e-5),
    ] {
        let x = random.normal(cols).into_iter().map(|x| x * size).collect();
        let x = Activations::of(&device, x, cols, Some((random.normal(cols), eps)));
        let out = Out::new(&device, 1, rows);
        let product = Product {
            w: &w,
            epilogue: Epilogue::None,
            out: &out.out,
        };
        run(&device, |e| {
            linear.encode_together(e, &[product], x.input())
        })
        .unwrap();
        let wanted = products(&case, &x).into_iter();
        let wanted =
            wanted.map(|(want, bound)| (want, bound + want.abs() * 2f64.powi(-22) + 1e-36));
        check(&format!("size {size}"), &out.read(), wanted);
    }
}

/// Of both kinds of products, whatever the number of tokens.
#[test]
fn products_are_added_to_what_is_there() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    let mut random = Random::new(74);
    for dtype in DType::WEIGHTS {
        for (tokens, rows, cols) in [(1, 67, 512), (5, 33, 768), (9, 70, 256), (70, 65, 512)] {
            let case = Case::new(&mut random, dtype, rows, cols);
            let w = linear.weights(&device, "w", &case.matrix()).unwrap();
            let x = Activations::new(&device, &mut random, tokens, cols, false);
            let out = Out::new(&device, tokens, rows);
            let scratch = device.buffer(1, MemoryKind::DeviceLocal).unwrap();
            for _ in 0..2 {
                run(&device, |e| {
                    linear.encode(e, &w, &x.device_x, Epilogue::Accumulate, &scratch, &out.out)
                })
                .unwrap();
            }
            let halves = tokens > 8
                && device
                    .gpu()
                    .is_some_and(|gpu| gpu.cooperative_matrix.is_some());
            let wanted = products(&case, &x).into_iter().map(|(want, bound)| {
                let bound = if halves { bound * 2f64.powi(13) } else { bound };
                let sum = 2.0 * want + f64::from(BEFORE);
                (sum, 2.0 * bound + (sum.abs() + want.abs()) * 2f64.powi(-22))
            });
            check(&format!("{dtype}, {tokens} tokens"), &out.read(), wanted);
        }
    }
}

#[test]
fn what_takes_more_than_one_dispatch_is_refused() {
    let Some(device) = vulkan() else { return };
    let linear = Linear::new(&device).unwrap();
    let mut random = Random::new(75);
    let mut weights = |dtype, rows| {
        let case = Case::new(&mut random, dtype, rows, 256);
        linear.weights(&device, "w", &case.matrix()).unwrap()
    };
    let zeros = |shape: &[usize]| Tensor::zeros(&device, "", DType::F32, shape).unwrap();
    let (a, b, c) = (
        weights(DType::Q4K, 8),
        weights(DType::Q6K, 8),
        weights(DType::Q4K, 9),
    );
    let (x, many) = (zeros(&[2, 256]), zeros(&[9, 256]));
    let outs = [(); 4].map(|()| zeros(&[2, 8]));
    let product = |w, at: usize| Product {
        w,
        epilogue: Epilogue::None,
        out: &outs[at],
    };
    let refused = |result: Result<()>, message: &str| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(
            matches!(error, Error::Unfused { .. }),
            error.to_string().contains("not in one dispatch")
        );
    };
    let mut encoder = device.encoder("").unwrap();
    let e = &mut encoder;
    refused(
        linear.encode_together(e, &[product(&a, 0), product(&b, 1)], &x),
        "linear: not in one dispatch: the weights of one dispatch are of one type, not Q4_K and Q6_K",
    );
    let four = [0, 1, 2, 3].map(|at| product(&a, at));
    refused(
        linear.encode_together(e, &four, &x),
        "1 to 3 products, not 4",
    );
    refused(linear.encode_together(e, &[], &x), "1 to 3 products, not 0");
    let nine = zeros(&[9, 8]);
    let one = Product {
        out: &nine,
        ..product(&a, 0)
    };
    refused(
        linear.encode_together(e, &[one], &many),
        "at most 8 tokens, not 9",
    );
    let ids = Tensor::zeros(&device, "", DType::U32, &[9]).unwrap();
    refused(
        linear.encode_argmax(e, &a, &many, &ids),
        "at most 8 tokens, not 9",
    );
    refused(
        linear.encode_argmax(e, &a, &x, &ids),
        "ids is U32 [9]; it must be U32 [2]",
    );
    refused(
        linear.encode_gated(e, [&a, &c], Activation::Silu, &x, &outs[0]),
        "out is F32 [2, 8]; it must be F32 [2, 9]",
    );
    refused(
        linear.encode_gated(e, [&a, &b], Activation::Silu, &x, &outs[0]),
        "of one type",
    );
    let norm = |weight, eps| Input {
        x: &x,
        norm: Some(Norm { weight, eps }),
    };
    let (short, whole) = (zeros(&[255]), zeros(&[256]));
    refused(
        linear.encode_together(e, &[product(&a, 0)], norm(&short, 0.0)),
        "the norm's weight is F32 [255]; it must be F32 [256]",
    );
    refused(
        linear.encode_together(e, &[product(&a, 0)], norm(&whole, -1.0)),
        "eps is -1",
    );
    // Two outputs in the same place.
    refused(
        linear.encode_together(e, &[product(&a, 0), product(&a, 0)], &x),
        "overlap",
    );
    encoder.commit().unwrap().wait().unwrap();
}
