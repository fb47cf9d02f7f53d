//! The products of one token between two attentions, in one dispatch: the product that follows attention, the gated unit,
//! the product after it, and the queries, keys and values of the next layer; before them, if it pays, the attention. As
//! many workgroups as the device runs at the same time stay for all of them, and meet in between: that costs less than a
//! barrier between dispatches, and the memory is busy meanwhile.
//!
//! Workgroups that wait for others make progress only where all of them run. No API promises that they do: whoever waits
//! gives up in the end and leaves a mark, which [`GpuLinear::check_met`] finds.

mod text;
mod work;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Arg, Backend, Buffer, BufferOptions, BufferView, CommandEncoder, Dispatched, Grid,
    KernelSource, MemoryKind, Unfit, Wgsl,
};
use smallvec::SmallVec;

use super::tuned::{self, ShapeLimits};
use super::variant::Shape;
use super::{GpuLinear, Kernel, Layout, Params, is_odd};
use crate::attention::{Room, Step, StepParams, StepPart, StepSlots};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::gelu_mul::Form;
use crate::launch::are_wide;
use crate::linear::Activation;
use crate::linear::recorded::{Recorded, RecordedEpilogue, Then};
use crate::tuning::Key;

/// Most stages: after the last layer there are no queries, keys and values.
const STAGES: usize = 4;
/// The first matrix of each stage, and all.
const FIRST_MATRICES: [u32; STAGES] = [0, 1, 3, 4];
const MATRICES: u32 = 7;

/// Slots behind those of the matrices.
const ATTENDED: u32 = MATRICES;
const HIDDEN: u32 = MATRICES + 1;
const ACTIVATED: u32 = MATRICES + 2;
const NORMS: [u32; 2] = [MATRICES + 3, MATRICES + 4];
const OUTS: [u32; 3] = [MATRICES + 5, MATRICES + 6, MATRICES + 7];
const CONTROL: u32 = MATRICES + 8;
/// Of attention. It has queries, keys and values where those of the next layer go; its output is bound nowhere.
const STEP: StepSlots = StepSlots {
    rows: OUTS,
    out: ATTENDED,
    beside: [16, 17, 18, 19, 20, 21, 22],
};

/// Words of the memory through which workgroups meet: a counter, which is 0 between dispatches, and far from it a mark.
const CONTROL_WORDS: u64 = 64;
const FAILED: u32 = 32;

/// How often a workgroup looks whether all others have come, before it gives up: 0.1 s or more, since a look takes 0.5 us.
const MOST_POLLS: u32 = 200_000;

/// What a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Chain {
    /// What comes before all products.
    attention: Option<Step>,
    dtype: DType,
    activation: Activation,
    stages: usize,
    /// Columns of each stage; 0 where there is none.
    cols: [u32; STAGES],
    shapes: [Shape; STAGES],
    /// Lanes of a subgroup.
    lanes: u32,
}

/// What dispatches have beside their kernel.
struct Call {
    chain: Chain,
    params: ChainParams,
    groups: u32,
    attention: Option<StepPart>,
}

/// Gives the attention that comes first, as part of a kernel that has this room.
pub(in crate::linear) type Attending<'a> = &'a dyn Fn(Room) -> Result<StepPart, Unfit>;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ChainParams {
    stages: [Params; STAGES],
    most_polls: u32,
}

/// Those of a chain that begins with attention.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct AttendingParams {
    chain: ChainParams,
    /// Shares of attention, for as many workgroups.
    shares: u32,
    attention: StepParams,
}

impl GpuLinear {
    /// Whether workgroups of one dispatch can wait for each other here at all.
    pub(in crate::linear) fn has_chains(&self) -> bool {
        self.device.info().backend == Backend::Vulkan
    }

    /// Encodes what 3 or 4 products that follow one another were encoded with as one dispatch, if the tuning says so; and
    /// the attention before them.
    pub(in crate::linear) fn encode_chain(
        &self,
        encoder: &mut CommandEncoder,
        attending: Option<Attending<'_>>,
        stages: &[Recorded],
    ) -> Result<(), Unfit> {
        let Call {
            chain,
            params,
            groups,
            attention,
        } = self.chain(attending, stages)?;
        let kernel = self.chain_kernel(chain)?;
        let control = self.control()?;
        let [first, .., third] = &stages[..3] else {
            return Err(Unfit::new("a chain has 3 or 4 stages"));
        };
        let products = || stages.iter().flat_map(|stage| &stage.products);
        let attending = attention.as_ref().map(|attention| AttendingParams {
            chain: params,
            shares: attention.shares,
            attention: attention.params,
        });
        let mut args = SmallVec::<[Arg<'_>; 24]>::new();
        args.extend(products().map(|product| Arg::view(product.w.view())));
        if attention.is_none() {
            args.push(Arg::view(first.x.view()));
        }
        let activations = [&first.products[0].out, &third.x];
        args.extend(activations.map(|x| Arg::view(x.view())));
        let norms = stages.iter().filter_map(|stage| stage.norm.as_ref());
        args.extend(norms.map(|norm| Arg::view(norm.weight.view())));
        match (stages.get(3), &attention) {
            (Some(last), _) => {
                args.extend(last.products.iter().map(|x| Arg::view(x.out.view())));
            }
            (None, Some(attention)) => args.extend(attention.rows.iter().map(Arg::view)),
            (None, None) => {}
        }
        args.push(Arg::view(&control));
        let beside = attention.iter().flat_map(|attention| &attention.beside);
        args.extend(beside.map(Arg::view));
        args.push(match &attending {
            Some(attending) => Arg::bytes(attending),
            None => Arg::bytes(&params),
        });
        Ok(encoder.dispatch(&kernel, &args[..], Grid::groups([groups, 1, 1]))?)
    }

    /// An error if workgroups have given up waiting for each other since the last time.
    pub(in crate::linear) fn check_met(&self) -> Result<()> {
        let control = self.control.lock().clone();
        let Some(control) = control else {
            return Ok(());
        };
        let mark = control.slice(u64::from(FAILED) * 4..u64::from(FAILED) * 4 + 4)?;
        if mark.read::<u32>()? == [0] {
            return Ok(());
        }
        control.write(&[0u32; CONTROL_WORDS as usize])?;
        Err(Error::Apart { op: "linear" })
    }

    fn chain(&self, attending: Option<Attending<'_>>, stages: &[Recorded]) -> Result<Call, Unfit> {
        let dtype = stages[0].products[0].w.dtype();
        if Layout::new(dtype, 1, 256).has_second() {
            return Err(Unfit::new(format!(
                "a chain binds too little for matrices of {dtype}, which have scales beside them"
            )));
        }
        let Then::Gate(activation) = stages[1].then else {
            return Err(Unfit::new("the second product is no gated unit"));
        };
        let normed = stages.iter().map(|stage| stage.norm.is_some());
        if !normed.eq([false, true, false, true].into_iter().take(stages.len())) {
            return Err(Unfit::new(
                "a chain norms what its second and its fourth product read, and nothing else",
            ));
        }
        let mut params = ChainParams {
            stages: [Params::zeroed(); STAGES],
            most_polls: MOST_POLLS,
        };
        let mut cols = [0; STAGES];
        for (at, stage) in stages.iter().enumerate() {
            params.stages[at] = self.stage(stage, dtype)?;
            cols[at] = params.stages[at].cols;
        }
        let key = key(dtype, params.stages[1].rows[0], cols[1]);
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
        let shape = |at: usize| self.chain_shape(at, &params.stages[at], dtype, subgroups);
        let shapes = [shape(0), shape(1), shape(2), shape(3)];
        let groups = self.device.info().compute_units.max(1) * each;
        let attention = match attending {
            Some(_) if choose("attention", 1, &[0, 1], &|_| true) == 0 => {
                return Err(Unfit::new("attention was faster by itself"));
            }
            Some(attending) => {
                let threads = subgroups * lanes;
                let attention = attending(Room { threads, groups })?;
                same_rows(&attention, stages)?;
                Some(attention)
            }
            None => None,
        };
        let chain = Chain {
            attention: attention.as_ref().map(|attention| attention.step),
            dtype,
            activation,
            stages: stages.len(),
            cols,
            shapes,
            lanes,
        };
        Ok(Call {
            chain,
            params,
            groups,
            attention,
        })
    }

    /// What one product adds to the chain.
    fn stage(&self, stage: &Recorded, dtype: DType) -> Result<Params, Unfit> {
        let [tokens, cols] = stage.shape();
        if tokens != 1 {
            return Err(Unfit::new(format!("a chain takes one token, not {tokens}")));
        }
        let mut rows = [0; 3];
        let mut views = SmallVec::<[_; 4]>::from_slice(&[stage.x.view()]);
        views.extend(stage.norm.as_ref().map(|norm| norm.weight.view()));
        for (product, rows) in stage.products.iter().zip(&mut rows) {
            if product.w.dtype() != dtype {
                let other = product.w.dtype();
                let message = format!("a chain has weights of one type, not {dtype} and {other}");
                return Err(Unfit::new(message));
            }
            if let RecordedEpilogue::Bias(_) = product.epilogue {
                return Err(Unfit::new("a chain adds no biases"));
            }
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
            eps: stage.norm.as_ref().map_or(0.0, |norm| norm.eps),
        })
    }

    /// How a stage is cut among `subgroups` of a workgroup: what was best for a layer of Llama-3.2-1B on an H100, unless
    /// something else is set.
    fn chain_shape(&self, stage: usize, params: &Params, dtype: DType, subgroups: u32) -> Shape {
        let rows = match stage {
            3 => params.rows.iter().sum(),
            _ => params.rows[0],
        };
        let key = key(dtype, rows, params.cols);
        let limits = ShapeLimits {
            abreast: if stage == 1 { 2 } else { 1 },
            units: params.units,
            lanes: self.gpu.subgroup_size,
            most_subgroups: subgroups,
        };
        let (rows, split) = if stage == 2 { (2, 4) } else { (1, 1) };
        let usual = Shape {
            rows,
            subgroups,
            unroll: 4,
            split,
            tokens: 1,
        };
        tuned::with_subgroups(&self.tuning, key, usual.within(&limits), &limits)
    }

    fn chain_kernel(&self, chain: Chain) -> Result<Kernel> {
        let mut kernels = self.chains.lock();
        if let Some(kernel) = kernels.get(&chain) {
            return Ok(kernel.clone());
        }
        // SAFETY: rows are clamped or skipped, columns end with the row, and activations are as long as the columns.
        let wgsl = unsafe { Wgsl::new(chain.text()).trusted() };
        let before = chain.attention.map_or("", |_| "attention_");
        let name = format!("{before}matvec_chain_{}", chain.dtype.name().to_lowercase());
        let work = match chain.activation {
            Activation::Silu => |call: &Dispatched<'_>| work::work(call, Activation::Silu),
            Activation::Gelu(Form::Tanh) => {
                |call: &Dispatched<'_>| work::work(call, Activation::Gelu(Form::Tanh))
            }
            Activation::Gelu(Form::Erf) => {
                |call: &Dispatched<'_>| work::work(call, Activation::Gelu(Form::Erf))
            }
        };
        let mut source = KernelSource::new(name)
            .op("matvec_chain")
            .work(work)
            .wgsl(wgsl);
        // Attention has read them before.
        if chain.attention.is_none() && chain.stages == STAGES {
            source = OUTS.into_iter().fold(source, KernelSource::overwrites);
        }
        let kernel = self.device.kernel(&source)?;
        kernels.insert(chain, kernel.clone());
        Ok(kernel)
    }

    /// The memory through which workgroups meet. Dispatches that share it run one after the other, which they must:
    /// together they might be more than the device runs at the same time.
    fn control(&self) -> Result<Buffer> {
        let mut control = self.control.lock();
        if let Some(control) = &*control {
            return Ok(control.clone());
        }
        let buffer = self.device.buffer_with(&BufferOptions {
            len: CONTROL_WORDS * 4,
            kind: MemoryKind::DeviceLocal,
            label: "where products meet",
        })?;
        buffer.write(&[0u32; CONTROL_WORDS as usize])?;
        Ok(control.insert(buffer).clone())
    }
}

/// An error if attention does not have its queries, keys and values where the next layer's go, which have the same slots.
fn same_rows(attention: &StepPart, stages: &[Recorded]) -> Result<(), Unfit> {
    let Some(last) = stages.get(3) else {
        return Ok(());
    };
    let next = last.products.iter().map(|product| product.out.view());
    let place = |view: &BufferView| (view.allocation(), view.range());
    match next.map(place).eq(attention.rows.iter().map(place)) {
        true => Ok(()),
        false => Err(Unfit::new(
            "the next layer has its queries, keys and values elsewhere",
        )),
    }
}

/// What settings of a chain go by: its gated unit, or one of its stages.
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
