//! Compute pipelines and what describes them.

mod descriptor;

pub(crate) use descriptor::{ComputePipelineDescriptor, Properties, function_of, no_reflection};

use descriptor::{BufferDescriptor, BufferDescriptorArray};

use std::sync::Arc;

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::NSString;
use objc2_metal::{
    MTLAllocation, MTLComputePipelineState, MTLDevice, MTLPipelineOption, MTLShaderValidation,
    MTLSize,
};

use crate::counts::{self, Count};
use crate::device::{Device, EXECUTION_WIDTH, MAX_THREADGROUP_MEMORY, MAX_THREADS};
use crate::errors::{ErrorSlot, refuse};
use crate::faults::{Call, strikes};
use crate::held::{Core, Held, Lifetime};
use crate::ledger::{Class, Live};
use crate::library::Function;
use crate::msl;
use crate::object::{Owned, make};
use crate::root::Root;
use crate::rules;

const DOMAIN: &str = "CompilerError";

/// Makes the classes that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = (
        ComputePipelineDescriptor::class(),
        BufferDescriptor::class(),
        BufferDescriptorArray::class(),
    );
}

/// What a dispatch needs to know of its pipeline.
#[derive(Debug)]
pub(crate) struct PipelineCore {
    lifetime: Lifetime,
    pub(crate) function: Arc<msl::Function>,
    pub(crate) name: Arc<str>,
    /// Indices of buffers that the kernel takes, as bits.
    pub(crate) needed: u32,
    /// Those in the constant address space.
    pub(crate) constant: u32,
    /// Those that the kernel may write.
    pub(crate) writes: u32,
    /// Indices of threadgroup memory whose length the encoder gives.
    pub(crate) threadgroup_needed: u32,
    pub(crate) static_threadgroup_bytes: usize,
    pub(crate) max_threads: usize,
    pub(crate) whole_simdgroups: bool,
    pub(crate) indirect: bool,
}

impl Held for PipelineCore {
    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }
}

#[derive(Debug)]
pub(crate) struct PipelineIvars {
    core: Core<PipelineCore>,
    device: Retained<Device>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLComputePipelineState"]
    #[ivars = PipelineIvars]
    #[derive(Debug)]
    pub(crate) struct Pipeline;

    unsafe impl NSObjectProtocol for Pipeline {}

    unsafe impl MTLAllocation for Pipeline {
        #[unsafe(method(allocatedSize))]
        fn allocated_size(&self) -> usize {
            0
        }
    }

    unsafe impl MTLComputePipelineState for Pipeline {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.core().lifetime.label.lock()))
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method(maxTotalThreadsPerThreadgroup))]
        fn max_total_threads(&self) -> usize {
            self.core().max_threads
        }

        #[unsafe(method(threadExecutionWidth))]
        fn thread_execution_width(&self) -> usize {
            EXECUTION_WIDTH
        }

        #[unsafe(method(staticThreadgroupMemoryLength))]
        fn static_threadgroup_memory(&self) -> usize {
            self.core().static_threadgroup_bytes
        }

        #[unsafe(method(supportIndirectCommandBuffers))]
        fn support_indirect(&self) -> bool {
            self.core().indirect
        }

        #[unsafe(method(shaderValidation))]
        fn shader_validation(&self) -> MTLShaderValidation {
            MTLShaderValidation::Default
        }

        #[unsafe(method(imageblockMemoryLengthForDimensions:))]
        fn imageblock_memory(&self, _dimensions: MTLSize) -> usize {
            0
        }
    }
);

// SAFETY: nothing changes once it is made.
unsafe impl Send for Pipeline {}
// SAFETY: as above.
unsafe impl Sync for Pipeline {}

impl Pipeline {
    pub(crate) fn core(&self) -> &Arc<PipelineCore> {
        &self.ivars().core.0
    }

    /// A pipeline of a function, as the descriptor's properties want it.
    pub(crate) fn build(
        device: &Device,
        function: &Function,
        wanted: &Properties,
        options: MTLPipelineOption,
        error: ErrorSlot,
    ) -> Option<Retained<Self>> {
        const PLACE: &str =
            "-[MTLDebugDevice newComputePipelineStateWithDescriptor:options:reflection:error:]";
        counts::count(Count::Pipelines);
        if strikes(Call::Pipeline) {
            refuse(error, DOMAIN, 2, "the compiler was made to fail");
            return None;
        }
        let source = function.ivars();
        if source.device.number() != device.number() {
            rules::fail(
                PLACE,
                format_args!("function {} was created on another device", source.name),
            );
            return None;
        }
        if !device.finds_in_archives(&wanted.archives.borrow(), source.key)
            && options.0 & MTLPipelineOption::FailOnBinaryArchiveMiss.0 != 0
        {
            refuse(
                error,
                DOMAIN,
                3,
                &format!("function {} is in none of the binary archives", source.name),
            );
            return None;
        }
        let compiled = &source.compiled;
        let asked = wanted.max_threads.get();
        let own = compiled
            .max_total_threads()
            .map_or(MAX_THREADS, |threads| threads as usize);
        if asked > MAX_THREADS {
            refuse(
                error,
                DOMAIN,
                3,
                &format!("maxTotalThreadsPerThreadgroup ({asked}) must be <= {MAX_THREADS}"),
            );
            return None;
        }
        let static_threadgroup_bytes = compiled.static_threadgroup_bytes() as usize;
        if static_threadgroup_bytes > MAX_THREADGROUP_MEMORY {
            let text = format!(
                "Threadgroup memory size ({static_threadgroup_bytes}) exceeds the maximum threadgroup memory allowed ({MAX_THREADGROUP_MEMORY})"
            );
            refuse(error, DOMAIN, 3, &text);
            return None;
        }
        let bits = |wanted: fn(&msl::BufferArgument) -> bool| {
            compiled
                .buffers()
                .iter()
                .filter(|buffer| wanted(buffer))
                .fold(0, |bits, buffer| bits | 1 << buffer.index)
        };
        let lifetime = Lifetime::new("pipeline", device.number());
        lifetime.label.lock().clone_from(&wanted.label.borrow());
        let core = PipelineCore {
            lifetime,
            function: compiled.clone(),
            name: source.name.as_str().into(),
            needed: bits(|_| true),
            constant: bits(|buffer| buffer.constant),
            writes: bits(|buffer| buffer.writes),
            threadgroup_needed: compiled
                .threadgroups()
                .iter()
                .filter(|t| t.bytes.is_none())
                .fold(0, |bits, t| bits | 1 << t.index),
            static_threadgroup_bytes,
            max_threads: if asked == 0 { own } else { asked.min(own) },
            whole_simdgroups: wanted.whole_simdgroups.get(),
            indirect: wanted.indirect.get(),
        };
        let ivars = PipelineIvars {
            core: Core::new(core),
            device: device.retain(),
            _live: Live::new(Class::Pipeline),
        };
        Some(make::<Pipeline>(ivars))
    }
}
