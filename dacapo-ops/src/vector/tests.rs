use super::*;
use crate::simd::Isa;

/// Applies one of the vector functions to a slice at a level.
struct Apply<'a>(Function, &'a mut [f32]);

#[derive(Clone, Copy)]
enum Function {
    Exp,
    Sigmoid,
    Tanh,
    GeluTanh,
    GeluErf,
    Sin,
    Cos,
}

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.0 {
            Function::Exp => map_in_place!(s, self.1, |x| exp(s, x)),
            Function::Sigmoid => map_in_place!(s, self.1, |x| sigmoid(s, x)),
            Function::Tanh => map_in_place!(s, self.1, |x| tanh(s, x)),
            Function::GeluTanh => map_in_place!(s, self.1, |x| gelu_tanh(s, x)),
            Function::GeluErf => map_in_place!(s, self.1, |x| gelu_erf(s, x)),
            Function::Sin => map_in_place!(s, self.1, |x| sin_cos_turns(s, x).0),
            Function::Cos => map_in_place!(s, self.1, |x| sin_cos_turns(s, x).1),
        }
    }
}

/// Every 9973rd bit pattern of magnitude below `limit`, both signs.
fn spread(limit: f32) -> Vec<f32> {
    let positive = (0..limit.to_bits()).step_by(9973).map(f32::from_bits);
    positive.flat_map(|x| [x, -x]).collect()
}

/// Greatest error over `inputs` by `measure(result, exact)`, at every level.
fn worst(
    function: Function,
    inputs: &[f32],
    exact: impl Fn(f64) -> f64,
    measure: impl Fn(f32, f64) -> f64,
) -> f64 {
    let mut worst = 0.0_f64;
    for isa in Isa::available() {
        let mut ys = inputs.to_vec();
        dispatch(isa, Apply(function, &mut ys));
        for (&x, &y) in inputs.iter().zip(&ys) {
            let error = measure(y, exact(f64::from(x)));
            assert!(!error.is_nan(), "{isa:?}: {x:e} gave {y:e}");
            worst = worst.max(error);
        }
    }
    worst
}

/// Distance in units of the last place of the exact result (of the smallest subnormal at least).
fn units(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if nearest.is_infinite() || found.is_infinite() {
        return if nearest == found { 0.0 } else { f64::INFINITY };
    }
    let exponent = (nearest.abs().to_bits() >> 23).max(1) as i32 - 150;
    (f64::from(found) - exact).abs() / 2.0_f64.powi(exponent)
}

/// Relative error, of results below 1e-30 as if they were 1e-30.
fn relative(found: f32, exact: f64) -> f64 {
    (f64::from(found) - exact).abs() / exact.abs().max(1e-30)
}

#[test]
fn exp_is_within_two_units_everywhere() {
    let worst = worst(Function::Exp, &spread(200.0), f64::exp, units);
    assert!(worst < 1.6, "{worst}");
}

#[test]
fn exp_at_the_edges() {
    for isa in Isa::available() {
        let mut xs = [
            f32::NEG_INFINITY,
            -104.0,
            f32::MIN,
            0.0,
            -0.0,
            f32::INFINITY,
            f32::MAX,
            f32::NAN,
        ];
        dispatch(isa, Apply(Function::Exp, &mut xs));
        assert_eq!(xs[..5], [0.0, 0.0, 0.0, 1.0, 1.0], "{isa:?}");
        assert_eq!(xs[5..7], [f32::INFINITY; 2], "{isa:?}");
        assert!(xs[7].is_nan(), "{isa:?}");
    }
}

#[test]
fn sigmoid_and_tanh_keep_relative_accuracy() {
    let inputs = spread(f32::MAX);
    let sigmoid = worst(
        Function::Sigmoid,
        &inputs,
        |x| 1.0 / (1.0 + (-x).exp()),
        relative,
    );
    assert!(sigmoid < 3e-7, "{sigmoid}");
    let tanh = worst(Function::Tanh, &inputs, f64::tanh, relative);
    assert!(tanh < 5e-7, "{tanh}");
}

#[test]
fn gelu_keeps_relative_accuracy_in_the_negative_tail() {
    let inputs = spread(1e10);
    let by_tanh = |x: f64| {
        let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
        x / (1.0 + (-2.0 * u).exp())
    };
    let tanh = worst(Function::GeluTanh, &inputs, by_tanh, relative);
    assert!(tanh < 2e-5, "{tanh}");
    let by_erf = |x: f64| 0.5 * x * erfc(-x / std::f64::consts::SQRT_2);
    let erf = worst(Function::GeluErf, &inputs, by_erf, relative);
    assert!(erf < 2e-5, "{erf}");
}

/// Complementary error function: the power series of erf near 0, the continued fraction of erfc beyond
/// (DLMF 7.6.1, 7.9.1).
fn erfc(z: f64) -> f64 {
    if z < 0.0 {
        return 2.0 - erfc(-z);
    }
    if z < 2.5 {
        let (mut term, mut sum) = (z, z);
        for n in 1..200 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return 1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let fraction = (1..200).rev().fold(z, |f, n| z + 0.5 * f64::from(n) / f);
    (-z * z).exp() / (fraction * std::f64::consts::PI.sqrt())
}

#[test]
fn sine_and_cosine_of_turns() {
    let inputs: Vec<f32> = (-50_000..=50_000).map(|i| i as f32 / 100_000.0).collect();
    let absolute = |found: f32, exact: f64| (f64::from(found) - exact).abs();
    let turn = std::f64::consts::TAU;
    let sin = worst(Function::Sin, &inputs, |x| (x * turn).sin(), absolute);
    let cos = worst(Function::Cos, &inputs, |x| (x * turn).cos(), absolute);
    assert!(sin < 2e-7 && cos < 2e-7, "{sin} {cos}");
}

struct Sums<'a>(&'a [f32; 64]);

impl Kernel for Sums<'_> {
    type Output = [f32; 8];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; 8] {
        let (blocks, _) = self.0.as_chunks::<LANES>();
        let v = [0, 1, 2, 3].map(|i| s.load(&blocks[i]));
        let [a, b, c, d] = s.sum4(v);
        let [e, f, g, h] = v.map(|v| s.sum(v));
        [a, b, c, d, e, f, g, h]
    }
}

#[test]
fn sums_have_one_order_at_every_level() {
    let values: [f32; 64] = std::array::from_fn(|i| (i as f32 * 12.9898).sin() * 1e3);
    let expected: [f32; 4] = std::array::from_fn(|row| {
        let mut lanes = values[row * 16..][..16].to_vec();
        while lanes.len() > 1 {
            let half = lanes.len() / 2;
            lanes = (0..half).map(|i| lanes[i] + lanes[i + half]).collect();
        }
        lanes[0]
    });
    for isa in Isa::available() {
        let found = dispatch(isa, Sums(&values));
        assert_eq!(found[..4], expected, "{isa:?}");
        assert_eq!(found[4..], expected, "{isa:?}");
    }
}

struct Maximum<'a>(&'a [f32]);

impl Kernel for Maximum<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        max_of(s, self.0)
    }
}

#[test]
fn the_greatest_element_passes_over_nan() {
    for isa in Isa::available() {
        for length in [1, 15, 16, 17, 33, 100] {
            for at in 0..length {
                let mut xs = vec![f32::NAN; length];
                xs[at] = -5.0;
                assert_eq!(dispatch(isa, Maximum(&xs)), -5.0, "{isa:?} {length} {at}");
            }
        }
        assert_eq!(dispatch(isa, Maximum(&[])), f32::NEG_INFINITY);
        assert_eq!(dispatch(isa, Maximum(&[f32::NAN; 40])), f32::NEG_INFINITY);
    }
}

struct Halves<'a>(&'a [f32; LANES]);

impl Kernel for Halves<'_> {
    type Output = ([half::f16; LANES], [f32; LANES]);
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let (mut narrow, mut wide) = ([half::f16::ZERO; LANES], [0.0; LANES]);
        s.store_f16(s.load(self.0), &mut narrow);
        s.store(s.load_f16(&narrow), &mut wide);
        (narrow, wide)
    }
}

#[test]
fn half_precision_rounds_as_the_half_crate_does() {
    let values = spread(f32::INFINITY);
    for block in values.as_chunks::<LANES>().0 {
        for isa in Isa::available() {
            let (narrow, wide) = dispatch(isa, Halves(block));
            let expected = block.map(half::f16::from_f32_const);
            assert_eq!(narrow, expected, "{isa:?}");
            assert_eq!(wide, expected.map(half::f16::to_f32_const), "{isa:?}");
        }
    }
}
