use dacapo::{CommandEncoder, Grid, KernelSource, Wgsl};

use super::*;
use crate::add::Add;
use crate::argmax::Argmax;
use crate::fusing::Fusing;
use crate::gelu_mul::{self, GeluMul};
use crate::reference::{Bench, noise};
use crate::rms_norm::RmsNorm;
use crate::silu_mul::SiluMul;
use crate::testing::{Case, Random, vulkan};

const EPS: f32 = 1e-5;

const GATED: &str = "gate and up products, silu_mul";
const THREE: &str = "three products of one input";
const TWO: &str = "two products of one input";
const RESIDUAL: &str = "matvec, residual add";
const BIAS: &str = "matvec, bias";
const ARGMAX: &str = "matvec, argmax";
const NORM_ONE: &str = "rms norm, matvec";
const NORM_EACH: &str = "rms norm, products of one input";
const NORM_GATED: &str = "rms norm, gate and up products";
const NORM_ARGMAX: &str = "rms norm, matvec, argmax";

/// The operations of a decoder's layer, and activations for some tokens.
struct Setup {
    bench: Bench,
    linear: Linear,
    norm: RmsNorm,
    add: Add,
    silu: SiluMul,
    gelu: GeluMul,
    argmax: Argmax,
    scratch: BufferView,
}

impl Setup {
    fn new() -> Option<Setup> {
        let device = vulkan()?;
        Some(Setup {
            linear: Linear::new(&device).unwrap(),
            norm: RmsNorm::new(&device).unwrap(),
            add: Add::new(&device).unwrap(),
            silu: SiluMul::new(&device).unwrap(),
            gelu: GeluMul::new(&device).unwrap(),
            argmax: Argmax::new(&device).unwrap(),
            scratch: (*device.buffer(4, MemoryKind::DeviceLocal).unwrap()).clone(),
            bench: Bench { device },
        })
    }

    fn weights(&self, dtype: DType, rows: usize, cols: usize) -> Tensor {
        let case = Case::new(&mut Random::new((rows * cols) as u64), dtype, rows, cols);
        self.linear
            .weights(&self.bench.device, "w", &case.matrix())
            .unwrap()
    }

    fn rows(&self, seed: u64, shape: &[usize]) -> Tensor {
        self.bench.f32(shape, &noise(seed, shape.iter().product()))
    }

    fn product(&self, e: &mut CommandEncoder, w: &Tensor, x: &Tensor, out: &Tensor) -> Result<()> {
        self.linear
            .encode(e, w, x, Epilogue::None, &self.scratch, out)
    }

    fn plan(&self, encode: impl FnOnce(&mut CommandEncoder) -> Result<()>) -> Fusing<'_> {
        Fusing::new(&self.bench, &self.linear.fusion_rules(), encode)
    }
}

fn discard(e: &mut CommandEncoder, tensors: &[&Tensor]) -> Result<()> {
    for tensor in tensors {
        e.discard(tensor.view())?;
    }
    Ok(())
}

/// Types with one plane and with two, and a width that is no whole number of units.
const KINDS: [(DType, usize); 5] = [
    (DType::Q4_1, 96),
    (DType::F16, 64),
    (DType::F32, 63),
    (DType::Q6K, 256),
    (DType::Q8_0, 64),
];

#[test]
fn a_gated_unit_with_its_norm() {
    let Some(s) = Setup::new() else { return };
    for (number, (dtype, cols)) in KINDS.into_iter().enumerate() {
        let (tokens, rows) = (number % 3 + 1, 30);
        let [gate_w, up_w] = [(); 2].map(|()| s.weights(dtype, rows, cols));
        let (h, normed) = (s.rows(1, &[tokens, cols]), s.rows(2, &[tokens, cols]));
        let weight = s.rows(3, &[cols]);
        let [gate, up, out] = [4, 5, 6].map(|seed| s.rows(seed, &[tokens, rows]));
        let gelu = number % 2 == 1;
        let plan = s.plan(|e| {
            s.norm.encode(e, &h, &weight, EPS, &normed)?;
            s.product(e, &gate_w, &normed, &gate)?;
            s.product(e, &up_w, &normed, &up)?;
            match gelu {
                true => s.gelu.encode(e, gelu_mul::Form::Erf, &gate, &up, &out)?,
                false => s.silu.encode(e, &gate, &up, &out)?,
            }
            discard(e, &[&gate, &up, &normed])
        });
        let gated = if gelu {
            "gate and up products, gelu_mul"
        } else {
            GATED
        };
        plan.fired(&[gated, NORM_GATED]);
        assert_eq!(plan.ops(), ["matvec_gate_up"]);
        plan.agrees_but(&[&out], &[&gate, &up, &normed, &h], 1e4);
    }
}

#[test]
fn gated_units_that_stay() {
    let Some(s) = Setup::new() else { return };
    let [gate_w, up_w] = [(); 2].map(|()| s.weights(DType::Q4_1, 30, 96));
    let other = s.weights(DType::Q8_0, 30, 96);
    let x = s.rows(1, &[2, 96]);
    let [gate, up, out, spare] = [2, 3, 4, 5].map(|seed| s.rows(seed, &[2, 30]));
    let all = [&x, &out];
    let unit = |e: &mut CommandEncoder, up_w: &Tensor| {
        s.product(e, &gate_w, &x, &gate)?;
        s.product(e, up_w, &x, &up)?;
        s.silu.encode(e, &gate, &up, &out)
    };
    s.plan(|e| {
        unit(e, &other)?;
        discard(e, &[&gate, &up])
    })
    .stays("of one type, not Q4_1 and Q8_0")
    .agrees(&all, 1.0);
    // What vanishes must; the products are still made together.
    let plan = s.plan(|e| unit(e, &up_w));
    plan.fired(&[TWO]).agrees(&[&x, &out, &gate, &up], 1.0);
    assert_eq!(plan.ops(), ["matvec_each", "silu_mul"]);
    let plan = s.plan(|e| {
        unit(e, &up_w)?;
        s.add.encode(e, &spare, &gate)?;
        discard(e, &[&gate, &up])
    });
    plan.fired(&[TWO]).agrees(&[&x, &out, &spare], 1.0);
    // A gate with a bias.
    let bias = s.rows(6, &[30]);
    let plan = s.plan(|e| {
        s.linear
            .encode(e, &gate_w, &x, Epilogue::Bias(&bias), &s.scratch, &gate)?;
        s.product(e, &up_w, &x, &up)?;
        s.silu.encode(e, &gate, &up, &out)?;
        discard(e, &[&gate, &up])
    });
    plan.fired(&[TWO]).agrees(&all, 1.0);
    // Up is multiplied with something else.
    let y = s.rows(7, &[2, 96]);
    s.plan(|e| {
        s.product(e, &gate_w, &x, &gate)?;
        s.product(e, &up_w, &y, &up)?;
        s.silu.encode(e, &gate, &up, &out)?;
        discard(e, &[&gate, &up])
    })
    .unseen();
    // Nine tokens are multiplied in tiles.
    let many = s.rows(8, &[9, 96]);
    let [gate, up, out] = [2, 3, 4].map(|seed| s.rows(seed, &[9, 30]));
    s.plan(|e| {
        s.product(e, &gate_w, &many, &gate)?;
        s.product(e, &up_w, &many, &up)?;
        s.silu.encode(e, &gate, &up, &out)?;
        discard(e, &[&gate, &up])
    })
    .unseen();
}

#[test]
fn queries_keys_and_values_with_their_norm() {
    let Some(s) = Setup::new() else { return };
    for (number, (dtype, cols)) in KINDS.into_iter().enumerate() {
        let tokens = number % 4 + 1;
        let rows = [66, 12, 12];
        let w = rows.map(|rows| s.weights(dtype, rows, cols));
        let (h, normed) = (s.rows(1, &[tokens, cols]), s.rows(2, &[tokens, cols]));
        let weight = s.rows(3, &[cols]);
        let bias = s.rows(4, &[rows[1]]);
        let out = rows.map(|rows| s.rows(5, &[tokens, rows]));
        let plan = s.plan(|e| {
            s.norm.encode(e, &h, &weight, EPS, &normed)?;
            s.product(e, &w[0], &normed, &out[0])?;
            s.linear.encode(
                e,
                &w[1],
                &normed,
                Epilogue::Bias(&bias),
                &s.scratch,
                &out[1],
            )?;
            s.product(e, &w[2], &normed, &out[2])?;
            discard(e, &[&normed])
        });
        plan.fired(&[THREE, NORM_EACH]);
        assert_eq!(plan.ops(), ["matvec_each"]);
        plan.agrees_but(&[&out[0], &out[1], &out[2]], &[&normed, &h], 1000.0);
    }
}

#[test]
fn norms_that_stay_in_front_of_products() {
    let Some(s) = Setup::new() else { return };
    let [a, b] = [(); 2].map(|()| s.weights(DType::Q4_0, 12, 64));
    let other = s.weights(DType::F16, 12, 64);
    let weight = s.rows(3, &[64]);
    let layer = |w: [&Tensor; 3], tokens: usize, keep: bool| {
        let (h, normed) = (s.rows(1, &[tokens, 64]), s.rows(2, &[tokens, 64]));
        let out = [4, 5, 6].map(|seed| s.rows(seed, &[tokens, 12]));
        let plan = s.plan(|e| {
            s.norm.encode(e, &h, &weight, EPS, &normed)?;
            for (w, out) in w.iter().zip(&out) {
                s.product(e, w, &normed, out)?;
            }
            if !keep {
                discard(e, &[&normed])?;
            }
            Ok(())
        });
        plan.agrees_but(&[&out[0], &out[1], &out[2]], &[&normed, &h], 10.0);
        let mut ops = plan.ops();
        ops.sort_unstable();
        (ops.join(" "), plan.misses())
    };
    // Types differ: two products and one, each with the norm.
    let (ops, _) = layer([&a, &b, &other], 2, false);
    assert_eq!(ops, "matvec matvec_each");
    let (ops, misses) = layer([&a, &b, &other], 2, true);
    assert_eq!(ops, "matvec matvec_each rms_norm");
    assert!(misses.contains("may be read after the graph"), "{misses}");
    let (ops, misses) = layer([&a, &b, &a], 5, false);
    assert_eq!(ops, "matvec_each rms_norm");
    assert!(
        misses.contains("pays for at most 4 tokens, not 5"),
        "{misses}"
    );
    let (ops, misses) = layer([&a, &b, &a], 1, true);
    assert_eq!(ops, "matvec_each rms_norm");
    assert!(misses.contains("may be read after the graph"), "{misses}");

    // The norm is one of heads, of which there are two in a row.
    let (h, normed, out) = (
        s.rows(1, &[1, 64]),
        s.rows(2, &[1, 64]),
        s.rows(4, &[1, 12]),
    );
    let [h, heads] = [&h, &normed].map(|rows| rows.reshape(&[2, 32]).unwrap());
    let weight = s.rows(3, &[32]);
    s.plan(|e| {
        s.norm.encode(e, &h, &weight, EPS, &heads)?;
        s.product(e, &a, &normed, &out)?;
        discard(e, &[&normed])
    })
    .stays("rows of 32 are normed, and rows of 64 multiplied")
    .agrees(&[&out, &normed], 10.0);
    // One product alone does take its norm along.
    let weight = s.rows(3, &[64]);
    let h = h.reshape(&[1, 64]).unwrap();
    let plan = s.plan(|e| {
        s.norm.encode(e, &h, &weight, EPS, &normed)?;
        s.product(e, &a, &normed, &out)?;
        discard(e, &[&normed])
    });
    plan.fired(&[NORM_ONE])
        .agrees_but(&[&out], &[&normed], 10.0);
}

#[test]
fn products_that_are_added() {
    let Some(s) = Setup::new() else { return };
    for (number, (dtype, cols)) in KINDS.into_iter().enumerate() {
        let tokens = [1, 3, 9, 8, 70][number];
        let w = s.weights(dtype, 33, cols);
        let x = s.rows(1, &[tokens, cols]);
        let (h, update) = (s.rows(2, &[tokens, 33]), s.rows(3, &[tokens, 33]));
        let bias = s.rows(4, &[33]);
        let plan = s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.add.encode(e, &h, &update)?;
            discard(e, &[&update])
        });
        let few = tokens <= 8;
        plan.fired(&[if few {
            RESIDUAL
        } else {
            "matmul, residual add"
        }]);
        assert_eq!(plan.ops(), [if few { "matvec_add" } else { "matmul_add" }]);
        plan.agrees_but(&[&h], &[&update, &x], 100.0);
        let plan = s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.add.encode(e, &update, &bias)
        });
        plan.fired(&[if few { BIAS } else { "matmul, bias" }]);
        plan.agrees(&[&update, &x], 100.0);
    }
}

#[test]
fn sums_that_stay() {
    let Some(s) = Setup::new() else { return };
    let w = s.weights(DType::Q4_1, 64, 64);
    let [x, h, update] = [1, 2, 3].map(|seed| s.rows(seed, &[2, 64]));
    let all = [&x, &h];
    // The residual stream is what is multiplied.
    s.plan(|e| {
        s.product(e, &w, &h, &update)?;
        s.add.encode(e, &h, &update)?;
        discard(e, &[&update])
    })
    .stays("overlap")
    .agrees(&all, 10.0);
    // One row is added to two.
    let (one, row) = (s.rows(4, &[1, 64]), s.rows(5, &[1, 64]));
    s.plan(|e| {
        s.product(e, &w, &one, &row)?;
        s.add.encode(e, &h, &row.reshape(&[64])?)?;
        discard(e, &[&row])
    })
    .stays("takes 256 bytes; the view has 512")
    .agrees(&all, 10.0);
    // A bias for each row.
    s.plan(|e| {
        s.product(e, &w, &x, &update)?;
        s.add.encode(e, &update, &h)
    })
    .stays("takes 256 bytes; the view has 512")
    .agrees(&[&x, &update], 10.0);
    let bias = s.rows(6, &[64]);
    s.plan(|e| {
        s.linear
            .encode(e, &w, &x, Epilogue::Bias(&bias), &s.scratch, &update)?;
        s.add.encode(e, &h, &update)?;
        discard(e, &[&update])
    })
    .stays("something is added to the product already")
    .agrees(&all, 10.0);
    // Half of the product.
    let [low, up] = [(&h, 0), (&update, 1)].map(|(rows, at)| rows.narrow(0, at, at + 1).unwrap());
    s.plan(|e| {
        s.product(e, &w, &x, &update)?;
        s.add.encode(e, &low, &up)?;
        discard(e, &[&update])
    })
    .stays("reads other bytes than were written")
    .agrees(&all, 10.0);
    // Somebody changes the stream between.
    let plan = s.plan(|e| {
        s.product(e, &w, &x, &update)?;
        e.copy(update.view(), x.view())?;
        s.add.encode(e, &h, &update)?;
        discard(e, &[&update])
    });
    plan.stays("uses the value between them").agrees(&all, 10.0);
}

#[test]
fn the_greatest_of_an_output_product() {
    let Some(s) = Setup::new() else { return };
    for (number, (dtype, cols)) in KINDS.into_iter().enumerate() {
        let (tokens, rows) = (number % 3 + 1, 999);
        let w = s.weights(dtype, rows, cols);
        let (h, normed) = (s.rows(1, &[tokens, cols]), s.rows(2, &[tokens, cols]));
        let (weight, logits) = (s.rows(3, &[cols]), s.rows(4, &[tokens, rows]));
        let ids = s.bench.u32(&[tokens], &vec![77; tokens]);
        let plan = s.plan(|e| {
            s.norm.encode(e, &h, &weight, EPS, &normed)?;
            s.product(e, &w, &normed, &logits)?;
            s.argmax.encode(e, &logits, &ids)?;
            discard(e, &[&logits, &normed])
        });
        plan.fired(&[ARGMAX, NORM_ARGMAX]);
        assert_eq!(plan.ops(), ["matvec_argmax"]);
        for _ in 0..2 {
            plan.agrees_but(&[&ids], &[&logits, &normed, &h], 1.0);
        }
    }
}

#[test]
fn searches_that_stay() {
    let Some(s) = Setup::new() else { return };
    let w = s.weights(DType::F16, 64, 64);
    let (x, logits) = (s.rows(1, &[2, 64]), s.rows(2, &[2, 64]));
    let ids = s.bench.u32(&[2], &[77; 2]);
    s.plan(|e| {
        s.product(e, &w, &x, &logits)?;
        s.argmax.encode(e, &logits, &ids)
    })
    .stays("may be read after the graph")
    .agrees(&[&ids, &logits], 10.0);
    let four = s.bench.u32(&[4], &[77; 4]);
    s.plan(|e| {
        s.product(e, &w, &x, &logits)?;
        s.argmax.encode(e, &logits.reshape(&[4, 32])?, &four)?;
        discard(e, &[&logits])
    })
    .stays("the greatest of 32 is asked, the product has 64")
    .agrees(&[&four], 10.0);
    // Two searches, each through memory of its own.
    let twice = s.bench.u32(&[2], &[77; 2]);
    let other = s.rows(3, &[2, 64]);
    let plan = s.plan(|e| {
        s.product(e, &w, &x, &logits)?;
        s.argmax.encode(e, &logits, &ids)?;
        s.product(e, &w, &other, &logits)?;
        s.argmax.encode(e, &logits, &twice)?;
        discard(e, &[&logits])
    });
    plan.fired(&[ARGMAX, ARGMAX])
        .agrees_but(&[&ids, &twice], &[&logits], 10.0);
}

/// A kernel of somebody else that claims to be a product.
#[test]
fn other_kernels_of_the_same_kind_stay() {
    let Some(s) = Setup::new() else { return };
    let text = "
@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1) fn main() {
    for (var i = 0u; i < arrayLength(&out); i++) { out[i] = w[i] - x[i]; }
}";
    let source = KernelSource::new("matvec_f32")
        .op("matvec")
        .overwrites(3)
        .wgsl(Wgsl::new(text));
    let kernel = s.bench.device.kernel(&source).unwrap();
    let [w, x, h, update] = [1, 2, 3, 4].map(|seed| s.rows(seed, &[1, 8]));
    s.plan(|e| {
        let args = (w.view(), x.view(), update.view());
        e.dispatch(&kernel, args, Grid::groups([1, 1, 1]))?;
        s.add.encode(e, &h, &update)?;
        discard(e, &[&update])
    })
    .stays("matvec_f32 is not one of these products' kernels")
    .agrees(&[&h], 10.0);
}
