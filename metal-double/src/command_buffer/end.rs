//! What happens to a command buffer after its commit.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::SeqCst;

use objc2::DefinedClass;
use objc2::rc::Retained;
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSArray, NSError, NSString};
use objc2_metal::{MTLCommandBuffer, MTLCommandBufferStatus, MTLCommandEncoderErrorState};

use super::{
    CommandBuffer, DebugHandler,
    encoder_info::{EncoderInfo, Info},
};
use crate::errors;
use crate::faults::CommandBufferFault;
use crate::object::make;
use crate::rules::fail;

impl CommandBuffer {
    pub(super) fn wait(&self, place: &str, status: MTLCommandBufferStatus) {
        let ivars = self.ivars();
        if !self.is_committed() {
            fail(
                place,
                "the command buffer was not committed: this would wait for ever",
            );
            return;
        }
        let mut progress = ivars.progress.lock();
        while ivars.status.load(SeqCst) < status.0 {
            ivars.changed.wait(&mut progress);
        }
    }

    /// The queue's thread starts to work on it.
    pub(crate) fn scheduled(&self) {
        let handlers = {
            let mut progress = self.ivars().progress.lock();
            self.ivars()
                .status
                .store(MTLCommandBufferStatus::Scheduled.0, SeqCst);
            self.ivars().changed.notify_all();
            std::mem::take(&mut progress.scheduled_handlers)
        };
        self.call(handlers);
    }

    /// The time at which the GPU started on it.
    pub(crate) fn started(&self, at: u64) {
        self.ivars().progress.lock().start = at;
    }

    /// The work has ended. The handlers to call come back: waiters are not kept waiting for them.
    pub(crate) fn ended(
        &self,
        at: u64,
        fault: Option<&CommandBufferFault>,
        labels: &[(String, Vec<String>)],
        ran: usize,
    ) -> Vec<DebugHandler> {
        let ivars = self.ivars();
        let error = fault.map(|fault| self.error_of(fault, labels, ran));
        let mut progress = ivars.progress.lock();
        progress.end = at;
        let status = if error.is_some() {
            MTLCommandBufferStatus::Error
        } else {
            MTLCommandBufferStatus::Completed
        };
        progress.error = error;
        // The room is free before a waiter can find it full.
        drop(ivars.place.lock().take());
        ivars.status.store(status.0, SeqCst);
        ivars.changed.notify_all();
        std::mem::take(&mut progress.completed_handlers)
    }

    /// Calls handlers with this command buffer.
    pub(crate) fn call(&self, handlers: Vec<DebugHandler>) {
        let me: &ProtocolObject<dyn MTLCommandBuffer> = ProtocolObject::from_ref(self);
        for handler in handlers {
            handler.0.call((NonNull::from(me),));
        }
    }

    fn error_of(
        &self,
        fault: &CommandBufferFault,
        labels: &[(String, Vec<String>)],
        ran: usize,
    ) -> Retained<NSError> {
        const DOMAIN: &str = "MTLCommandBufferErrorDomain";
        if !self.ivars().kind.encoder_status {
            return errors::error(DOMAIN, fault.code.cast_signed(), &fault.text, &[]);
        }
        let infos: Vec<Retained<EncoderInfo>> = labels
            .iter()
            .enumerate()
            .map(|(i, (label, signposts))| {
                let state = match i.cmp(&ran) {
                    std::cmp::Ordering::Less => MTLCommandEncoderErrorState::Completed,
                    std::cmp::Ordering::Equal => MTLCommandEncoderErrorState::Faulted,
                    std::cmp::Ordering::Greater => MTLCommandEncoderErrorState::Pending,
                };
                make::<EncoderInfo>(Info {
                    label: label.clone(),
                    signposts: signposts.clone(),
                    state,
                })
            })
            .collect();
        let infos = NSArray::from_retained_slice(&infos);
        let key = NSString::from_str("MTLCommandBufferEncoderInfoErrorKey");
        errors::error(
            DOMAIN,
            fault.code.cast_signed(),
            &fault.text,
            &[(&key, &infos)],
        )
    }
}
