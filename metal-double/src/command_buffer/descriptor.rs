//! How command buffers are described.

use std::cell::Cell;

use objc2::DefinedClass;
use objc2_metal::MTLCommandBufferErrorOption;

use crate::object::made_by_name;

/// How a command buffer is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) retained: bool,
    /// Whether an error tells which encoders ran.
    pub(crate) encoder_status: bool,
}

#[derive(Debug)]
pub(crate) struct Described {
    retained: Cell<bool>,
    options: Cell<usize>,
}

impl Default for Described {
    fn default() -> Self {
        Self {
            retained: Cell::new(true),
            options: Cell::new(0),
        }
    }
}

made_by_name!(
    CommandBufferDescriptor,
    "MTLCommandBufferDescriptor",
    Described,
    {
        #[unsafe(method(retainedReferences))]
        fn retained(&self) -> bool {
            self.ivars().retained.get()
        }

        #[unsafe(method(setRetainedReferences:))]
        fn set_retained(&self, on: bool) {
            self.ivars().retained.set(on);
        }

        #[unsafe(method(errorOptions))]
        fn options(&self) -> MTLCommandBufferErrorOption {
            MTLCommandBufferErrorOption::from_bits_retain(self.ivars().options.get())
        }

        #[unsafe(method(setErrorOptions:))]
        fn set_options(&self, options: MTLCommandBufferErrorOption) {
            self.ivars().options.set(options.bits());
        }
    }
);

impl CommandBufferDescriptor {
    pub(crate) fn kind(&self) -> Kind {
        let status = MTLCommandBufferErrorOption::EncoderExecutionStatus.bits();
        Kind {
            retained: self.ivars().retained.get(),
            encoder_status: self.ivars().options.get() & status != 0,
        }
    }
}
