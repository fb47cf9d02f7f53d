//! Which instruction set the CPU kernels use, found out once at run time.
//!
//! An [`Isa`] can only be obtained for a level that the running processor has, so holding one is the
//! proof that functions compiled for that level may be called. Kernels take it by value.

/// A level of vector instructions that the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust, left to the compiler's baseline for the target.
    Portable,
    /// ARM Advanced SIMD, 128 bits wide.
    Neon,
    /// x86-64 with AVX2, FMA and F16C, 256 bits wide.
    Avx2,
    /// x86-64 with AVX-512 F, BW, VL, DQ and VNNI (and all of [`Level::Avx2`]), 512 bits wide.
    Avx512,
}

impl Level {
    /// Every level, from the least to the most capable.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512];

    fn present(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.present()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vnni")
            }
            _ => false,
        }
    }
}

/// A [`Level`] that the running processor is known to have.
///
/// ```
/// use dacapo_ops::simd::{Isa, Level};
///
/// let best = Isa::detect();
/// assert_eq!(Isa::new(best.level()), Some(best));
/// assert!(Isa::new(Level::Portable).is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Isa(Level);

impl Isa {
    /// Plain Rust, available everywhere.
    pub const PORTABLE: Self = Self(Level::Portable);

    /// The most capable level of this processor.
    ///
    /// The standard library remembers what the processor reported, so this costs a few loads.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::PORTABLE)
    }

    /// `level` if this processor has it.
    #[must_use]
    pub fn new(level: Level) -> Option<Self> {
        level.present().then_some(Self(level))
    }

    /// Every level of this processor, from the least to the most capable.
    pub fn available() -> impl Iterator<Item = Self> {
        Level::ALL.into_iter().filter_map(Self::new)
    }

    /// The level that was found present.
    #[must_use]
    pub fn level(self) -> Level {
        self.0
    }
}
