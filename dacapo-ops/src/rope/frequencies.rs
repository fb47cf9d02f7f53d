//! Rotations a position, from a model's configuration.

use std::f64::consts::{PI, TAU};

/// How positions beyond the trained context are reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// All frequencies divided by `factor` (Chen et al. 2023, "Extending context window of large language
    /// models via positional interpolation").
    Linear {
        /// By how much the context was extended.
        factor: f64,
    },
    /// Only low frequencies divided, as in Llama 3.1.
    Llama3(Llama3),
}

/// The parameters of Llama 3.1's scaling, named as in Hugging Face's `rope_scaling`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Llama3 {
    /// Divides the frequencies of long wavelengths.
    pub factor: f64,
    /// Wavelengths above `original_context / low_freq_factor` are divided.
    pub low_freq_factor: f64,
    /// Wavelengths below `original_context / high_freq_factor` are kept.
    pub high_freq_factor: f64,
    /// Context length of the first training.
    pub original_context: u32,
}

/// What a model's configuration says of its rotations.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Rotated elements of a head, the first of it; even, at most the head's width.
    pub dims: usize,
    /// Base of the geometric series of frequencies, such as 10000.
    pub theta: f64,
    /// Stretching of the positions.
    pub scaling: Scaling,
    /// Divisors of each frequency (`rope_freqs.weight` in GGUF), `dims / 2` of them, or none.
    pub factors: &'a [f32],
}

/// Rotations a position of each pair, `dims / 2` values: pair i turns by `theta^(-2i / dims)` radians a
/// position before scaling.
///
/// In turns modulo 1, in units of 2^-64, as `[low, high]` 32-bit halves: what the `frequencies` tensor of
/// the operation holds, `[dims / 2, 2]` of U32.
///
/// Returns `None` unless `dims` is even and above 0, the parameters are finite and positive, and there are
/// no factors or `dims / 2` of them.
///
/// ```
/// use dacapo_ops::rope::{Config, Scaling, frequencies};
///
/// let config = Config { dims: 64, theta: 10000.0, scaling: Scaling::None, factors: &[] };
/// let table = frequencies(&config).unwrap();
/// assert_eq!(table.len(), 32);
/// // One radian a position is 0.159 of a turn.
/// assert!((f64::from(table[0][1]) / 2f64.powi(32) - 0.159155).abs() < 1e-6);
/// assert!(frequencies(&Config { dims: 63, ..config }).is_none());
/// ```
#[must_use]
pub fn frequencies(config: &Config<'_>) -> Option<Vec<[u32; 2]>> {
    let Config {
        dims,
        theta,
        scaling,
        factors,
    } = *config;
    let usable = |x: f64| x.is_finite() && x > 0.0;
    let scaling_usable = match scaling {
        Scaling::None => true,
        Scaling::Linear { factor } => usable(factor),
        Scaling::Llama3(l) => {
            usable(l.factor)
                && usable(l.low_freq_factor)
                && usable(l.high_freq_factor)
                && l.low_freq_factor < l.high_freq_factor
                && l.original_context > 0
        }
    };
    if dims == 0
        || !dims.is_multiple_of(2)
        || !usable(theta)
        || !scaling_usable
        || !(factors.is_empty() || factors.len() == dims / 2)
        || !factors.iter().all(|&f| usable(f64::from(f)))
    {
        return None;
    }
    let turns = |i: usize| {
        let radians = theta.powf(-2.0 * i as f64 / dims as f64);
        let radians = radians / factors.get(i).map_or(1.0, |&f| f64::from(f));
        let radians = match scaling {
            Scaling::None => radians,
            Scaling::Linear { factor } => radians / factor,
            Scaling::Llama3(parameters) => llama3(radians, parameters),
        };
        let turns = (radians / TAU).fract();
        // A float-to-integer `as` saturates: a fraction that rounds to 1 loses 2^-64 of a turn.
        let units = (turns * 2.0_f64.powi(64)) as u64;
        [units as u32, (units >> 32) as u32]
    };
    Some((0..dims / 2).map(turns).collect())
}

/// `transformers`, `_compute_llama3_parameters`: divide low frequencies, keep high ones, blend between.
fn llama3(radians: f64, parameters: Llama3) -> f64 {
    let Llama3 {
        factor,
        low_freq_factor,
        high_freq_factor,
        original_context,
    } = parameters;
    let wavelength = 2.0 * PI / radians;
    let periods = f64::from(original_context) / wavelength;
    let kept = ((periods - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
    radians * (kept + (1.0 - kept) / factor)
}
