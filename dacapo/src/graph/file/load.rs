//! From a file to a graph. What a stranger's file asks for goes through the same checks as live encoding.

use crate::arg::{Arg, Value};
use crate::device::Device;
use crate::encoder::CommandEncoder;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::graph::file::{
    BufferKey, FileBuffer, FileGrid, FileKernel, FileNode, FileSource, FileView, GraphFile,
    GraphFileError,
};
use crate::graph::node::{ScopeId, ScopeLabel};
use crate::grid::Grid;
use crate::kernel::{Forms, Kernel, KernelSource, Wgsl};
use crate::memory::{BufferOptions, BufferView};
use crate::profile::WorkFn;

/// A graph that was made of a capture file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadedGraph {
    /// The graph.
    pub graph: Graph,
    /// What its nodes bind, in the order of [`GraphFile::buffers`]: given by the caller, or allocated.
    pub buffers: Vec<BufferView>,
}

/// What a file's kernels may be made of.
#[derive(Clone, Copy)]
struct Trust<'s> {
    /// Whether WGSL that says so is compiled without checks.
    wgsl: bool,
    natives: &'s [KernelSource],
}

impl GraphFile<'_> {
    /// Makes a graph for `device` of the file. It binds the views of `given`, as long as the file's buffers; other
    /// buffers are allocated, with their stored contents or else zeros.
    ///
    /// Kernels in WGSL are compiled with checks, also those that were captured without, so that a file can do no more
    /// than give wrong results in its own buffers. Native kernels, for the processor and in Metal's language, are not in
    /// the file: on the processor, nothing runs but copies and fills. [`GraphFile::load_trusted`] does more.
    ///
    /// # Errors
    /// [`GraphFileError`] where `given` does not fit, or a node is refused as it would be in live encoding;
    /// [`Error::OverBudget`] before anything is allocated; [`Error::UnsupportedKernel`] for kernels that offer nothing
    /// that the device runs, [`Error::InvalidKernel`] for those that cannot be compiled.
    pub fn load(
        &self,
        device: &Device,
        given: &[(BufferKey<'_>, &BufferView)],
    ) -> Result<LoadedGraph> {
        let trust = Trust {
            wgsl: false,
            natives: &[],
        };
        self.load_with(device, given, trust)
    }

    /// As [`GraphFile::load`], with the file's kernels as they were captured: WGSL that was trusted is compiled without
    /// checks, and native forms are those of `natives` that have the same name and the same declaration, such as those
    /// that the device has compiled ([`Device::kernel_sources`]). Kernels that are the same as one of `natives` account for
    /// their work as that does; all others are taken to read and write what they bind.
    ///
    /// # Safety
    /// The file comes from somebody whose code may run in this process: its kernels, with its arguments, stay inside
    /// their buffers, and workgroups of a native kernel do not write where others read or write.
    ///
    /// # Errors
    /// As for [`GraphFile::load`].
    #[allow(
        unsafe_code,
        reason = "the caller vouches for what safe loading does not let a file do"
    )]
    pub unsafe fn load_trusted(
        &self,
        device: &Device,
        given: &[(BufferKey<'_>, &BufferView)],
        natives: &[KernelSource],
    ) -> Result<LoadedGraph> {
        let trust = Trust {
            wgsl: true,
            natives,
        };
        self.load_with(device, given, trust)
    }

    fn load_with(
        &self,
        device: &Device,
        given: &[(BufferKey<'_>, &BufferView)],
        trust: Trust<'_>,
    ) -> Result<LoadedGraph> {
        let given = self.given(device, given)?;
        self.check_budget(device, &given)?;
        self.check_subgroups(device)?;
        let kernels = self.kernels.iter();
        let kernels = kernels.map(|kernel| match kernel {
            FileKernel::Copy | FileKernel::Fill => Ok(None),
            FileKernel::Source(source) => source.compile(device, trust).map(Some),
        });
        let kernels = kernels.collect::<Result<Vec<Option<Kernel>>>>()?;
        let buffers = self.buffers.iter().zip(given).map(|(buffer, given)| {
            let allocate = || buffer.allocate(device);
            given.map_or_else(allocate, Ok)
        });
        let buffers = buffers.collect::<Result<Vec<BufferView>>>()?;
        let mut graph = Graph::capture_with(device, Some(self.hazards), |encoder| {
            self.encode(encoder, &kernels, &buffers)
        })?;
        for (node, captured) in self.nodes.iter().zip(&mut graph.nodes) {
            captured.scope = node.scope.map(ScopeId);
        }
        let scopes = self.scopes.iter().map(|scope| ScopeLabel {
            parent: scope.parent.map(ScopeId),
            label: scope.label.to_owned(),
        });
        graph.scopes = scopes.collect();
        Ok(LoadedGraph { graph, buffers })
    }

    /// Refuses a file that asks for more memory than there is.
    fn check_budget(&self, device: &Device, given: &[Option<BufferView>]) -> Result<()> {
        let missing = self.buffers.iter().zip(given);
        let missing = missing.filter(|(_, given)| given.is_none());
        let asked = missing.fold(0u64, |sum, (buffer, _)| sum.saturating_add(buffer.size));
        let memory = device.memory_budget();
        match asked <= memory.budget.saturating_sub(memory.used) {
            true => Ok(()),
            false => Err(Error::OverBudget {
                asked,
                kind: crate::MemoryKind::DeviceLocal,
                used: memory.used,
                budget: memory.budget,
            }),
        }
    }

    /// Refuses kernels whose work was cut up for subgroups of another size.
    fn check_subgroups(&self, device: &Device) -> Result<()> {
        let (Some(captured), Some(gpu)) = (self.subgroup_size, device.gpu()) else {
            return Ok(());
        };
        let found = gpu.subgroup_size;
        let depends = |wgsl: &Wgsl| {
            let text = &wgsl.text;
            text.contains("subgroup") || text.contains("SUBGROUP_SIZE")
        };
        let kernel = self.kernels.iter().find(|kernel| match kernel {
            FileKernel::Source(source) => source.wgsl.as_ref().is_some_and(depends),
            _ => false,
        });
        match kernel {
            Some(kernel) if captured != found => Err(GraphFileError::SubgroupSize {
                kernel: kernel.name().into(),
                captured,
                found,
            }
            .into()),
            _ => Ok(()),
        }
    }

    fn encode(
        &self,
        encoder: &mut CommandEncoder,
        kernels: &[Option<Kernel>],
        buffers: &[BufferView],
    ) -> Result<()> {
        let mut discards = self.discards.iter().peekable();
        for index in 0..=self.nodes.len() {
            while let Some(discard) = discards.next_if(|it| it.after as usize == index) {
                encoder.discard(&discard.view.of(buffers)?)?;
            }
            let Some(node) = self.nodes.get(index) else {
                break;
            };
            if node.barrier_before {
                encoder.barrier();
            }
            let kernel = kernels[node.kernel as usize].as_ref();
            let encoded = match kernel {
                Some(kernel) => node.encode(encoder, kernel, buffers),
                None => self.encode_transfer(node, encoder, buffers),
            };
            encoded.map_err(|error| GraphFileError::Node {
                index,
                error: Box::new(error),
            })?;
        }
        if self.ends_with_barrier {
            encoder.barrier();
        }
        Ok(())
    }

    fn encode_transfer(
        &self,
        node: &FileNode<'_>,
        encoder: &mut CommandEncoder,
        buffers: &[BufferView],
    ) -> Result<()> {
        let kernel = &self.kernels[node.kernel as usize];
        match (kernel, &node.args[..], &*node.inline) {
            (FileKernel::Copy, [(0, source), (1, target)], []) => {
                encoder.copy(&source.of(buffers)?, &target.of(buffers)?)
            }
            (FileKernel::Fill, [(0, target)], [value, 0, 0, 0]) => {
                encoder.fill(&target.of(buffers)?, *value)
            }
            _ => {
                let (kernel, allowed) = match kernel {
                    FileKernel::Copy => ("copy", "slots 0 and 1, and no inline bytes"),
                    _ => (
                        "fill",
                        "slot 0, and inline bytes below 256 as one number of four bytes",
                    ),
                };
                let slots: Vec<u32> = node.args.iter().map(|(slot, _)| *slot).collect();
                let found = format!("slots {slots:?} and inline bytes {:?}", node.inline).into();
                Err(GraphFileError::Transfer {
                    kernel,
                    found,
                    allowed,
                }
                .into())
            }
        }
    }
}

impl FileNode<'_> {
    fn encode(
        &self,
        encoder: &mut CommandEncoder,
        kernel: &Kernel,
        buffers: &[BufferView],
    ) -> Result<()> {
        let views = self.args.iter();
        let views = views.map(|(slot, view)| Ok((*slot, view.of(buffers)?)));
        let views = views.collect::<Result<Vec<(u32, BufferView)>>>()?;
        let args = views.iter();
        let mut args: Vec<Arg<'_>> = args
            .map(|(slot, view)| Arg::view(view).slot(*slot))
            .collect();
        args.push(Arg {
            slot: None,
            value: Value::Bytes(&self.inline),
        });
        let indirect;
        let grid = match &self.grid {
            FileGrid::Groups(groups) => Grid::groups(*groups),
            FileGrid::Threads(threads) => Grid::threads(*threads),
            FileGrid::Indirect(view) => {
                indirect = view.of(buffers)?;
                Grid::indirect(&indirect)
            }
        };
        encoder.dispatch(
            kernel,
            &args[..],
            grid.with_shared_memory(self.shared_bytes),
        )
    }
}

impl FileView {
    /// This of the buffers that stand for the file's.
    fn of(&self, buffers: &[BufferView]) -> Result<BufferView> {
        buffers[self.buffer as usize].slice(self.range.start..self.range.end)
    }
}

impl FileBuffer<'_> {
    fn allocate(&self, device: &Device) -> Result<BufferView> {
        let buffer = device.buffer_with(&BufferOptions {
            len: self.size,
            kind: self.kind,
            label: self.label,
        })?;
        for (start, bytes) in &self.extents {
            let end = start + bytes.len() as u64;
            buffer.slice(*start..end)?.write(bytes)?;
        }
        let buffer = match self.read_only {
            true => buffer.into_read_only(),
            false => buffer,
        };
        Ok((*buffer).clone())
    }
}

impl FileSource<'_> {
    fn compile(&self, device: &Device, trust: Trust<'_>) -> Result<Kernel> {
        let wgsl = self.wgsl.clone().map(|wgsl| Wgsl {
            trusted: wgsl.trusted && trust.wgsl,
            ..wgsl
        });
        let source = KernelSource::captured(
            self.name.to_owned(),
            self.op.to_owned(),
            self.interface.clone(),
            Forms {
                wgsl,
                ..self.natives_in(trust.natives)
            },
            self.work_in(trust.natives),
        );
        device.kernel(&source).map_err(|error| match error {
            Error::UnsupportedKernel {
                kernel,
                device,
                takes,
                ..
            } => Error::UnsupportedKernel {
                kernel,
                offered: self.offered().into(),
                device,
                takes,
            },
            other => other,
        })
    }

    /// The native forms that this had: those of the first source with any that is the same kernel.
    fn natives_in(&self, natives: &[KernelSource]) -> Forms {
        let same = |source: &&KernelSource| {
            self.native && self.is_declared_as(source) && source.has_native_form()
        };
        let mut same = natives.iter().filter(same);
        same.next().map_or_else(Forms::default, |source| Forms {
            cpu: source.cpu_entry(),
            wgsl: None,
            msl: source.msl_form().cloned(),
        })
    }

    /// How a kernel accounts for its work is not in the file, but that of the same kernel holds for it.
    fn work_in(&self, sources: &[KernelSource]) -> Option<WorkFn> {
        let same = |source: &&KernelSource| {
            self.is_declared_as(source) && self.wgsl.as_ref() == source.wgsl_form()
        };
        let mut same = sources.iter().filter(same);
        same.find_map(KernelSource::work_fn)
    }

    fn is_declared_as(&self, source: &KernelSource) -> bool {
        source.name() == self.name && *source.interface() == self.interface
    }

    fn offered(&self) -> &'static str {
        match (self.native, &self.wgsl) {
            (true, Some(_)) => "WGSL, and a native form that is not in the file",
            (true, None) => "a native form that is not in the file",
            (false, Some(_)) => "WGSL",
            (false, None) => "no form at all",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "names kernels that run without checks")]

    use super::*;
    use crate::access::Access;
    use crate::kernel::Msl;

    fn source(name: &'static str) -> KernelSource {
        KernelSource::new(name).binding::<f32>(0, Access::Read)
    }

    #[test]
    fn native_forms_are_those_of_the_same_kernel() {
        // SAFETY: nothing here is run.
        let msl = unsafe { Msl::new("text", "entry") };
        let natives = [
            source("other").msl(msl.clone()),
            source("kernel"),
            source("kernel").msl(msl.clone()),
        ];
        let of_file = |native| FileSource {
            name: "kernel",
            op: "kernel",
            interface: source("kernel").interface().clone(),
            native,
            wgsl: None,
        };
        let found = of_file(true).natives_in(&natives);
        assert_eq!((found.cpu, found.msl), (None, Some(msl)));
        assert_eq!(of_file(false).natives_in(&natives).msl, None);
        assert_eq!(of_file(true).natives_in(&natives[..2]).msl, None);
    }
}
