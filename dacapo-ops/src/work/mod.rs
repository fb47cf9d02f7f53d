//! How operations account for their work, for profiles.
//!
//! It is what an operation's formula asks for, whoever computes it and however that cuts it up, so that devices and ways
//! of computing can be compared by it:
//!
//! - Operands are read once and written once, however many workgroups want them. Of tables and caches only the rows that
//!   are needed count. What workgroups of a dispatch pass each other through scratch is none of it, nor are values that
//!   a fused operation keeps to itself.
//! - A sum, a difference, a product, a quotient, a comparison, a root, an exponential, a sine, a cosine, a hyperbolic
//!   tangent and an error function are one operation each. A dot product is as many products and sums as it has terms.
//! - Conversions between types, such as unpacking or quantising, signs and the arithmetic of indices are none.
//!
//! Rows that attend are taken to be successive positions of one sequence, up to the last of the submission's extent;
//! without an extent, up to the capacity of the cache.

#[cfg(test)]
mod fused_tests;
#[cfg(test)]
mod tests;

use dacapo::Work;

/// Bytes of an F32 or a U32.
const WORD: u64 = 4;

/// Elements of F32 or U32 in so many bytes.
pub(crate) fn elements(bytes: u64) -> u64 {
    bytes / WORD
}

/// Bytes of as many elements of F32 or U32 as `sizes` multiply to.
pub(crate) fn bytes<const N: usize>(sizes: [u64; N]) -> u64 {
    WORD.saturating_mul(product(sizes))
}

/// The product of all, or the greatest number: what a caller makes up must not stop a profile.
pub(crate) fn product<const N: usize>(sizes: [u64; N]) -> u64 {
    sizes.into_iter().fold(1, u64::saturating_mul)
}

pub(crate) fn read(bytes: u64) -> Work {
    Work {
        read: bytes,
        ..Work::default()
    }
}

pub(crate) fn written(bytes: u64) -> Work {
    Work {
        written: bytes,
        ..Work::default()
    }
}

/// Read and written in place.
pub(crate) fn changed(bytes: u64) -> Work {
    read(bytes) + written(bytes)
}

/// As many operations as `sizes` multiply to.
pub(crate) fn operations<const N: usize>(sizes: [u64; N]) -> Work {
    Work {
        operations: product(sizes),
        ..Work::default()
    }
}
