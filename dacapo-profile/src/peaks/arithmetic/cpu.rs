//! On the CPU, with the widest vectors that it has.
#![allow(
    unsafe_code,
    reason = "writes its part of a buffer, and calls what is compiled for some processors"
)]

use dacapo::{KernelFault, Workgroup};

use super::Params;

/// Vectors that are under way at the same time: their instructions take up to five cycles, and two begin in each.
const VECTORS: usize = 12;
/// Numbers of a workgroup: that many of the widest vectors.
pub(super) const NUMBERS: usize = 16 * VECTORS;

pub(super) fn multiply_add(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let params = group.inline::<Params>();
    let at = group.id()[0] as usize;
    let mut numbers: [f32; NUMBERS] = core::array::from_fn(|lane| (at % 256 + lane) as f32);
    run(&mut numbers, params);
    let sum = |all: u32, number: f32| all.wrapping_add(number as u32);
    // SAFETY: each workgroup has a sum of its own.
    let sums = unsafe { group.write::<u32>(0, at..at + 1) };
    sums[0] = numbers.into_iter().fold(0, sum);
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn run(numbers: &mut [f32; NUMBERS], params: Params) {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has the instructions.
        unsafe { x86::avx512(numbers, params) };
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: as above.
        unsafe { x86::avx2(numbers, params) };
    } else {
        portable(numbers, params);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn run(numbers: &mut [f32; NUMBERS], params: Params) {
    portable(numbers, params);
}

/// Vectors of four, as the compiler makes them.
fn portable(numbers: &mut [f32; NUMBERS], params: Params) {
    const LANES: usize = 4;
    let (parts, _) = numbers.as_chunks_mut::<{ LANES * VECTORS }>();
    for part in parts {
        let mut x = *part;
        for _ in 0..params.turns {
            for x in &mut x {
                // Without an instruction for it, rounding once would take a call.
                *x = match cfg!(target_arch = "aarch64") {
                    true => x.mul_add(params.factor, params.summand),
                    false => *x * params.factor + params.summand,
                };
            }
        }
        *part = x;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{NUMBERS, Params, VECTORS};

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(numbers: &mut [f32; NUMBERS], params: Params) {
        let (factor, summand) = (
            _mm512_set1_ps(params.factor),
            _mm512_set1_ps(params.summand),
        );
        let (vectors, _) = numbers.as_chunks_mut::<16>();
        let mut x = [_mm512_setzero_ps(); VECTORS];
        for (x, vector) in x.iter_mut().zip(&*vectors) {
            // SAFETY: a vector has sixteen numbers.
            *x = unsafe { _mm512_loadu_ps(vector.as_ptr()) };
        }
        for _ in 0..params.turns {
            for x in &mut x {
                *x = _mm512_fmadd_ps(*x, factor, summand);
            }
        }
        for (x, vector) in x.iter().zip(vectors) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(vector.as_mut_ptr(), *x) };
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(numbers: &mut [f32; NUMBERS], params: Params) {
        let (factor, summand) = (
            _mm256_set1_ps(params.factor),
            _mm256_set1_ps(params.summand),
        );
        let (halves, _) = numbers.as_chunks_mut::<{ 8 * VECTORS }>();
        for half in halves {
            let (vectors, _) = half.as_chunks_mut::<8>();
            let mut x = [_mm256_setzero_ps(); VECTORS];
            for (x, vector) in x.iter_mut().zip(&*vectors) {
                // SAFETY: a vector has eight numbers.
                *x = unsafe { _mm256_loadu_ps(vector.as_ptr()) };
            }
            for _ in 0..params.turns {
                for x in &mut x {
                    *x = _mm256_fmadd_ps(*x, factor, summand);
                }
            }
            for (x, vector) in x.iter().zip(vectors) {
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(vector.as_mut_ptr(), *x) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Form = fn(&mut [f32; NUMBERS], Params);

    fn forms() -> Vec<(&'static str, Form)> {
        #[cfg_attr(
            not(target_arch = "x86_64"),
            allow(unused_mut, reason = "others have one form")
        )]
        let mut forms: Vec<(_, Form)> = vec![("portable", portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: the processor has the instructions.
                forms.push(("avx2", |x, params| unsafe { x86::avx2(x, params) }));
            }
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: as above.
                forms.push(("avx512", |x, params| unsafe { x86::avx512(x, params) }));
            }
        }
        forms
    }

    #[test]
    fn every_form_computes_the_same() {
        let params = Params {
            factor: -0.75,
            summand: 1.5,
            turns: 9,
        };
        let start: [f32; NUMBERS] = core::array::from_fn(|lane| lane as f32);
        for (name, form) in forms() {
            let mut found = start;
            form(&mut found, params);
            for (found, start) in found.into_iter().zip(start) {
                let exact = (0..9).fold(f64::from(start), |x, _| x * -0.75 + 1.5);
                let error = (f64::from(found) - exact).abs();
                assert!(error <= 1e-5 * exact.abs().max(1.0), "{name}: {found}");
            }
        }
    }
}
