//! Inputs and comparisons that the tests of several operations share.

/// A fixed sequence of values in -1..1 (SplitMix64), the same on every machine.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<f32> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Checks every element against its f64 reference: within `relative` of it, or within `absolute`.
#[track_caller]
pub(crate) fn assert_close(found: &[f32], exact: &[f64], relative: f64, absolute: f64) {
    assert_eq!(found.len(), exact.len());
    for (i, (&found, &exact)) in found.iter().zip(exact).enumerate() {
        let error = (f64::from(found) - exact).abs();
        assert!(
            error <= relative * exact.abs() || error <= absolute,
            "element {i}: {found:e}, exactly {exact:e}"
        );
    }
}

/// Lengths around the sizes of vectors and blocks.
pub(crate) const ODD_LENGTHS: [usize; 14] =
    [1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 255, 576, 1537];
