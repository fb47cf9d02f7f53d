//! Blit encoders: copies and fills.

use std::cell::RefCell;

use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{DefinedClass, Message, define_class};
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{MTLBlitCommandEncoder, MTLCommandEncoder, MTLDevice};

use crate::command_buffer::CommandBuffer;
use crate::counters::SampleBuffer;
use crate::counts::{self, Count};
use crate::encoding::{Blit, BlitPass, Step};
use crate::event::Fence;
use crate::held::Notes;
use crate::indirect::IndirectCommandBuffer;
use crate::ledger::{Class, Live};
use crate::memory::{Buffer, Storage};
use crate::object::{Owned, make};
use crate::root::Root;
use crate::rules::fail;

#[derive(Debug)]
struct State {
    pass: BlitPass,
    notes: Notes,
    device: u32,
    groups: usize,
}

#[derive(Debug)]
pub(crate) struct BlitIvars {
    /// Nothing once encoding has ended.
    state: RefCell<Option<State>>,
    command_buffer: Retained<CommandBuffer>,
    label: RefCell<String>,
    _live: Live,
}

impl Drop for BlitIvars {
    fn drop(&mut self) {
        if self.state.get_mut().is_some() {
            fail(
                "-[_MTLCommandEncoder dealloc]",
                "Command encoder released without endEncoding",
            );
            self.command_buffer.abandon_encoder();
        }
    }
}

macro_rules! place {
    ($selector:literal) => {
        concat!("-[MTLDebugBlitCommandEncoder ", $selector, "]")
    };
}

const COPY: &str = place!("copyFromBuffer:sourceOffset:toBuffer:destinationOffset:size:");
const FILL: &str = place!("fillBuffer:range:value:");

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLBlitCommandEncoder"]
    #[ivars = BlitIvars]
    #[derive(Debug)]
    pub(crate) struct BlitEncoder;

    unsafe impl NSObjectProtocol for BlitEncoder {}

    unsafe impl MTLCommandEncoder for BlitEncoder {
        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().command_buffer.device_object())
        }

        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.borrow()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.borrow_mut() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method(endEncoding))]
        fn end_encoding(&self) {
            let Some(mut state) = self.ivars().state.borrow_mut().take() else {
                fail(place!("endEncoding"), "endEncoding called twice");
                return;
            };
            if state.groups > 0 {
                fail(
                    place!("endEncoding"),
                    "a debug group was pushed and not popped before endEncoding",
                );
            }
            state.pass.label.clone_from(&self.ivars().label.borrow());
            self.ivars().command_buffer.encoder_ended(
                Step::Blit(state.pass),
                state.notes,
                Vec::new(),
            );
        }

        #[unsafe(method(insertDebugSignpost:))]
        fn insert_debug_signpost(&self, text: &NSString) {
            self.encode(place!("insertDebugSignpost:"), |state| {
                state.pass.signposts.push(text.to_string())
            });
        }

        #[unsafe(method(pushDebugGroup:))]
        fn push_debug_group(&self, _text: &NSString) {
            self.encode(place!("pushDebugGroup:"), |state| state.groups += 1);
        }

        #[unsafe(method(popDebugGroup))]
        fn pop_debug_group(&self) {
            self.encode(place!("popDebugGroup"), |state| {
                match state.groups.checked_sub(1) {
                    Some(groups) => state.groups = groups,
                    None => fail(
                        place!("popDebugGroup"),
                        "popDebugGroup called without a matching pushDebugGroup",
                    ),
                }
            });
        }
    }

    unsafe impl MTLBlitCommandEncoder for BlitEncoder {
        #[unsafe(method(copyFromBuffer:sourceOffset:toBuffer:destinationOffset:size:))]
        fn copy(
            &self,
            source: &Buffer,
            source_offset: usize,
            target: &Buffer,
            target_offset: usize,
            size: usize,
        ) {
            self.encode(COPY, |state| {
                let (source, target) = (source.storage(), target.storage());
                if !state.range(COPY, "sourceOffset", source, source_offset, size)
                    || !state.range(COPY, "destinationOffset", target, target_offset, size)
                {
                    return;
                }
                if ![source_offset, target_offset, size].iter().all(|n| n.is_multiple_of(4)) {
                    let text = format!("sourceOffset ({source_offset}), destinationOffset ({target_offset}) and size ({size}) must be multiples of 4");
                    fail(COPY, text);
                    return;
                }
                let overlap = source.lifetime.id == target.lifetime.id
                    && source_offset < target_offset + size
                    && target_offset < source_offset + size;
                if overlap {
                    fail(COPY, "source and destination ranges of the same buffer must not overlap");
                    return;
                }
                counts::count(Count::Copies);
                let (source, target) = (state.notes.note(source), state.notes.note(target));
                state.pass.commands.push(Blit::Copy { source, source_offset, target, target_offset, size });
            });
        }

        #[unsafe(method(fillBuffer:range:value:))]
        fn fill(&self, buffer: &Buffer, range: NSRange, value: u8) {
            self.encode(FILL, |state| {
                let target = buffer.storage();
                if !state.range(FILL, "range.location", target, range.location, range.length) {
                    return;
                }
                if !range.location.is_multiple_of(4) || !range.length.is_multiple_of(4) {
                    fail(
                        FILL,
                        format_args!(
                            "range.location ({}) and range.length ({}) must be multiples of 4",
                            range.location, range.length
                        ),
                    );
                    return;
                }
                counts::count(Count::Fills);
                let target = state.notes.note(target);
                state.pass.commands.push(Blit::Fill {
                    target,
                    offset: range.location,
                    size: range.length,
                    value,
                });
            });
        }

        #[unsafe(method(synchronizeResource:))]
        fn synchronize_resource(&self, _resource: &AnyObject) {
            fail(
                place!("synchronizeResource:"),
                "synchronizeResource: is for resources with MTLStorageModeManaged, which this device does not have",
            );
        }

        #[unsafe(method(waitForFence:))]
        fn wait_for_fence(&self, fence: &Fence) {
            self.encode(place!("waitForFence:"), |state| {
                let fence = state.notes.note(&fence.ivars().core.0);
                state.pass.commands.push(Blit::WaitFence(fence));
            });
        }

        #[unsafe(method(updateFence:))]
        fn update_fence(&self, fence: &Fence) {
            self.encode(place!("updateFence:"), |state| {
                let fence = state.notes.note(&fence.ivars().core.0);
                state.pass.commands.push(Blit::UpdateFence(fence));
            });
        }

        #[unsafe(method(optimizeIndirectCommandBuffer:withRange:))]
        fn optimize_indirect(&self, commands: &IndirectCommandBuffer, range: NSRange) {
            const PLACE: &str = place!("optimizeIndirectCommandBuffer:withRange:");
            let size = commands.core().size;
            if range
                .location
                .checked_add(range.length)
                .is_none_or(|end| end > size)
            {
                fail(
                    PLACE,
                    format_args!(
                        "range.location({}) + range.length({}) must be <= the indirect command buffer's size ({size})",
                        range.location, range.length
                    ),
                );
            }
        }

        #[unsafe(method(sampleCountersInBuffer:atSampleIndex:withBarrier:))]
        fn sample_counters(&self, _samples: &SampleBuffer, _index: usize, _barrier: bool) {
            fail(
                place!("sampleCountersInBuffer:atSampleIndex:withBarrier:"),
                "sampleCountersInBuffer:atSampleIndex:withBarrier: is not supported on this device (MTLCounterSamplingPointAtBlitBoundary)",
            );
        }
    }
);

// SAFETY: an encoder is used by one thread at a time, as Metal demands; it may move between threads.
unsafe impl Send for BlitEncoder {}

impl BlitEncoder {
    pub(crate) fn open(command_buffer: &CommandBuffer, notes: Notes) -> Retained<Self> {
        counts::count(Count::BlitEncoders);
        let device = command_buffer.device_object().number();
        let ivars = BlitIvars {
            state: RefCell::new(Some(State {
                pass: BlitPass::default(),
                notes,
                device,
                groups: 0,
            })),
            command_buffer: command_buffer.retain(),
            label: RefCell::default(),
            _live: Live::new(Class::BlitEncoder),
        };
        make::<BlitEncoder>(ivars)
    }

    fn encode(&self, place: &str, f: impl FnOnce(&mut State)) {
        match self.ivars().state.borrow_mut().as_mut() {
            Some(state) => f(state),
            None => fail(place, "encoding after endEncoding"),
        }
    }
}

impl State {
    fn range(
        &self,
        place: &str,
        name: &str,
        storage: &Storage,
        offset: usize,
        size: usize,
    ) -> bool {
        if storage.lifetime.device != self.device {
            fail(
                place,
                format_args!("{} was created on another device", storage.lifetime.name()),
            );
            return false;
        }
        if size == 0 {
            fail(place, "size must be > 0");
            return false;
        }
        if offset
            .checked_add(size)
            .is_none_or(|end| end > storage.length)
        {
            fail(
                place,
                format_args!(
                    "({name} + size)({offset} + {size}) must be <= buffer length ({})",
                    storage.length
                ),
            );
            return false;
        }
        true
    }
}
