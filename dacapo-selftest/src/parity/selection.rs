//! Operations that choose: which element is the greatest, and which is drawn.

use dacapo_ops::advance::Advance;
use dacapo_ops::argmax::Argmax;
use dacapo_ops::dtype::DType;
use dacapo_ops::embed::Embed;
use dacapo_ops::quant::dequantize;
use dacapo_ops::sample::{Sample, SampleParams};
use dacapo_ops::simd::Isa;
use dacapo_ops::top_k::TopK;

use super::{Cases, Judge, f32s, read, run, tensor, u32s, unset};
use crate::bench::Bench;
use crate::check::Verdict;
use crate::decode::drawn::Draw;
use crate::random::{Random, noise, weights};

pub(super) const CHECKS: &[(&str, Cases)] = &[
    ("argmax", argmax),
    ("top_k", top_k),
    ("sample, greedy and drawn", sample),
    ("advance", advance),
    ("embed", embed),
];

fn shapes(bench: &Bench) -> &'static [(usize, usize)] {
    match bench.is_quick() {
        true => &[(1, 1), (2, 333)],
        false => &[
            (1, 1),
            (3, 64),
            (7, 33),
            (2, 1500),
            (1, 49_152),
            (2, 151_937),
        ],
    }
}

/// Indices by value, the greatest first; among equals the lowest index first.
fn ranked(row: &[f32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    order.sort_by(|a, b| row[*b as usize].total_cmp(&row[*a as usize]).then(a.cmp(b)));
    order
}

/// Few values, so that many are equal.
fn coarse(seed: u64, length: usize) -> Vec<f32> {
    noise(seed, length, 50.0)
        .into_iter()
        .map(f32::round)
        .collect()
}

fn argmax(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Argmax::new(&bench.device)?);
    for &(rows, width) in shapes(bench) {
        for logits in [noise(16, rows * width, 5.0), coarse(17, rows * width)] {
            let (tx, ids) = (
                f32s(device, &[rows, width], &logits)?,
                u32s(device, &[rows], &vec![7; rows])?,
            );
            run(device, |encoder| op.encode(encoder, &tx, &ids))?;
            let exact: Vec<u32> = logits.chunks(width).map(|row| ranked(row)[0]).collect();
            judge.equal(
                &format!("{rows} x {width}"),
                &ids.view().read::<u32>()?,
                &exact,
            )?;
        }
    }
    Ok(())
}

fn top_k(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, TopK::new(&bench.device)?);
    for &(rows, width) in shapes(bench) {
        for k in [1, 5, 40].into_iter().filter(|k| *k <= width) {
            let logits = coarse(18, rows * width);
            let tx = f32s(device, &[rows, width], &logits)?;
            let values = unset(device, &[rows, k])?;
            let ids = u32s(device, &[rows, k], &vec![7; rows * k])?;
            run(device, |encoder| op.encode(encoder, &tx, &values, &ids))?;
            let exact: Vec<u32> = logits
                .chunks(width)
                .flat_map(|row| ranked(row)[..k].to_vec())
                .collect();
            let case = format!("{k} of {rows} x {width}");
            judge.equal(&case, &ids.view().read::<u32>()?, &exact)?;
            let rows = exact.chunks(k).zip(logits.chunks(width));
            let wanted: Vec<f32> = rows
                .flat_map(|(ids, row)| ids.iter().map(|id| row[*id as usize]))
                .collect();
            judge.equal(&case, &read(&values)?, &wanted)?;
        }
    }
    Ok(())
}

fn sample(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Sample::new(&bench.device)?);
    let width = 700;
    let rows = bench.times(200, 20) as usize;
    let positions: Vec<u32> = (0..rows as u32).collect();
    let row = noise(19, width, 4.0);
    let logits: Vec<f32> = row.iter().copied().cycle().take(rows * width).collect();
    let (tx, places) = (
        f32s(device, &[rows, width], &logits)?,
        u32s(device, &[rows], &positions)?,
    );
    for (temperature, top_k) in [(0.0, 0), (1.0, 8), (0.7, 40), (1.5, 3)] {
        let params = SampleParams {
            temperature,
            top_k,
            seed: 42,
            ..SampleParams::GREEDY
        };
        let ids = u32s(device, &[rows], &vec![u32::MAX; rows])?;
        run(device, |encoder| {
            op.encode(encoder, &tx, &params, &places, &ids)
        })?;
        let found = ids.view().read::<u32>()?;
        let draw = Draw::new(&row, &params);
        let exact: Vec<u32> = positions.iter().map(|at| draw.token(*at)).collect();
        // Where probabilities are rounded, a draw near the border between two tokens may fall on either side.
        let near = |at: &usize| draw.is_near(found[*at], positions[*at], 1e-5);
        let settled: Vec<u32> = (0..rows)
            .map(|at| if near(&at) { found[at] } else { exact[at] })
            .collect();
        judge.equal(
            &format!("temperature {temperature}, top {top_k}"),
            &found,
            &settled,
        )?;
        let same = found.iter().zip(&exact).filter(|(a, b)| a == b).count();
        ensure!(
            10 * same >= 9 * rows,
            "only {same} of {rows} draws are the expected ones"
        );
    }
    Ok(())
}

fn advance(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Advance::new(&bench.device)?);
    for n in [1usize, 5, 70] {
        let ids: Vec<u32> = (0..n as u32).map(|at| at * 31 + 3).collect();
        let places: Vec<u32> = (0..n as u32).map(|at| at * 7).collect();
        let (sampled, tokens) = (u32s(device, &[n], &ids)?, u32s(device, &[n], &vec![0; n])?);
        let positions = u32s(device, &[n], &places)?;
        run(device, |encoder| {
            op.encode(encoder, &sampled, &tokens, &positions)
        })?;
        judge.equal(&format!("{n} tokens"), &tokens.view().read::<u32>()?, &ids)?;
        let next: Vec<u32> = places.iter().map(|at| at + 1).collect();
        judge.equal(
            &format!("{n} positions"),
            &positions.view().read::<u32>()?,
            &next,
        )?;
    }
    Ok(())
}

fn embed(bench: &Bench, judge: &mut Judge) -> Verdict {
    let (device, op) = (&bench.device, Embed::new(&bench.device)?);
    let (rows, cols) = (50, 512);
    let mut random = Random::new(20);
    for dtype in DType::WEIGHTS {
        let bytes = weights(&mut random, dtype, rows * cols, 1.0);
        let table = tensor(device, dtype, &[rows, cols], &bytes)?;
        let ids: Vec<u32> = [0u32, 49, 7, 7, 31].to_vec();
        let (tids, out) = (u32s(device, &[5], &ids)?, unset(device, &[5, cols])?);
        run(device, |encoder| op.encode(encoder, &table, &tids, &out))?;
        let mut values = vec![0.0f32; rows * cols];
        dequantize(Isa::PORTABLE, dtype, &bytes, &mut values)?;
        let exact = ids
            .iter()
            .flat_map(|id| values[*id as usize * cols..][..cols].iter());
        let exact: Vec<f64> = exact.map(|x| f64::from(*x)).collect();
        judge.close(
            &format!("a table of {dtype}"),
            &read(&out)?,
            &exact,
            2.5e-7,
            1e-6,
        )?;
    }
    Ok(())
}
