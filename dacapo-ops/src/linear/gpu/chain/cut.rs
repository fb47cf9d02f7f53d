//! Which products become a chain, and how its work is cut.

use bytemuck::Zeroable;
use dacapo::{BufferView, Unfit};
use smallvec::SmallVec;

use super::{Attending, Call, Chain, ChainParams, MOST_POLLS, NEXT, PARTS, Part};
use crate::attention::{Room, StepPart};
use crate::dtype::DType;
use crate::launch::are_wide;
use crate::linear::gpu::tuned::{self, MOST_IN_REGISTERS, ShapeLimits};
use crate::linear::gpu::variant::Shape;
use crate::linear::gpu::{GpuLinear, Layout, Params, is_odd, pack};
use crate::linear::recorded::{Recorded, RecordedEpilogue, RecordedProduct, Then};
use crate::tuning::Key;

/// Most registers that what a lane loads before it multiplies may take, all of which it has while it waits for others: of
/// 128, where two workgroups of eight subgroups share a unit of an H100.
const REGISTERS: u32 = 80;

impl GpuLinear {
    pub(super) fn chain(
        &self,
        attending: Option<Attending<'_>>,
        parts: &[Recorded],
    ) -> Result<Call, Unfit> {
        let Then::Gate(activation) = parts[1].then else {
            return Err(Unfit::new("the second product is no gated unit"));
        };
        let biases = has_biases(parts.get(NEXT..).unwrap_or_default())?;
        let mut params = ChainParams {
            parts: [Params::zeroed(); PARTS],
            most_polls: MOST_POLLS,
        };
        for (part, params) in parts.iter().zip(&mut params.parts) {
            *params = params_of(part)?;
        }
        same_input(parts)?;
        let gate = (dtype(&parts[1]), params.parts[1]);
        let key = key(gate.0, gate.1.rows[0], gate.1.cols);
        let choose = |dimension, usual, candidates: &[u32], fits: &dyn Fn(u32) -> bool| {
            let key = Key { dimension, ..key };
            self.tuning.choose(key, usual, candidates, fits)
        };
        let each = choose("workgroups a unit", 0, &[0, 1, 2, 3, 4], &|_| true);
        if each == 0 {
            return Err(Unfit::new(
                "whether workgroups that wait for each other are faster has to be measured: by `dacapo tune`",
            ));
        }
        let lanes = self.gpu.subgroup_size;
        let most = self.most_subgroups();
        let subgroups = choose("subgroups", 8.min(most), &[4, 8, 16], &|n| n <= most);
        let mut cut = [None; PARTS];
        for (at, (cut, part)) in cut.iter_mut().zip(parts).enumerate() {
            let (dtype, params) = (dtype(part), &params.parts[at]);
            *cut = Some(Part {
                dtype,
                cols: params.cols,
                shape: self.chain_shape(at, params, dtype, subgroups),
            });
        }
        let groups = self.device.info().compute_units.max(1) * each;
        let attention = match attending {
            Some(_) if choose("attention", 1, &[0, 1], &|_| true) == 0 => {
                return Err(Unfit::new("attention was faster by itself"));
            }
            Some(attending) => {
                let threads = subgroups * lanes;
                let attention = attending(Room { threads, groups })?;
                same_rows(&attention, parts)?;
                Some(attention)
            }
            None => None,
        };
        let chain = Chain {
            attention: attention.as_ref().map(|attention| attention.step),
            activation,
            biases,
            parts: cut,
            lanes,
        };
        Ok(Call {
            chain,
            params,
            groups,
            attention,
        })
    }

    /// How a part is cut among `subgroups` of a workgroup, unless something else is set: floats as was best for a layer of
    /// Llama-3.2-1B on an H100, quantised weights as products by themselves are.
    fn chain_shape(&self, part: usize, params: &Params, dtype: DType, subgroups: u32) -> Shape {
        let rows = match part {
            NEXT.. => params.rows.iter().sum(),
            _ => params.rows[0],
        };
        let abreast = if part == 1 { 2 } else { 1 };
        let limits = ShapeLimits {
            abreast,
            units: params.units,
            lanes: self.gpu.subgroup_size,
            most_subgroups: subgroups,
            most: (REGISTERS / pack::registers(dtype)).min(MOST_IN_REGISTERS),
        };
        let usual = match (dtype.is_quantized(), part) {
            (true, _) => self.usual(dtype, [rows, params.cols], 1, abreast),
            (false, 2) => Shape::of_token(2, 4, 4),
            (false, _) => Shape::of_token(1, 4, 1),
        };
        let usual = Shape { subgroups, ..usual }.within(&limits);
        let key = key(dtype, rows, params.cols);
        tuned::with_subgroups(&self.tuning, key, usual, &limits)
    }
}

/// What one part adds to the chain.
fn params_of(part: &Recorded) -> Result<Params, Unfit> {
    let [tokens, cols] = part.shape();
    if tokens != 1 {
        return Err(Unfit::new(format!("a chain takes one token, not {tokens}")));
    }
    let dtype = dtype(part);
    let mut rows = [0; 3];
    let mut views = SmallVec::<[_; 4]>::from_slice(&[part.x.view()]);
    views.extend(part.norm.as_ref().map(|norm| norm.weight.view()));
    for (product, rows) in part.products.iter().zip(&mut rows) {
        *rows = product.w.rows() as u32;
        views.push(product.out.view());
    }
    if is_odd(dtype, cols as u32) || !are_wide(&views) {
        let message = format!("rows of {cols} elements are not read 16 bytes at a time");
        return Err(Unfit::new(message));
    }
    Ok(Params {
        rows,
        cols: cols as u32,
        tokens: 1,
        stride: 0,
        first: 0,
        units: Layout::new(dtype, 1, cols).units(),
        eps: part.norm.as_ref().map_or(0.0, |norm| norm.eps),
    })
}

/// The products of one dispatch have weights of one type.
fn dtype(part: &Recorded) -> DType {
    part.products[0].w.dtype()
}

/// Whether the next layer's queries, keys and values have biases: all of them or none.
fn has_biases(next: &[Recorded]) -> Result<bool, Unfit> {
    let products = || next.iter().flat_map(|part| &part.products);
    let count = products().count();
    if !next.is_empty() && count != 3 {
        return Err(Unfit::new(format!(
            "a chain ends in 3 products of one input, queries, keys and values, not in {count}"
        )));
    }
    let is_biased = |product: &RecordedProduct| match product.epilogue {
        RecordedEpilogue::Bias(_) => Ok(true),
        RecordedEpilogue::None => Ok(false),
        RecordedEpilogue::Accumulate => Err(Unfit::new(
            "queries, keys and values of a chain are not added to what is there",
        )),
    };
    let biased = products()
        .map(is_biased)
        .collect::<Result<SmallVec<[bool; 3]>, _>>()?;
    let biases = biased.iter().filter(|biased| **biased).count();
    match biases == 0 || biases == count {
        true => Ok(biases > 0),
        false => Err(Unfit::new(format!(
            "of 3 products {biases} have biases: a chain has them for all or for none"
        ))),
    }
}

/// An error unless the chain norms what it should, and both parts of its last stage, if it has two, in the same way.
fn same_input(parts: &[Recorded]) -> Result<(), Unfit> {
    let normed = parts.iter().map(|part| part.norm.is_some());
    if !normed.eq([false, true, false, true, true]
        .into_iter()
        .take(parts.len()))
    {
        return Err(Unfit::new(
            "a chain norms what its second and its fourth product read, and nothing else",
        ));
    }
    let norms = parts
        .iter()
        .skip(NEXT)
        .filter_map(|part| part.norm.as_ref());
    let mut norms = norms.map(|norm| (place(norm.weight.view()), norm.eps));
    let first = norms.next();
    match norms.all(|norm| Some(norm) == first) {
        true => Ok(()),
        false => Err(Unfit::new(
            "queries, keys and values are of activations that are normed in different ways",
        )),
    }
}

/// An error if attention does not have its queries, keys and values where the next layer's go, which have the same slots.
fn same_rows(attention: &StepPart, parts: &[Recorded]) -> Result<(), Unfit> {
    let next = parts.iter().skip(NEXT).flat_map(|part| &part.products);
    let mut next = next.map(|product| place(product.out.view())).peekable();
    if next.peek().is_none() {
        return Ok(());
    }
    match next.eq(attention.rows.iter().map(place)) {
        true => Ok(()),
        false => Err(Unfit::new(
            "the next layer has its queries, keys and values elsewhere",
        )),
    }
}

fn place(view: &BufferView) -> impl PartialEq + use<> {
    (view.allocation(), view.range())
}

/// What settings of a chain go by: its gated unit, or one of its parts.
fn key(dtype: DType, rows: u32, cols: u32) -> Key {
    Key {
        op: "matvec_chain",
        dtype,
        rows,
        cols,
        tokens: 1,
        dimension: "",
    }
}
