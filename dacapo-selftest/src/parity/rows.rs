//! Operations on whole rows.

use dacapo_ops::rms_norm::RmsNorm;
use dacapo_ops::softmax::Softmax;

use super::{Cases, Judge, f32s, read, run, unset};
use crate::bench::Bench;
use crate::check::Verdict;
use crate::random::noise;

pub(super) const CHECKS: &[(&str, Cases)] = &[
    ("softmax", softmax),
    ("rms_norm", rms_norm),
    ("rms_norm, without weight", unweighted),
    ("rms_norm, in place", in_place),
    ("rms_norm, with residual", residual),
];

/// Rows and widths, odd ones and those of models.
fn shapes(bench: &Bench) -> &'static [(usize, usize)] {
    match bench.is_quick() {
        true => &[(1, 1), (3, 64), (2, 333)],
        false => &[
            (1, 1),
            (1, 64),
            (7, 33),
            (5, 576),
            (3, 2048),
            (2, 4099),
            (40, 128),
            (1, 32_001),
        ],
    }
}

fn softmax(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Softmax::new(&bench.device)?);
    for &(rows, width) in shapes(bench) {
        let x = noise(7, rows * width, 20.0);
        let tx = f32s(device, &[rows, width], &x)?;
        run(device, |encoder| op.encode(encoder, &tx))?;
        let exact = x.chunks(width).flat_map(|row| {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f64> = row
                .iter()
                .map(|x| (f64::from(*x) - f64::from(most)).exp())
                .collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(move |weight| weight / sum)
        });
        let exact: Vec<f64> = exact.collect();
        judge.close(
            &format!("{rows} x {width}"),
            &read(&tx)?,
            &exact,
            1e-5,
            1e-30,
        )?;
    }
    Ok(())
}

const EPS: f32 = 1e-5;

/// The norm of each row, and its weight if there is one.
pub(super) fn normed(x: &[f64], width: usize, weight: Option<&[f32]>, eps: f32) -> Vec<f64> {
    let rows = x.chunks(width).flat_map(|row| {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / width as f64;
        let factor = 1.0 / (mean + f64::from(eps)).sqrt();
        row.iter()
            .enumerate()
            .map(move |(at, x)| x * factor * weight.map_or(1.0, |weight| f64::from(weight[at])))
    });
    rows.collect()
}

pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

fn rms_norm(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, RmsNorm::new(&bench.device)?);
    for &(rows, width) in shapes(bench) {
        let (x, weight) = (noise(8, rows * width, 3.0), noise(9, width, 2.0));
        let (tx, tw) = (
            f32s(device, &[rows, width], &x)?,
            f32s(device, &[width], &weight)?,
        );
        let out = unset(device, &[rows, width])?;
        run(device, |encoder| op.encode(encoder, &tx, &tw, EPS, &out))?;
        let exact = normed(&wide(&x), width, Some(&weight), EPS);
        judge.close(
            &format!("{rows} x {width}"),
            &read(&out)?,
            &exact,
            5e-6,
            1e-30,
        )?;
    }
    Ok(())
}

fn unweighted(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, RmsNorm::new(&bench.device)?);
    for &(rows, width) in shapes(bench) {
        let x = noise(10, rows * width, 3.0);
        let tx = f32s(device, &[rows, width], &x)?;
        let out = unset(device, &[rows, width])?;
        run(device, |encoder| {
            op.encode_unweighted(encoder, &tx, EPS, &out)
        })?;
        let exact = normed(&wide(&x), width, None, EPS);
        judge.close(
            &format!("{rows} x {width}"),
            &read(&out)?,
            &exact,
            5e-6,
            1e-30,
        )?;
    }
    Ok(())
}

fn in_place(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, RmsNorm::new(&bench.device)?);
    for &(rows, width) in shapes(bench) {
        let (x, weight) = (noise(11, rows * width, 3.0), noise(12, width, 2.0));
        let (tx, tw) = (
            f32s(device, &[rows, 1, width], &x)?,
            f32s(device, &[width], &weight)?,
        );
        run(device, |encoder| op.encode_heads(encoder, &tx, &tw, EPS))?;
        let exact = normed(&wide(&x), width, Some(&weight), EPS);
        judge.close(
            &format!("{rows} x {width}"),
            &read(&tx)?,
            &exact,
            5e-6,
            1e-30,
        )?;
    }
    Ok(())
}

fn residual(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, RmsNorm::new(&bench.device)?);
    for &(rows, width) in shapes(bench) {
        let shape = [rows, width];
        let (h, x) = (noise(13, rows * width, 3.0), noise(14, rows * width, 1.0));
        let weight = noise(15, width, 2.0);
        let (th, tx) = (f32s(device, &shape, &h)?, f32s(device, &shape, &x)?);
        let (tw, out) = (f32s(device, &[width], &weight)?, unset(device, &shape)?);
        run(device, |encoder| {
            op.encode_residual(encoder, &th, &tx, &tw, EPS, &out)
        })?;
        let sums: Vec<f64> = h
            .iter()
            .zip(&x)
            .map(|(h, x)| f64::from(*h) + f64::from(*x))
            .collect();
        judge.close(
            &format!("the sum of {rows} x {width}"),
            &read(&th)?,
            &sums,
            1.2e-7,
            1e-30,
        )?;
        // Of the sum as it was rounded: of what cancels little is left.
        let exact = normed(&wide(&read(&th)?), width, Some(&weight), EPS);
        judge.close(
            &format!("the norm of {rows} x {width}"),
            &read(&out)?,
            &exact,
            5e-6,
            1e-30,
        )?;
    }
    Ok(())
}
