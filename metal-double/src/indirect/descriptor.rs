//! How indirect command buffers are described.

use std::cell::Cell;

use objc2::DefinedClass;
use objc2_metal::MTLIndirectCommandType;

use crate::object::made_by_name;

#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(super) types: Cell<usize>,
    pub(super) inherit_buffers: Cell<bool>,
    pub(super) inherit_pipeline: Cell<bool>,
    pub(super) buffers: Cell<usize>,
    pub(super) threadgroups: Cell<usize>,
}

made_by_name!(
    IndirectDescriptor,
    "MTLIndirectCommandBufferDescriptor",
    Described,
    {
        #[unsafe(method(commandTypes))]
        fn types(&self) -> MTLIndirectCommandType {
            MTLIndirectCommandType(self.ivars().types.get())
        }

        #[unsafe(method(setCommandTypes:))]
        fn set_types(&self, types: MTLIndirectCommandType) {
            self.ivars().types.set(types.0);
        }

        #[unsafe(method(inheritBuffers))]
        fn inherit_buffers(&self) -> bool {
            self.ivars().inherit_buffers.get()
        }

        #[unsafe(method(setInheritBuffers:))]
        fn set_inherit_buffers(&self, on: bool) {
            self.ivars().inherit_buffers.set(on);
        }

        #[unsafe(method(inheritPipelineState))]
        fn inherit_pipeline(&self) -> bool {
            self.ivars().inherit_pipeline.get()
        }

        #[unsafe(method(setInheritPipelineState:))]
        fn set_inherit_pipeline(&self, on: bool) {
            self.ivars().inherit_pipeline.set(on);
        }

        #[unsafe(method(maxKernelBufferBindCount))]
        fn buffers(&self) -> usize {
            self.ivars().buffers.get()
        }

        #[unsafe(method(setMaxKernelBufferBindCount:))]
        fn set_buffers(&self, count: usize) {
            self.ivars().buffers.set(count);
        }

        #[unsafe(method(maxKernelThreadgroupMemoryBindCount))]
        fn threadgroups(&self) -> usize {
            self.ivars().threadgroups.get()
        }

        #[unsafe(method(setMaxKernelThreadgroupMemoryBindCount:))]
        fn set_threadgroups(&self, count: usize) {
            self.ivars().threadgroups.set(count);
        }
    }
);
