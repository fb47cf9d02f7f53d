//! Rules of fusion on the processor.

use dacapo::{CommandEncoder, FusionRule};

use super::*;
use crate::Ops;
use crate::fusing::Fusing;
use crate::reference::{Bench, noise};
use crate::testing::{Case, Random, devices};

const THREE: &str = "three products of one input";
const TWO: &str = "two products of one input";
const RESIDUAL: &str = "matvec, residual add";
const BIAS: &str = "matvec, bias";

struct Setup {
    bench: Bench,
    ops: Ops,
    rules: Vec<FusionRule>,
    scratch: BufferView,
}

impl Setup {
    /// On each processor.
    fn each() -> impl Iterator<Item = Setup> {
        let processors = devices().filter(|device| device.gpu().is_none());
        processors.map(|device| {
            let ops = Ops::new(&device).unwrap();
            let len = Linear::scratch_bytes(8, 512);
            Setup {
                rules: ops.linear.fusion_rules(),
                scratch: (*device.buffer(len, MemoryKind::DeviceLocal).unwrap()).clone(),
                ops,
                bench: Bench { device },
            }
        })
    }

    fn weights(&self, dtype: DType, rows: usize, cols: usize) -> Tensor {
        let case = Case::new(&mut Random::new(rows as u64), dtype, rows, cols);
        case.tensor(&self.bench.device, 8)
    }

    fn rows(&self, seed: u64, shape: &[usize]) -> Tensor {
        self.bench.f32(shape, &noise(seed, shape.iter().product()))
    }

    fn product(&self, e: &mut CommandEncoder, w: &Tensor, x: &Tensor, out: &Tensor) -> Result<()> {
        let linear = &self.ops.linear;
        linear.encode(e, w, x, Epilogue::None, &self.scratch, out)
    }

    fn plan(&self, encode: impl FnOnce(&mut CommandEncoder) -> Result<()>) -> Fusing<'_> {
        Fusing::new(&self.bench, &self.rules, encode)
    }
}

#[test]
fn products_of_one_input() {
    for s in Setup::each() {
        for (dtype, cols, tokens) in [
            (DType::Q4_1, 288, 1),
            (DType::Q6K, 512, 3),
            (DType::F32, 63, 2),
        ] {
            let heights = [66, 12, 13];
            let w = heights.map(|rows| s.weights(dtype, rows, cols));
            let x = s.rows(1, &[tokens, cols]);
            let out = heights.map(|rows| s.rows(2, &[tokens, rows]));
            let bias = s.rows(3, &[12]);
            let product = |at: usize, epilogue| Product {
                w: &w[at],
                epilogue,
                out: &out[at],
            };
            let all: Vec<&Tensor> = out.iter().chain([&x]).collect();
            let plan = s.plan(|e| {
                let products = [
                    product(0, Epilogue::None),
                    product(1, Epilogue::Bias(&bias)),
                    product(2, Epilogue::None),
                ];
                s.ops.linear.encode_each(e, &products, &x, &s.scratch)
            });
            plan.fired(&[THREE]).agrees(&all, 1.0);
            assert_eq!(plan.ops(), ["matvec_each"]);
            let plan = s.plan(|e| {
                let products = [product(0, Epilogue::None), product(2, Epilogue::Accumulate)];
                s.ops.linear.encode_each(e, &products, &x, &s.scratch)?;
                s.product(e, &w[1], &x, &out[1])
            });
            plan.fired(&[TWO]).agrees(&all, 1.0);
            assert_eq!(plan.ops().len(), 2);
        }
    }
}

#[test]
fn products_that_stay_apart() {
    for s in Setup::each() {
        let w = s.weights(DType::Q4_1, 30, 96);
        let (other, x) = (s.weights(DType::Q8_0, 30, 96), s.rows(1, &[2, 96]));
        let [a, b] = [2, 3].map(|seed| s.rows(seed, &[2, 30]));
        s.plan(|e| {
            s.product(e, &w, &x, &a)?;
            s.product(e, &other, &x, &b)
        })
        .stays("of one type, not Q4_1 and Q8_0")
        .agrees(&[&a, &b], 1.0);
        // Of other activations, or of what has become of them.
        let y = s.rows(4, &[2, 96]);
        s.plan(|e| {
            s.product(e, &w, &x, &a)?;
            s.product(e, &w, &y, &b)
        })
        .unseen();
        s.plan(|e| {
            s.product(e, &w, &x, &a)?;
            s.ops.add.encode(e, &x, &y)?;
            s.product(e, &w, &x, &b)
        })
        .unseen();
        // One is needed before the other can be made.
        let square = s.weights(DType::Q4_1, 96, 96);
        let bias = b.narrow(0, 0, 1).unwrap().reshape(&[30]).unwrap();
        let c = s.rows(5, &[2, 96]);
        s.plan(|e| {
            s.product(e, &square, &x, &c)?;
            e.copy(&c.view().slice(..120)?, bias.view())?;
            let epilogue = Epilogue::Bias(&bias);
            s.ops.linear.encode(e, &w, &x, epilogue, &s.scratch, &a)
        })
        .stays("node 1 stands between them")
        .agrees(&[&a, &b, &c], 1.0);
        // Four tokens are multiplied in tiles.
        let many = s.rows(6, &[4, 96]);
        let [a, b] = [2, 3].map(|seed| s.rows(seed, &[4, 30]));
        s.plan(|e| {
            s.product(e, &w, &many, &a)?;
            s.product(e, &w, &many, &b)
        })
        .unseen();
    }
}

#[test]
fn sums_after_products() {
    for s in Setup::each() {
        let (w, x) = (s.weights(DType::Q4_1, 30, 96), s.rows(1, &[2, 96]));
        let [h, update] = [2, 3].map(|seed| s.rows(seed, &[2, 30]));
        let bias = s.rows(4, &[30]);
        let all = [&x, &h, &update];
        let plan = s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.ops.add.encode(e, &h, &update)?;
            Ok(e.discard(update.view())?)
        });
        plan.fired(&[RESIDUAL])
            .agrees_but(&[&x, &h], &[&update], 1.0);
        assert_eq!(plan.ops(), ["matvec_add"]);
        let plan = s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.ops.add.encode(e, &update, &bias)
        });
        plan.fired(&[BIAS]).agrees(&all, 1.0);
        assert_eq!(plan.ops(), ["matvec"]);
        // Needed afterwards, or by another.
        s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.ops.add.encode(e, &h, &update)
        })
        .stays("neither overwritten nor discarded")
        .agrees(&all, 1.0);
        let other = s.rows(5, &[2, 30]);
        s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.ops.add.encode(e, &h, &update)?;
            s.ops.mul.encode(e, &other, &update)?;
            Ok(e.discard(update.view())?)
        })
        .stays("node 2 uses the value between them, too")
        .agrees(&all, 1.0);
        // Two rows have sums of their own: no bias.
        s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.ops.add.encode(e, &update, &h)
        })
        .stays("a F32 tensor of shape [30] takes 120 bytes; the view has 240")
        .agrees(&all, 1.0);
        // A sum with a part.
        let [h_row, row] = [&h, &update].map(|rows| rows.narrow(0, 0, 1).unwrap());
        s.plan(|e| {
            s.product(e, &w, &x, &update)?;
            s.ops.add.encode(e, &h_row, &row)?;
            Ok(e.discard(update.view())?)
        })
        .stays("node 1 reads other bytes than were written")
        .agrees(&all, 1.0);
    }
}

/// A residual sum goes with the norm after it rather than with the product before it.
#[test]
fn all_rules_together() {
    for s in Setup::each() {
        let (w, x) = (s.weights(DType::Q4_1, 96, 96), s.rows(1, &[1, 96]));
        let [h, update, normed] = [2, 3, 4].map(|seed| s.rows(seed, &[1, 96]));
        let weight = s.rows(5, &[96]);
        let [a, b] = [6, 7].map(|seed| s.rows(seed, &[1, 96]));
        let plan = Fusing::new(&s.bench, &s.ops.fusion_rules(), |e| {
            s.product(e, &w, &x, &update)?;
            s.ops.add.encode(e, &h, &update)?;
            s.ops.rms_norm.encode(e, &h, &weight, 1e-5, &normed)?;
            s.product(e, &w, &normed, &a)?;
            s.product(e, &w, &normed, &b)?;
            e.discard(normed.view())?;
            Ok(e.discard(update.view())?)
        });
        plan.fired(&["residual add, rms norm", TWO]);
        assert_eq!(plan.ops(), ["matvec", "rms_norm_residual", "matvec_each"]);
        plan.agrees(&[&h, &a, &b], 1.0);
    }
}
