//! On the CPU.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use dacapo::{KernelFault, Workgroup};

use super::philox::uniform;
use super::select::{Cutoff, select};
use super::{Inline, SampleParams};
use crate::argmax::cpu::{argmax, nothing_but_nan};
use crate::simd::Isa;
use crate::softmax::cpu::exp_less;
use crate::top_k::cpu::top_k;
use crate::vector::{self, Kernel, Simd};

pub(super) fn entry(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let Inline {
        vocabulary,
        temperature,
        top_k,
        top_p,
        min_p,
        seed: [low, high],
    } = group.inline();
    let seed = u64::from(high) << 32 | u64::from(low);
    let params = SampleParams {
        temperature,
        top_k,
        top_p,
        min_p,
        seed,
    };
    let (row, width) = (group.id()[0] as usize, vocabulary as usize);
    let logits = &group.read::<f32>(0)[row * width..][..width];
    let position = group.read::<u32>(1)[row];
    let id = sample(Isa::detect(), logits, &params, position, group.shared())
        .ok_or_else(|| nothing_but_nan(row, width))?;
    // SAFETY: workgroup `n` alone writes element `n`.
    let out = unsafe { group.write::<u32>(2, row..row + 1) };
    out[0] = id;
    Ok(())
}

/// Up to this `top_k` the kept logits are gathered in order; beyond, all are weighed.
const GATHERED: usize = 1024;

/// The token drawn for `position`, or `None` where every logit is NaN.
///
/// NaN logits are never drawn. Infinite ones share the probability; where all are negative infinity the
/// first one is taken. `scratch` has room for [`scratch`] elements.
pub(super) fn sample(
    isa: Isa,
    logits: &[f32],
    params: &SampleParams,
    position: u32,
    scratch: &mut [f32],
) -> Option<u32> {
    let best = argmax(isa, logits)?;
    let max = logits[best as usize];
    if params.temperature <= 0.0 || max == f32::NEG_INFINITY {
        return Some(best);
    }
    let random = uniform(params.seed, position);
    if gathers(params, logits.len()) {
        Some(from_gathered(isa, logits, params, random))
    } else {
        let weights = &mut scratch[..logits.len()];
        weights.copy_from_slice(logits);
        let temperature = params.temperature;
        vector::dispatch(
            isa,
            Weigh {
                xs: weights,
                max,
                temperature,
            },
        );
        Some(from_all(weights, params, random).unwrap_or(best))
    }
}

/// Elements of scratch that [`sample`] needs.
pub(super) fn scratch(params: &SampleParams, vocabulary: usize) -> usize {
    if params.temperature > 0.0 && !gathers(params, vocabulary) {
        vocabulary
    } else {
        0
    }
}

fn gathers(params: &SampleParams, vocabulary: usize) -> bool {
    let k = params.top_k as usize;
    k > 0 && k.min(vocabulary) <= GATHERED
}

struct Weigh<'a> {
    xs: &'a mut [f32],
    max: f32,
    temperature: f32,
}

impl Kernel for Weigh<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        exp_less(s, self.xs, self.max, self.temperature);
    }
}

/// From the `top_k` greatest logits, of which there is at least one.
fn from_gathered(isa: Isa, logits: &[f32], params: &SampleParams, random: f64) -> u32 {
    let (mut values, mut ids) = ([0.0; GATHERED], [0; GATHERED]);
    let k = (params.top_k as usize).min(logits.len());
    let found = top_k(isa, logits, &mut values[..k], &mut ids[..k]);
    let weights = &mut values[..found];
    let (max, temperature) = (weights[0], params.temperature);
    vector::dispatch(
        isa,
        Weigh {
            xs: weights,
            max,
            temperature,
        },
    );

    let likely = |bar: f64| {
        let mut mass = 0.0;
        weights.iter().position(|&w| {
            mass += f64::from(w);
            mass >= bar
        })
    };
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let nucleus = match params.top_p {
        p if p < 1.0 => likely(f64::from(p) * total).map_or(found, |last| last + 1),
        _ => found,
    };
    let kept = weights[..nucleus]
        .iter()
        .filter(|&&w| w >= params.min_p)
        .count();
    let total: f64 = weights[..kept].iter().map(|&w| f64::from(w)).sum();
    let mut mass = 0.0;
    let drawn = weights[..kept].iter().position(|&w| {
        mass += f64::from(w);
        mass > random * total
    });
    ids[drawn.unwrap_or(kept.saturating_sub(1))]
}

/// From all weights, of which the greatest is 1.
fn from_all(weights: &[f32], params: &SampleParams, random: f64) -> Option<u32> {
    let mut cutoff = Cutoff::ALL;
    let k = params.top_k as usize;
    if k > 0 && k < weights.len() {
        cutoff = select(weights, cutoff, |_| 1.0, k as f64);
    }
    if params.top_p < 1.0 {
        let amount = f64::from(params.top_p) * total(weights, cutoff);
        cutoff = select(weights, cutoff, f64::from, amount);
    }
    let least = params.min_p.clamp(0.0, 1.0).to_bits();
    if least > cutoff.bits {
        cutoff = Cutoff {
            bits: least,
            last: usize::MAX,
        };
    }
    let bar = random * total(weights, cutoff);
    let mut mass = 0.0;
    let mut drawn = None;
    for (i, &w) in weights.iter().enumerate() {
        if cutoff.keeps(i, w) {
            mass += f64::from(w);
            drawn = Some(i as u32);
            if mass > bar {
                break;
            }
        }
    }
    drawn
}

fn total(weights: &[f32], cutoff: Cutoff) -> f64 {
    let kept = weights
        .iter()
        .enumerate()
        .filter(|&(i, &w)| cutoff.keeps(i, w));
    kept.map(|(_, &w)| f64::from(w)).sum()
}
