//! How compute pipelines are described.

use std::cell::{Cell, RefCell};

use objc2::rc::Retained;
use objc2::runtime::{AnyObject, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, msg_send};
use objc2_foundation::{NSArray, NSString};
use objc2_metal::{MTLFunction, MTLMutability, MTLShaderValidation};

use crate::archive::BinaryArchive;
use crate::library::Function;
use crate::object::{Owned, made_by_name};

/// What a descriptor says.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    pub(super) label: RefCell<String>,
    pub(crate) function: RefCell<Option<Retained<Function>>>,
    pub(super) max_threads: Cell<usize>,
    pub(super) whole_simdgroups: Cell<bool>,
    pub(super) indirect: Cell<bool>,
    pub(super) archives: RefCell<Vec<Retained<BinaryArchive>>>,
    pub(super) buffers: RefCell<Option<Retained<BufferDescriptorArray>>>,
}

made_by_name!(
    ComputePipelineDescriptor,
    "MTLComputePipelineDescriptor",
    Properties,
    {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.borrow()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.borrow_mut() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(computeFunction))]
        fn function(&self) -> Option<Owned<dyn MTLFunction>> {
            self.ivars()
                .function
                .borrow()
                .clone()
                .map(ProtocolObject::from_retained)
        }

        #[unsafe(method(setComputeFunction:))]
        fn set_function(&self, function: Option<&Function>) {
            *self.ivars().function.borrow_mut() = function.map(Message::retain);
        }

        #[unsafe(method(threadGroupSizeIsMultipleOfThreadExecutionWidth))]
        fn whole_simdgroups(&self) -> bool {
            self.ivars().whole_simdgroups.get()
        }

        #[unsafe(method(setThreadGroupSizeIsMultipleOfThreadExecutionWidth:))]
        fn set_whole_simdgroups(&self, on: bool) {
            self.ivars().whole_simdgroups.set(on);
        }

        #[unsafe(method(maxTotalThreadsPerThreadgroup))]
        fn max_threads(&self) -> usize {
            self.ivars().max_threads.get()
        }

        #[unsafe(method(setMaxTotalThreadsPerThreadgroup:))]
        fn set_max_threads(&self, threads: usize) {
            self.ivars().max_threads.set(threads);
        }

        #[unsafe(method(supportIndirectCommandBuffers))]
        fn indirect(&self) -> bool {
            self.ivars().indirect.get()
        }

        #[unsafe(method(setSupportIndirectCommandBuffers:))]
        fn set_indirect(&self, on: bool) {
            self.ivars().indirect.set(on);
        }

        #[unsafe(method(setBinaryArchives:))]
        fn set_archives(&self, archives: Option<&NSArray>) {
            let archives = archives.map(NSArray::to_vec).unwrap_or_default();
            *self.ivars().archives.borrow_mut() = archives
                .into_iter()
                .filter_map(|archive| Retained::downcast::<BinaryArchive>(archive).ok())
                .collect();
        }

        #[unsafe(method(setShaderValidation:))]
        fn set_shader_validation(&self, _validation: MTLShaderValidation) {}

        #[unsafe(method_id(buffers))]
        fn buffers(&self) -> Retained<BufferDescriptorArray> {
            let mut buffers = self.ivars().buffers.borrow_mut();
            // SAFETY: new takes nothing and returns the object.
            buffers
                .get_or_insert_with(|| unsafe { msg_send![BufferDescriptorArray::class(), new] })
                .clone()
        }

        #[unsafe(method(reset))]
        fn reset(&self) {
            let empty = Properties::default();
            let own = self.ivars();
            own.label.swap(&empty.label);
            own.function.swap(&empty.function);
            own.max_threads.set(0);
            own.whole_simdgroups.set(false);
            own.indirect.set(false);
            own.archives.swap(&empty.archives);
            own.buffers.swap(&empty.buffers);
        }
    }
);

made_by_name!(
    BufferDescriptor,
    "MTLPipelineBufferDescriptor",
    Cell<usize>,
    {
        #[unsafe(method(mutability))]
        fn mutability(&self) -> MTLMutability {
            MTLMutability(self.ivars().get())
        }

        #[unsafe(method(setMutability:))]
        fn set_mutability(&self, mutability: MTLMutability) {
            self.ivars().set(mutability.0);
        }
    }
);

made_by_name!(
    BufferDescriptorArray,
    "MTLPipelineBufferDescriptorArray",
    RefCell<Vec<Retained<BufferDescriptor>>>,
    {
        #[unsafe(method_id(objectAtIndexedSubscript:))]
        fn at(&self, index: usize) -> Retained<BufferDescriptor> {
            let mut buffers = self.ivars().borrow_mut();
            while buffers.len() <= index.min(30) {
                // SAFETY: new takes nothing and returns the object.
                buffers.push(unsafe { msg_send![BufferDescriptor::class(), new] });
            }
            buffers[index.min(30)].clone()
        }
    }
);

/// The function of a descriptor, for those who take one.
pub(crate) fn function_of(descriptor: &ComputePipelineDescriptor) -> Option<Retained<Function>> {
    descriptor.ivars().function.borrow().clone()
}

/// Writes that nothing is known to an out-parameter for reflection.
pub(crate) fn no_reflection(slot: *mut *mut AnyObject) {
    if !slot.is_null() {
        // SAFETY: a slot that is not nil can be written.
        unsafe { slot.write(std::ptr::null_mut()) };
    }
}
