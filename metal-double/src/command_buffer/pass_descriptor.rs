//! How compute passes are described: their type, and where they write timestamps.

use std::cell::{Cell, RefCell};

use objc2::rc::Retained;
use objc2::{ClassType, DefinedClass, Message, msg_send};
use objc2_metal::MTLDispatchType;

use crate::counters::SampleBuffer;
use crate::object::made_by_name;
use crate::rules::fail;

#[derive(Debug, Default)]
pub(crate) struct Attachment {
    pub(super) samples: RefCell<Option<Retained<SampleBuffer>>>,
    pub(super) start: Cell<usize>,
    pub(super) end: Cell<usize>,
}

made_by_name!(
    SampleAttachment,
    "MTLComputePassSampleBufferAttachmentDescriptor",
    Attachment,
    {
        #[unsafe(method_id(sampleBuffer))]
        fn samples(&self) -> Option<Retained<SampleBuffer>> {
            self.ivars().samples.borrow().clone()
        }

        #[unsafe(method(setSampleBuffer:))]
        fn set_samples(&self, samples: Option<&SampleBuffer>) {
            *self.ivars().samples.borrow_mut() = samples.map(Message::retain);
        }

        #[unsafe(method(startOfEncoderSampleIndex))]
        fn start(&self) -> usize {
            self.ivars().start.get()
        }

        #[unsafe(method(setStartOfEncoderSampleIndex:))]
        fn set_start(&self, index: usize) {
            self.ivars().start.set(index);
        }

        #[unsafe(method(endOfEncoderSampleIndex))]
        fn end(&self) -> usize {
            self.ivars().end.get()
        }

        #[unsafe(method(setEndOfEncoderSampleIndex:))]
        fn set_end(&self, index: usize) {
            self.ivars().end.set(index);
        }
    }
);

/// Attachments of a pass.
pub(super) const ATTACHMENTS: usize = 4;

made_by_name!(
    SampleAttachments,
    "MTLComputePassSampleBufferAttachmentDescriptorArray",
    RefCell<Vec<Retained<SampleAttachment>>>,
    {
        #[unsafe(method_id(objectAtIndexedSubscript:))]
        fn at(&self, index: usize) -> Retained<SampleAttachment> {
            if index >= ATTACHMENTS {
                fail(
                    "-[MTLComputePassSampleBufferAttachmentDescriptorArrayInternal objectAtIndexedSubscript:]",
                    format_args!("index ({index}) must be < {ATTACHMENTS}"),
                );
            }
            let index = index.min(ATTACHMENTS - 1);
            let mut attachments = self.ivars().borrow_mut();
            while attachments.len() <= index {
                // SAFETY: new takes nothing and returns the object.
                attachments.push(unsafe { msg_send![SampleAttachment::class(), new] });
            }
            attachments[index].clone()
        }
    }
);

#[derive(Debug, Default)]
pub(crate) struct PassProperties {
    pub(super) dispatch_type: Cell<usize>,
    pub(super) attachments: RefCell<Option<Retained<SampleAttachments>>>,
}

made_by_name!(
    PassDescriptor,
    "MTLComputePassDescriptor",
    PassProperties,
    {
        #[unsafe(method_id(computePassDescriptor))]
        fn make() -> Retained<PassDescriptor> {
            // SAFETY: new takes nothing and returns the object.
            unsafe { msg_send![PassDescriptor::class(), new] }
        }

        #[unsafe(method(dispatchType))]
        fn dispatch_type(&self) -> MTLDispatchType {
            MTLDispatchType(self.ivars().dispatch_type.get())
        }

        #[unsafe(method(setDispatchType:))]
        fn set_dispatch_type(&self, kind: MTLDispatchType) {
            self.ivars().dispatch_type.set(kind.0);
        }

        #[unsafe(method_id(sampleBufferAttachments))]
        fn attachments(&self) -> Retained<SampleAttachments> {
            let mut attachments = self.ivars().attachments.borrow_mut();
            // SAFETY: new takes nothing and returns the object.
            attachments
                .get_or_insert_with(|| unsafe { msg_send![SampleAttachments::class(), new] })
                .clone()
        }
    }
);
