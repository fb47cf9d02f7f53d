//! What kernels of matrix-vector products are made for.

use dacapo::{Access, KernelSource, SharedMemory};

use super::cpu;
use crate::gelu_mul::Form;
use crate::linear::Activation;
use crate::linear::slots::{INPUT, MATRICES, NORM, Put, SLOTS};

/// Most bytes of shared memory: far more than rows of models take.
const MAX_SHARED: u32 = 4 << 20;

/// What a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    pub(super) job: Job,
    /// Activations are normed on the way in.
    pub(super) norm: bool,
}

/// What becomes of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Job {
    /// Each of up to three matrices has its own output.
    Each([Option<Put>; MATRICES]),
    /// Matrix 0 is the gate of matrix 1.
    Gated(Activation),
}

impl Job {
    pub(super) fn puts(self) -> [Option<Put>; MATRICES] {
        match self {
            Job::Each(puts) => puts,
            Job::Gated(_) => [Some(Put::Plain), None, None],
        }
    }

    pub(super) fn activation(self) -> Option<Activation> {
        match self {
            Job::Each(_) => None,
            Job::Gated(activation) => Some(activation),
        }
    }
}

impl Variant {
    /// One matrix, and nothing before it.
    pub(super) fn single(put: Put) -> Variant {
        Variant {
            job: Job::Each([Some(put), None, None]),
            norm: false,
        }
    }

    /// The inverse of [`Variant::single`].
    pub(super) fn as_single(&self) -> Option<Put> {
        match self.job {
            Job::Each([Some(put), None, None]) if !self.norm => Some(put),
            _ => None,
        }
    }

    fn op(&self) -> &'static str {
        match self.job {
            Job::Gated(_) => "matvec_gate_up",
            Job::Each([_, Some(_), _]) => "matvec_each",
            Job::Each([Some(Put::Add), ..]) => "matvec_add",
            Job::Each(_) => "matvec",
        }
    }

    fn name(&self) -> String {
        let mut name = self.op().to_owned();
        name.push_str(match self.job {
            Job::Each(puts) if puts.contains(&Some(Put::Bias)) => "_bias",
            Job::Each(_) => "",
            Job::Gated(Activation::Silu) => "_silu",
            Job::Gated(Activation::Gelu(Form::Tanh)) => "_gelu_tanh",
            Job::Gated(Activation::Gelu(Form::Erf)) => "_gelu_erf",
        });
        if self.norm {
            name.push_str("_normed");
        }
        name
    }

    pub(super) fn source(&self) -> KernelSource {
        let source = KernelSource::new(self.name())
            .op(self.op())
            .binding::<f32>(INPUT, Access::Read)
            .inline::<cpu::Params>()
            .shared_memory(SharedMemory::Dynamic { max: MAX_SHARED });
        let weights =
            |source: KernelSource, at: usize| source.binding::<u8>(SLOTS[at].first, Access::Read);
        let (source, entry) = match self.job {
            Job::Each(puts) => {
                let each = (0..MATRICES)
                    .zip(puts)
                    .filter_map(|(at, put)| Some((at, put?)));
                let bind = |source, (at, put): (usize, _)| SLOTS[at].bind(weights(source, at), put);
                (each.fold(source, bind), cpu::each as dacapo::CpuEntry)
            }
            Job::Gated(_) => {
                let source = weights(weights(source, 0), 1);
                (SLOTS[0].bind(source, Put::Plain), cpu::gated as _)
            }
        };
        let source = match self.norm {
            true => source.binding::<f32>(NORM, Access::Read),
            false => source,
        };
        source.work(cpu::work).cpu(entry)
    }
}

const ACTIVATIONS: [Activation; 3] = [
    Activation::Silu,
    Activation::Gelu(Form::Tanh),
    Activation::Gelu(Form::Erf),
];

/// As kernels receive an activation.
pub(super) fn number(activation: Activation) -> u32 {
    match activation {
        Activation::Silu => 0,
        Activation::Gelu(Form::Tanh) => 1,
        Activation::Gelu(Form::Erf) => 2,
    }
}

/// The inverse of [`number`].
pub(super) fn activation(number: u32) -> Option<Activation> {
    ACTIVATIONS.get(number as usize).copied()
}
