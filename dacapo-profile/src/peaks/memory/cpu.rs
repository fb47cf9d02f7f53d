//! On the CPU.
#![allow(
    unsafe_code,
    reason = "kernels write their part of a buffer, with instructions for that"
)]

use core::ops::Range;

use dacapo::{KernelFault, Workgroup};

use super::{FACTOR, Params};

/// The elements of this workgroup, of those bound at `slot`. Those of different workgroups do not overlap.
fn own(group: &Workgroup<'_>, slot: u32) -> Range<usize> {
    let (per_group, len) = (
        group.inline::<Params>().per_group as usize,
        group.len::<[u32; 4]>(slot),
    );
    let first = (group.id()[0] as usize).saturating_mul(per_group).min(len);
    first..first.saturating_add(per_group).min(len)
}

pub(super) fn pattern(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let own = own(group, 0);
    let first = group.inline::<Params>().first;
    // SAFETY: workgroups have elements of their own.
    let target = unsafe { group.write::<[u32; 4]>(0, own.clone()) };
    for (four, at) in target.iter_mut().zip(own) {
        let number = first.wrapping_add((4 * at) as u32);
        *four = core::array::from_fn(|lane| number.wrapping_add(lane as u32).wrapping_mul(FACTOR));
    }
    Ok(())
}

pub(super) fn sum(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let source = &group.read::<[u32; 4]>(0)[own(group, 0)];
    let at = group.id()[0] as usize;
    // SAFETY: each workgroup has a sum of its own.
    let sums = unsafe { group.write::<u32>(1, at..at + 1) };
    sums[0] = sum_of(source);
    Ok(())
}

pub(super) fn copy(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let own = own(group, 1);
    let source = &group.read::<[u32; 4]>(0)[own.clone()];
    // SAFETY: workgroups have elements of their own.
    let target = unsafe { group.write::<[u32; 4]>(1, own) };
    stream(source, target);
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn sum_of(source: &[[u32; 4]]) -> u32 {
    #[target_feature(enable = "avx2")]
    fn wide(source: &[[u32; 4]]) -> u32 {
        lanes(source)
    }
    match is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        true => unsafe { wide(source) },
        false => lanes(source),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn sum_of(source: &[[u32; 4]]) -> u32 {
    lanes(source)
}

/// Four vectors of eight at a time, which the compiler turns into instructions for them.
#[inline(always)]
fn lanes(source: &[[u32; 4]]) -> u32 {
    const LANES: usize = 32;
    let (blocks, rest) = source.as_flattened().as_chunks::<LANES>();
    let mut sums = [0u32; LANES];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(*x);
        }
    }
    sums.iter()
        .chain(rest)
        .fold(0, |sum, x| sum.wrapping_add(*x))
}

/// Copies past the caches: writing through them would read what is overwritten first.
#[cfg(target_arch = "x86_64")]
fn stream(source: &[[u32; 4]], target: &mut [[u32; 4]]) {
    use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};

    if !target.as_ptr().cast::<__m128i>().is_aligned() {
        return target.copy_from_slice(source);
    }
    for (target, source) in target.iter_mut().zip(source) {
        let (source, target): (*const [u32; 4], *mut [u32; 4]) = (source, target);
        // SAFETY: both are 16 bytes long; the first target is aligned, so all are. Every x86-64 has the instructions.
        unsafe { _mm_stream_si128(target.cast(), _mm_loadu_si128(source.cast())) };
    }
    // SAFETY: as above. Other threads must see what was written past the caches.
    unsafe { _mm_sfence() };
}

#[cfg(not(target_arch = "x86_64"))]
fn stream(source: &[[u32; 4]], target: &mut [[u32; 4]]) {
    target.copy_from_slice(source);
}
