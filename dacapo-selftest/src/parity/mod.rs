//! Every operation on a device against its definition in f64.

mod elementwise;
mod linear;
mod positions;
mod rows;
mod selection;

use bytemuck::Pod;
use dacapo::{CommandEncoder, Device, MemoryKind};
use dacapo_ops::dtype::DType;
use dacapo_ops::tensor::Tensor;

use crate::bench::{Bench, Parity};
use crate::check::{Check, Flaw, Group, Verdict};

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for list in [
        elementwise::CHECKS,
        rows::CHECKS,
        selection::CHECKS,
        positions::CHECKS,
    ] {
        for &(name, run) in list {
            checks.push(Check::new(Group::Ops, name, move |bench| {
                judged(bench, name, run)
            }));
        }
    }
    for dtype in DType::WEIGHTS {
        let name = format!("linear, {dtype} weights");
        let label = name.clone();
        checks.push(Check::new(Group::Ops, name, move |bench| {
            judged(bench, &label, |bench, judge| {
                linear::run(bench, judge, dtype)
            })
        }));
    }
    checks
}

/// An operation's cases.
type Cases = fn(&Bench, &mut Judge) -> Verdict;

fn judged(bench: &Bench, name: &str, run: impl Fn(&Bench, &mut Judge) -> Verdict) -> Verdict {
    let mut judge = Judge::default();
    let verdict = run(bench, &mut judge);
    bench.find(|findings| {
        findings.parity.push(Parity {
            op: name.to_owned(),
            cases: judge.cases,
            elements: judge.elements,
            worst: judge.worst,
        });
    });
    verdict
}

/// Compares, and remembers how close it was.
#[derive(Default)]
struct Judge {
    cases: usize,
    elements: usize,
    worst: f64,
}

impl Judge {
    /// Every element must be within `relative` of its reference, or within `absolute`.
    fn close(
        &mut self,
        case: &str,
        found: &[f32],
        exact: &[f64],
        relative: f64,
        absolute: f64,
    ) -> Verdict {
        let allowed = exact
            .iter()
            .map(|exact| (relative * exact.abs()).max(absolute));
        self.within(case, found, exact, &allowed.collect::<Vec<f64>>())
    }

    /// Every element must be within what is allowed for it.
    fn within(&mut self, case: &str, found: &[f32], exact: &[f64], allowed: &[f64]) -> Verdict {
        ensure_eq!(found.len(), exact.len(), "{case}: the number of elements");
        self.cases += 1;
        self.elements += found.len();
        let mut bad = None;
        for (at, ((&found, &exact), &allowed)) in found.iter().zip(exact).zip(allowed).enumerate() {
            let error = (f64::from(found) - exact).abs();
            let share = match error {
                0.0 => 0.0,
                error => error / allowed,
            };
            // NaN is never within anything.
            let share = if share.is_nan() { f64::INFINITY } else { share };
            self.worst = self.worst.max(share.min(f64::MAX));
            if share > 1.0 && bad.is_none() {
                bad = Some(format!(
                    "{case}: element {at} is {found:e}, exactly {exact:e}, allowed within {allowed:e}"
                ));
            }
        }
        bad.map_or(Ok(()), |words| Err(Flaw::Failed(words)))
    }

    /// Every element must be equal.
    fn equal<T: PartialEq + core::fmt::Debug>(
        &mut self,
        case: &str,
        found: &[T],
        exact: &[T],
    ) -> Verdict {
        self.cases += 1;
        self.elements += found.len();
        crate::check::same(case, found, exact)
    }
}

/// The smallest offset from `at` on that tensors may have on the device.
fn offset(device: &Device, at: u64) -> u64 {
    at.next_multiple_of(u64::from(device.limits().min_binding_alignment).max(4))
}

/// A tensor of these values in the middle of a buffer.
fn tensor<T: Pod>(
    device: &Device,
    dtype: DType,
    shape: &[usize],
    values: &[T],
) -> Result<Tensor, Flaw> {
    let (at, len) = (offset(device, 12), size_of_val(values) as u64);
    let buffer = device.buffer(at + len + 20, MemoryKind::DeviceLocal)?;
    let view = buffer.slice(at..at + len)?;
    view.write(values)?;
    Ok(Tensor::new(view, dtype, shape)?)
}

fn f32s(device: &Device, shape: &[usize], values: &[f32]) -> Result<Tensor, Flaw> {
    tensor(device, DType::F32, shape, values)
}

fn u32s(device: &Device, shape: &[usize], values: &[u32]) -> Result<Tensor, Flaw> {
    tensor(device, DType::U32, shape, values)
}

/// Something that must be overwritten.
fn unset(device: &Device, shape: &[usize]) -> Result<Tensor, Flaw> {
    f32s(device, shape, &vec![f32::NAN; shape.iter().product()])
}

/// Encodes, submits and waits.
fn run(
    device: &Device,
    encode: impl FnOnce(&mut CommandEncoder) -> dacapo_ops::Result<()>,
) -> Verdict {
    let mut encoder = device.encoder("parity")?;
    encode(&mut encoder)?;
    Ok(encoder.commit()?.wait()?)
}

fn read(tensor: &Tensor) -> Result<Vec<f32>, Flaw> {
    Ok(tensor.view().read::<f32>()?)
}

/// Lengths around the sizes of vectors and blocks.
fn lengths(bench: &Bench) -> &'static [usize] {
    match bench.is_quick() {
        true => &[1, 7, 33, 257],
        false => &[1, 2, 7, 15, 16, 17, 33, 63, 64, 65, 255, 576, 1537, 40_001],
    }
}
