//! Submits recordings and notices when the device has run them.

use core::any::Any;

use crate::backend::Refused;
use crate::backend::jobs::Jobs;
use crate::backend::vulkan::encoder::VulkanEncoder;
use crate::backend::vulkan::gpu::Gpu;
use crate::encoder::{Outcome, Recording};

use ash::vk;

/// A recording on its way back, and why it never reached the device, if so.
pub(super) struct Job {
    recording: Box<Recording>,
    number: u64,
    submitted: Result<(), Refused>,
}

/// Hands a recording to the device; the device's queue signals its number when it has run.
pub(super) fn submit(gpu: &Gpu, jobs: &Jobs<Job>, mut recording: Box<Recording>) {
    let number = recording.number();
    let submitted = match recording.is_void() {
        true => Err(Refused::Other("an earlier part has failed".into())),
        false => encoder(&mut recording)
            .finish()
            .and_then(|commands| gpu.submit(commands, Some(number), vk::Fence::null()))
            .and_then(|()| encoder(&mut recording).validated()),
    };
    if submitted.is_err() {
        recording.give_up();
    }
    jobs.push(Job {
        recording,
        number,
        submitted,
    });
}

/// Completes recordings in the order of their submission, until the queue is closed and empty.
pub(super) fn watch(gpu: &Gpu, jobs: &Jobs<Job>) {
    while let Some(mut job) = jobs.next() {
        // What the layer complains about may still run, and then its resources are needed.
        let waited = match &job.submitted {
            Ok(()) | Err(Refused::Validation(_)) => gpu.wait_for(job.number),
            Err(_) => Ok(()),
        };
        let outcome = job.submitted.and(waited);
        if outcome.is_ok()
            && let Some(ticks) = encoder(&mut job.recording).ticks()
        {
            job.recording.ran(gpu.clock.submission(ticks));
        }
        let outcome = outcome.map_err(|refused| {
            Box::new(Outcome {
                kernel: Box::default(),
                scope: Box::default(),
                fault: refused.into_fault(),
            })
        });
        job.recording.complete(outcome);
    }
}

fn encoder(recording: &mut Recording) -> &mut VulkanEncoder {
    let native: &mut dyn Any = &mut *recording.native;
    match native.downcast_mut() {
        Some(encoder) => encoder,
        None => unreachable!("the recording was made by this device"),
    }
}
