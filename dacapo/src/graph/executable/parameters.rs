use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use bytemuck::NoUninit;

use crate::device::Device;
use crate::error::Result;
use crate::graph::executable::Update;
use crate::memory::{Buffer, BufferOptions, BufferView, MemoryKind};

/// Values in device memory that kernels bind and launches update, such as a position and a token: what would otherwise
/// be inline constants, which cannot change from one launch to the next without recording.
///
/// It dereferences to the view of its bytes.
///
/// ```
/// # use dacapo::{Device, DeviceOptions, Graph, Launch, MemoryKind, PlanOptions, ParameterBlock};
/// # let device = Device::open(&DeviceOptions::default())?;
/// let parameters = ParameterBlock::new(&device, "step", &[0u32; 2])?;
/// let seen = device.buffer(8, MemoryKind::DeviceLocal)?;
/// let graph = Graph::capture(&device, |encoder| encoder.copy(&parameters, &seen))?;
/// let executable = graph.plan(&PlanOptions::default())?.instantiate()?;
/// let launch = executable.launch_with(&Launch {
///     updates: &[parameters.update(&[7, 9])],
///     ..Launch::default()
/// })?;
/// launch.wait()?;
/// assert_eq!(seen.read::<u32>()?, [7, 9]);
/// # Ok::<(), dacapo::Error>(())
/// ```
pub struct ParameterBlock<P> {
    buffer: Buffer,
    values: PhantomData<fn(P)>,
}

impl<P: NoUninit> ParameterBlock<P> {
    /// A block with these values.
    ///
    /// # Errors
    /// Those of [`Device::buffer`], for example for a type without bytes.
    pub fn new(device: &Device, label: &str, values: &P) -> Result<ParameterBlock<P>> {
        let buffer = device.buffer_with(&BufferOptions {
            len: size_of::<P>() as u64,
            kind: MemoryKind::DeviceLocal,
            label,
        })?;
        buffer.write(core::slice::from_ref(values))?;
        Ok(ParameterBlock {
            buffer,
            values: PhantomData,
        })
    }

    /// What gives the block these values in a launch.
    pub fn update<'a>(&'a self, values: &'a P) -> Update<'a> {
        Update::new(&self.buffer, core::slice::from_ref(values))
    }
}

impl<P> Deref for ParameterBlock<P> {
    type Target = BufferView;

    fn deref(&self) -> &BufferView {
        &self.buffer
    }
}

impl<P> fmt::Debug for ParameterBlock<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParameterBlock({:?})", self.buffer)
    }
}
