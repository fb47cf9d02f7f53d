//! Operations on single elements.

use dacapo_ops::add::Add;
use dacapo_ops::gelu_mul::{Form, GeluMul};
use dacapo_ops::mul::Mul;
use dacapo_ops::scale::Scale;
use dacapo_ops::silu_mul::SiluMul;
use dacapo_ops::softcap::Softcap;

use super::{Cases, Judge, f32s, lengths, read, run, unset};
use crate::bench::Bench;
use crate::check::Verdict;
use crate::random::noise;

pub(super) const CHECKS: &[(&str, Cases)] = &[
    ("add", add),
    ("mul", mul),
    ("scale", scale),
    ("softcap", softcap),
    ("silu_mul", silu_mul),
    ("gelu_mul, tanh", gelu_tanh),
    ("gelu_mul, erf", gelu_erf),
];

/// Half a unit in the last place, and some more.
const ROUNDING: f64 = 1.2e-7;

/// Two shapes for each length: of equal tensors, and of one row for several.
fn facing(bench: &Bench, mut each: impl FnMut(usize, usize) -> Verdict) -> Verdict {
    lengths(bench).iter().try_for_each(|&width| {
        each(1, width)?;
        each(3, width)
    })
}

fn pairs(rows: usize, width: usize) -> (Vec<f32>, Vec<f32>) {
    (noise(1, rows * width, 4.0), noise(2, width, 4.0))
}

fn add(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Add::new(&bench.device)?);
    facing(bench, |rows, width| {
        let (x, y) = pairs(rows, width);
        let (tx, ty) = (
            f32s(device, &[rows, width], &x)?,
            f32s(device, &[width], &y)?,
        );
        run(device, |encoder| op.encode(encoder, &tx, &ty))?;
        let exact = x
            .iter()
            .zip(y.iter().cycle())
            .map(|(x, y)| f64::from(*x) + f64::from(*y));
        let exact: Vec<f64> = exact.collect();
        judge.close(
            &format!("{rows} x {width}"),
            &read(&tx)?,
            &exact,
            ROUNDING,
            0.0,
        )
    })
}

fn mul(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Mul::new(&bench.device)?);
    facing(bench, |rows, width| {
        let (x, y) = pairs(rows, width);
        let (tx, ty) = (
            f32s(device, &[rows, width], &x)?,
            f32s(device, &[width], &y)?,
        );
        run(device, |encoder| op.encode(encoder, &tx, &ty))?;
        let exact = x
            .iter()
            .zip(y.iter().cycle())
            .map(|(x, y)| f64::from(*x) * f64::from(*y));
        let exact: Vec<f64> = exact.collect();
        judge.close(
            &format!("{rows} x {width}"),
            &read(&tx)?,
            &exact,
            ROUNDING,
            1e-38,
        )
    })
}

fn scale(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Scale::new(&bench.device)?);
    lengths(bench).iter().try_for_each(|&width| {
        let (x, factor) = (noise(3, width, 9.0), 0.3f32);
        let tx = f32s(device, &[width], &x)?;
        run(device, |encoder| op.encode(encoder, &tx, factor))?;
        let exact: Vec<f64> = x
            .iter()
            .map(|x| f64::from(*x) * f64::from(factor))
            .collect();
        judge.close(
            &format!("{width} elements"),
            &read(&tx)?,
            &exact,
            ROUNDING,
            1e-38,
        )
    })
}

fn softcap(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Softcap::new(&bench.device)?);
    for &width in lengths(bench) {
        for cap in [30.0f32, 0.5] {
            let x = noise(4, width, 100.0);
            let tx = f32s(device, &[width], &x)?;
            run(device, |encoder| op.encode(encoder, &tx, cap))?;
            let cap = f64::from(cap);
            let exact: Vec<f64> = x
                .iter()
                .map(|x| cap * (f64::from(*x) / cap).tanh())
                .collect();
            judge.close(
                &format!("{width} elements, cap {cap}"),
                &read(&tx)?,
                &exact,
                2e-6,
                0.0,
            )?;
        }
    }
    Ok(())
}

/// An operation of a gate and what it lets through.
fn gated(
    bench: &Bench,
    judge: &mut Judge,
    relative: f64,
    activation: fn(f64) -> f64,
    mut encode: impl FnMut(&[dacapo_ops::tensor::Tensor; 3]) -> Verdict,
) -> Verdict {
    let device = &bench.device;
    for &width in lengths(bench) {
        let (gate, up) = (noise(5, 2 * width, 8.0), noise(6, 2 * width, 2.0));
        let shape = [2, width];
        let all = [
            f32s(device, &shape, &gate)?,
            f32s(device, &shape, &up)?,
            unset(device, &shape)?,
        ];
        encode(&all)?;
        let pairs = gate.iter().zip(&up);
        let exact: Vec<f64> = pairs
            .map(|(g, u)| activation(f64::from(*g)) * f64::from(*u))
            .collect();
        judge.close(
            &format!("2 x {width}"),
            &read(&all[2])?,
            &exact,
            relative,
            1e-9,
        )?;
    }
    Ok(())
}

fn silu_mul(bench: &Bench, judge: &mut Judge) -> Verdict {
    let op = SiluMul::new(&bench.device)?;
    gated(
        bench,
        judge,
        5e-6,
        |x| x / (1.0 + (-x).exp()),
        |[gate, up, out]| run(&bench.device, |encoder| op.encode(encoder, gate, up, out)),
    )
}

fn gelu_tanh(bench: &Bench, judge: &mut Judge) -> Verdict {
    let op = GeluMul::new(&bench.device)?;
    let gelu = |x: f64| {
        let inner = (2.0 / core::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        x / (1.0 + (-2.0 * inner).exp())
    };
    gated(bench, judge, 2e-5, gelu, |[gate, up, out]| {
        run(&bench.device, |encoder| {
            op.encode(encoder, Form::Tanh, gate, up, out)
        })
    })
}

/// The error function's complement, by a continued fraction far out and a series near zero.
fn erfc(x: f64) -> f64 {
    let root = core::f64::consts::PI.sqrt();
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 2.0 {
        // erf(x) = 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1))
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return 1.0 - 2.0 / root * sum;
    }
    // Lentz's way is not needed: so deep a fraction has long converged.
    let fraction = (1..120)
        .rev()
        .fold(0.0, |below, n| 0.5 * f64::from(n) / (x + below));
    (-x * x).exp() / root / (x + fraction)
}

fn gelu_erf(bench: &Bench, judge: &mut Judge) -> Verdict {
    let op = GeluMul::new(&bench.device)?;
    let gelu = |x: f64| 0.5 * x * erfc(-x / core::f64::consts::SQRT_2);
    gated(bench, judge, 2e-5, gelu, |[gate, up, out]| {
        run(&bench.device, |encoder| {
            op.encode(encoder, Form::Erf, gate, up, out)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::erfc;

    /// Computed with mpmath at 30 digits.
    #[test]
    fn the_error_function_is_known_at_some_places() {
        for (x, known) in [
            (0.0, 1.0),
            (0.5, 0.479_500_122_186_953_5),
            (1.9, 0.007_209_570_764_742_523),
            (2.0, 0.004_677_734_981_047_266),
            (4.0, 1.541_725_790_028_002e-8),
            (-1.0, 1.842_700_792_949_714_8),
        ] {
            assert!((erfc(x) - known).abs() <= 1e-12 * known, "{x}: {}", erfc(x));
        }
    }
}
