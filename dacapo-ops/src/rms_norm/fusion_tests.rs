use super::RmsNorm;
use crate::add::Add;
use crate::dtype::DType;
use crate::fusing::Fusing;
use crate::mul::Mul;
use crate::reference::{Bench, noise, on_devices};
use crate::tensor::Tensor;

const EPS: f32 = 1e-5;
const RESIDUAL: &str = "residual add, rms norm";
const WEIGHTED: &str = "rms norm, mul";

struct Setup {
    norm: RmsNorm,
    add: Add,
    mul: Mul,
    /// `[3, 40]` each.
    x: Tensor,
    h: Tensor,
    out: Tensor,
    /// `[40]`.
    weight: Tensor,
}

impl Setup {
    fn new(bench: &Bench) -> Setup {
        let rows = |seed| bench.f32(&[3, 40], &noise(seed, 120));
        Setup {
            norm: RmsNorm::new(&bench.device).unwrap(),
            add: Add::new(&bench.device).unwrap(),
            mul: Mul::new(&bench.device).unwrap(),
            x: rows(1),
            h: rows(2),
            out: rows(3),
            weight: bench.f32(&[40], &noise(4, 40)),
        }
    }

    fn all(&self) -> [&Tensor; 4] {
        [&self.x, &self.h, &self.out, &self.weight]
    }
}

#[test]
fn a_residual_sum_joins_its_norm() {
    on_devices(|bench| {
        let s = Setup::new(bench);
        let fusing = Fusing::new(bench, &s.norm.fusion_rules(), |e| {
            s.add.encode(e, &s.h, &s.x)?;
            s.norm.encode(e, &s.h, &s.weight, EPS, &s.out)
        });
        fusing.fired(&[RESIDUAL]).agrees(&s.all(), 2.0);
        assert_eq!(fusing.ops(), ["rms_norm_residual"]);
    });
}

#[test]
fn a_residual_sum_that_others_use_too() {
    on_devices(|bench| {
        let s = Setup::new(bench);
        let spare = bench.zeros(DType::F32, &[3, 40]);
        let all = [&s.x, &s.h, &s.out, &s.weight, &spare];
        // The sum stays, so that others may read it, before the norm and after.
        let fusing = Fusing::new(bench, &s.norm.fusion_rules(), |e| {
            s.add.encode(e, &s.h, &s.x)?;
            e.copy(s.h.view(), spare.view())?;
            s.norm.encode(e, &s.h, &s.weight, EPS, &s.out)?;
            s.add.encode(e, &spare, &s.h)
        });
        fusing.fired(&[RESIDUAL]).agrees(&all, 4.0);
        // What was added may change before the norm.
        let fusing = Fusing::new(bench, &s.norm.fusion_rules(), |e| {
            s.add.encode(e, &s.h, &s.x)?;
            e.fill(s.x.view(), 0)?;
            s.norm.encode(e, &s.h, &s.weight, EPS, &s.out)
        });
        fusing.fired(&[RESIDUAL]).agrees(&all, 4.0);
    });
}

#[test]
fn residual_sums_that_stay() {
    on_devices(|bench| {
        let s = Setup::new(bench);
        let rules = s.norm.fusion_rules();
        let row = bench.f32(&[40], &noise(5, 40));
        Fusing::new(bench, &rules, |e| {
            s.add.encode(e, &s.h, &row)?;
            s.norm.encode(e, &s.h, &s.weight, EPS, &s.out)
        })
        .stays("a F32 tensor of shape [3, 40] takes 480 bytes; the view has 160")
        .agrees(&s.all(), 2.0);
        // Other rows than were added to.
        let all = bench.f32(&[64, 40], &noise(6, 64 * 40));
        let rows = |start| all.narrow(0, start, start + 32).unwrap();
        let out = bench.zeros(DType::F32, &[32, 40]);
        let x = bench.f32(&[32, 40], &noise(7, 32 * 40));
        Fusing::new(bench, &rules, |e| {
            s.add.encode(e, &rows(0), &x)?;
            s.norm.encode(e, &rows(16), &s.weight, EPS, &out)
        })
        .stays("node 1 reads other bytes than were written")
        .agrees(&[&all, &out], 2.0);
        // Somebody between needs the sum, and writes what the norm reads.
        let first = s.h.narrow(0, 0, 1).unwrap();
        Fusing::new(bench, &rules, |e| {
            s.add.encode(e, &s.h, &s.x)?;
            e.copy(first.view(), s.weight.view())?;
            s.norm.encode(e, &s.h, &s.weight, EPS, &s.out)
        })
        .stays("node 1 stands between them")
        .agrees(&s.all(), 4.0);
        Fusing::new(bench, &rules, |e| {
            s.add.encode(e, &s.h, &s.x)?;
            e.barrier();
            s.norm.encode(e, &s.h, &s.weight, EPS, &s.out)
        })
        .stays("the caller put a barrier in front of node 1");
        // It is what is added, not the sum, that is normed; or the sum is scaled first.
        Fusing::new(bench, &rules, |e| {
            s.add.encode(e, &s.h, &s.x)?;
            s.norm.encode(e, &s.x, &s.weight, EPS, &s.out)
        })
        .unseen();
        Fusing::new(bench, &rules, |e| {
            s.add.encode(e, &s.h, &s.x)?;
            s.mul.encode(e, &s.h, &s.x)?;
            s.norm.encode(e, &s.h, &s.weight, EPS, &s.out)
        })
        .unseen();
    });
}

#[test]
fn a_norm_gets_the_weight_that_follows() {
    on_devices(|bench| {
        let s = Setup::new(bench);
        let rules = s.norm.fusion_rules();
        let fusing = Fusing::new(bench, &rules, |e| {
            s.norm.encode_unweighted(e, &s.x, EPS, &s.out)?;
            s.mul.encode(e, &s.out, &s.weight)
        });
        fusing.fired(&[WEIGHTED]).agrees(&s.all(), 2.0);
        assert_eq!(fusing.ops(), ["rms_norm"]);
        // With a sum in front all three.
        let fusing = Fusing::new(bench, &rules, |e| {
            s.add.encode(e, &s.h, &s.x)?;
            s.norm.encode_unweighted(e, &s.h, EPS, &s.out)?;
            s.mul.encode(e, &s.out, &s.weight)
        });
        fusing.fired(&[WEIGHTED, RESIDUAL]).agrees(&s.all(), 2.0);
        assert_eq!(fusing.ops(), ["rms_norm_residual"]);
        // One row may be its own weight.
        let [x, out] = [&s.x, &s.out].map(|rows| rows.narrow(0, 1, 2).unwrap());
        let fusing = Fusing::new(bench, &rules, |e| {
            s.norm.encode_unweighted(e, &x, EPS, &out)?;
            s.mul.encode(e, &out, &x)
        });
        fusing.fired(&[WEIGHTED]).agrees(&s.all(), 2.0);
    });
}

#[test]
fn norms_that_stay_without_a_weight() {
    on_devices(|bench| {
        let s = Setup::new(bench);
        let rules = s.norm.fusion_rules();
        // Every row has a factor of its own.
        Fusing::new(bench, &rules, |e| {
            s.norm.encode_unweighted(e, &s.x, EPS, &s.out)?;
            s.mul.encode(e, &s.out, &s.h)
        })
        .stays("a F32 tensor of shape [40] takes 160 bytes; the view has 480")
        .agrees(&s.all(), 2.0);
        // The norm is needed without its weight, too.
        Fusing::new(bench, &rules, |e| {
            s.norm.encode_unweighted(e, &s.x, EPS, &s.out)?;
            s.add.encode(e, &s.h, &s.out)?;
            s.mul.encode(e, &s.out, &s.weight)
        })
        .stays("node 1 stands between them")
        .agrees(&s.all(), 4.0);
        // The norm is the factor.
        Fusing::new(bench, &rules, |e| {
            s.norm.encode_unweighted(e, &s.x, EPS, &s.out)?;
            s.mul.encode(e, &s.h, &s.out)
        })
        .unseen()
        .agrees(&s.all(), 2.0);
        let first = s.out.narrow(0, 0, 1).unwrap();
        let fusing = Fusing::new(bench, &rules, |e| {
            s.norm.encode_unweighted(e, &s.x, EPS, &s.out)?;
            s.mul.encode(e, &first, &s.weight)
        });
        fusing
            .stays("node 1 reads other bytes than were written")
            .agrees(&s.all(), 2.0);
    });
}
