//! Compiling one plain-Rust kernel for every level.
#![allow(
    unsafe_code,
    reason = "calling a function compiled for a level needs the proof that an `Isa` is"
)]

use super::Isa;
#[cfg(target_arch = "x86_64")]
use super::Level;

/// A kernel in plain Rust that the compiler turns into vector code for each level.
///
/// `run` must be `#[inline(always)]`, and so must what it calls in its loops: code that is not inlined is compiled
/// for the target's baseline.
pub(crate) trait Kernel {
    /// What the kernel gives back.
    type Output;

    /// Does the work; `FMA` says whether fused multiply-add is an instruction.
    fn run<const FMA: bool>(self) -> Self::Output;
}

impl Isa {
    /// Runs `kernel` compiled for this level.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        match self.level() {
            // SAFETY: an `Isa` of this level is proof that the processor has these features.
            Level::Avx512 => return unsafe { avx512(kernel) },
            // SAFETY: an `Isa` of this level is proof that the processor has these features.
            Level::Avx2 => return unsafe { avx2(kernel) },
            _ => {}
        }
        // Every aarch64 processor has fused multiply-add.
        kernel.run::<{ cfg!(target_arch = "aarch64") }>()
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

/// `a * b + c`, rounded once where `FMA` says that this is an instruction.
#[inline(always)]
pub(crate) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}
