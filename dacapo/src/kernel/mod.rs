//! Kernels: what they are made from, what they bind, and the compiled result.

mod builtin;
mod interface;
mod msl;
mod registry;
mod source;
mod wgsl;

use core::fmt;
use std::sync::{Arc, Weak};

use crate::backend;
use crate::device::DeviceCore;
use crate::encoder::Uses;
use crate::hazard::RangeAccess;
use crate::profile::{Dispatched, Work};

pub use crate::backend::cpu::{CpuEntry, KernelFault, Workgroup};
pub(crate) use builtin::Builtins;
pub use interface::{Binding, Interface, SharedMemory};
pub use msl::{Msl, MslConstant, MslValue};
pub(crate) use registry::Registry;
pub use source::KernelSource;
pub(crate) use source::{Forms, Transfer};
pub use wgsl::Wgsl;

/// A kernel compiled for one device. Cheap to clone.
#[derive(Clone)]
pub struct Kernel(Arc<KernelInner>);

struct KernelInner {
    source: KernelSource,
    /// The source's names, to be kept by profiles.
    name: Arc<str>,
    op: Arc<str>,
    /// That of the form that was compiled.
    interface: Interface,
    pipeline: Box<dyn backend::Pipeline>,
    device: Weak<DeviceCore>,
}

impl Kernel {
    pub(crate) fn new(
        source: &KernelSource,
        compiled: backend::Compiled,
        device: &Arc<DeviceCore>,
    ) -> Kernel {
        Kernel(Arc::new(KernelInner {
            source: source.clone(),
            name: source.name().into(),
            op: source.op_kind().into(),
            interface: compiled.interface,
            pipeline: compiled.pipeline,
            device: Arc::downgrade(device),
        }))
    }

    /// The name given by its source.
    pub fn name(&self) -> &str {
        self.0.source.name()
    }

    /// The kind of operation it performs, for fusion rules and profiles.
    pub fn op_kind(&self) -> &str {
        self.0.source.op_kind()
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.0.name.clone()
    }

    pub(crate) fn shared_op(&self) -> Arc<str> {
        self.0.op.clone()
    }

    /// What it was compiled from.
    pub fn source(&self) -> &KernelSource {
        &self.0.source
    }

    /// What it binds and how.
    pub fn interface(&self) -> &Interface {
        &self.0.interface
    }

    /// What a dispatch of it has to do, as its source says; or else to read and write all that is bound, once.
    pub fn work_of(&self, call: &Dispatched<'_>) -> Work {
        self.0.source.work_within(&self.0.interface, call)
    }

    /// What a dispatch of it touches, of what its arguments reach.
    pub(crate) fn uses<'a>(&self, accesses: &'a [RangeAccess]) -> Uses<'a> {
        match self.0.interface.touches_anything {
            true => Uses::Anything,
            false => Uses::Ranges(accesses),
        }
    }

    pub(crate) fn pipeline(&self) -> &dyn backend::Pipeline {
        &*self.0.pipeline
    }

    /// What is the same for two handles of one kernel, and of no other.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    pub(crate) fn belongs_to(&self, device: &Arc<DeviceCore>) -> bool {
        core::ptr::eq(self.0.device.as_ptr(), Arc::as_ptr(device))
    }
}

impl PartialEq for Kernel {
    /// Whether both are the same compiled kernel.
    fn eq(&self, other: &Kernel) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Kernel {}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({})", self.name())
    }
}
