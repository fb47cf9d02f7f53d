//! The products of one token between two attentions, in one dispatch: the product that follows attention, the gated unit,
//! the product after it, and the queries, keys and values of the next layer; before them, if it pays, the attention. As
//! many workgroups as the device runs at the same time stay for all of them, and meet in between: that costs less than a
//! barrier between dispatches, and the memory is busy meanwhile.
//!
//! Workgroups that wait for others make progress only where all of them run. No API promises that they do: whoever waits
//! gives up in the end and leaves a mark, which [`GpuLinear::check_met`] finds.

mod cut;
mod slots;
mod text;
mod work;

use bytemuck::{Pod, Zeroable};
use dacapo::{
    Arg, Backend, Buffer, BufferOptions, CommandEncoder, Grid, KernelSource, MemoryKind, Unfit,
    Wgsl,
};
use smallvec::SmallVec;

use super::variant::Shape;
use super::{GpuLinear, Kernel, Layout, Params};
use crate::attention::{Room, Step, StepParams, StepPart};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::linear::Activation;
use crate::linear::recorded::{Recorded, RecordedEpilogue};
use slots::{Has, Slots};

/// Most parts, each of them products of one input and one type: the four stages, between which workgroups meet, of which
/// the last, that of queries, keys and values, may have a second part for one of another type. After the last layer
/// there is no last stage.
const PARTS: usize = 5;
/// The part that begins the last stage.
const NEXT: usize = 3;
/// The first matrix of each part, and all.
const FIRST_MATRICES: [u32; PARTS] = [0, 1, 3, 4, 6];
const MATRICES: u32 = 7;

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
    activation: Activation,
    /// Whether the last stage's sums have biases.
    biases: bool,
    /// The first three and what there is of the rest.
    parts: [Option<Part>; PARTS],
    /// Lanes of a subgroup.
    lanes: u32,
}

/// Products of one input and one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Part {
    dtype: DType,
    cols: u32,
    shape: Shape,
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
    /// Without columns where there is none.
    parts: [Params; PARTS],
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

    /// Encodes what the products of 3 or 4 stages were encoded with, those of the last of them in one part or two, as one
    /// dispatch, if the tuning says so; and the attention before them.
    pub(in crate::linear) fn encode_chain(
        &self,
        encoder: &mut CommandEncoder,
        attending: Option<Attending<'_>>,
        parts: &[Recorded],
    ) -> Result<(), Unfit> {
        let Call {
            chain,
            params,
            groups,
            attention,
        } = self.chain(attending, parts)?;
        let kernel = self.chain_kernel(chain)?;
        let control = self.control()?;
        let [first, second, third, last @ ..] = parts else {
            return Err(Unfit::new("a chain has 3 or 4 stages"));
        };
        let planes = parts.iter().flat_map(|part| &part.products).map(|product| {
            let w = &product.w;
            let layout = Layout::new(w.dtype(), w.rows(), w.cols());
            layout.planes(w.view(), 0..w.rows() as u64)
        });
        let planes = planes.collect::<Result<Vec<_>>>()?;
        let attending = attention.as_ref().map(|attention| AttendingParams {
            chain: params,
            shares: attention.shares,
            attention: attention.params,
        });
        let next = || last.iter().flat_map(|part| &part.products);
        // In the order of `Slots`.
        let mut args = SmallVec::<[Arg<'_>; 32]>::new();
        if attention.is_none() {
            args.push(Arg::view(first.x.view()));
        }
        let activations = [&first.products[0].out, &third.x];
        args.extend(activations.map(|x| Arg::view(x.view())));
        let norms = [Some(second), last.first()].into_iter().flatten();
        let norms = norms.filter_map(|part| part.norm.as_ref());
        args.extend(norms.map(|norm| Arg::view(norm.weight.view())));
        match &attention {
            Some(attention) => args.extend(attention.rows.iter().map(Arg::view)),
            None => args.extend(next().map(|product| Arg::view(product.out.view()))),
        }
        args.push(Arg::view(&control));
        let beside = attention.iter().flat_map(|attention| &attention.beside);
        args.extend(beside.map(Arg::view));
        args.extend(next().filter_map(|product| match &product.epilogue {
            RecordedEpilogue::Bias(bias) => Some(Arg::view(bias.view())),
            RecordedEpilogue::None | RecordedEpilogue::Accumulate => None,
        }));
        args.extend(planes.iter().flatten().map(Arg::view));
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

    fn chain_kernel(&self, chain: Chain) -> Result<Kernel> {
        let mut kernels = self.chains.lock();
        if let Some(kernel) = kernels.get(&chain) {
            return Ok(kernel.clone());
        }
        // SAFETY: rows are clamped or skipped, columns end with the row, and activations are as long as the columns.
        let wgsl = unsafe { Wgsl::new(chain.text()).trusted() };
        let source = KernelSource::new(chain.name())
            .op("matvec_chain")
            .work(chain.work())
            .wgsl(wgsl);
        let overwritten = chain.overwritten();
        let source = overwritten.fold(source, KernelSource::overwrites);
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

impl Chain {
    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().flatten()
    }

    /// Whether there are queries, keys and values of a next layer.
    fn has_next(&self) -> bool {
        self.parts[NEXT].is_some()
    }

    fn slots(&self) -> Slots {
        Slots::new(Has {
            attention: self.attention.map(Step::is_normed),
            next: self.has_next(),
            biases: self.biases,
        })
    }

    /// The types of the weights, each once.
    fn types(&self) -> Vec<DType> {
        let mut types: Vec<DType> = Vec::new();
        for part in self.parts() {
            if !types.contains(&part.dtype) {
                types.push(part.dtype);
            }
        }
        types
    }

    fn name(&self) -> String {
        let before = self.attention.map_or("", |_| "attention_");
        let types = self.types();
        let types: Vec<&str> = types.iter().map(|dtype| dtype.name()).collect();
        format!("{before}matvec_chain_{}", types.join("_").to_lowercase())
    }

    /// Slots of which each dispatch writes every byte. Attention has read them before.
    fn overwritten(&self) -> impl Iterator<Item = u32> + use<> {
        let is_overwritten = self.attention.is_none() && self.has_next();
        let rows = self.slots().rows.into_iter();
        rows.filter(move |_| is_overwritten)
    }
}
