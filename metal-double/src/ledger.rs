//! Live objects per class, and the bytes of buffers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! classes {
    ($($class:ident => $name:literal),* $(,)?) => {
        /// Classes whose objects are counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Class { $(#[doc = $name] $class),* }

        /// The classes' names, as protocols of Metal.
        pub const NAMES: &[&str] = &[$($name),*];
    };
}

classes! {
    Device => "MTLDevice",
    Buffer => "MTLBuffer",
    Library => "MTLLibrary",
    Function => "MTLFunction",
    Pipeline => "MTLComputePipelineState",
    Queue => "MTLCommandQueue",
    CommandBuffer => "MTLCommandBuffer",
    ComputeEncoder => "MTLComputeCommandEncoder",
    BlitEncoder => "MTLBlitCommandEncoder",
    IndirectCommandBuffer => "MTLIndirectCommandBuffer",
    IndirectCommand => "MTLIndirectComputeCommand",
    ResidencySet => "MTLResidencySet",
    CounterSampleBuffer => "MTLCounterSampleBuffer",
    Event => "MTLEvent",
    SharedEvent => "MTLSharedEvent",
    Fence => "MTLFence",
    BinaryArchive => "MTLBinaryArchive",
}

static LIVE: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

/// Objects of the class (a name of [`NAMES`]) that live now; none for a name that is not there.
pub fn live(name: &str) -> Option<u64> {
    let index = NAMES.iter().position(|known| *known == name)?;
    Some(LIVE[index].load(Ordering::SeqCst))
}

/// Counts one object from its making to its deallocation.
#[derive(Debug)]
pub(crate) struct Live(Class);

impl Live {
    pub(crate) fn new(class: Class) -> Self {
        LIVE[class as usize].fetch_add(1, Ordering::Relaxed);
        Self(class)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE[self.0 as usize].fetch_sub(1, Ordering::Relaxed);
    }
}
