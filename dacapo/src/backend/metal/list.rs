//! Dispatches that are encoded again and again.
#![allow(unsafe_code, reason = "lets any thread read labels")]

use core::ops::Range;
use std::sync::Arc;

use objc2_foundation::NSString;

use crate::backend::metal::call::Resolved;
use crate::backend::metal::object::{Buffer, Shared};
use crate::backend::metal::pass::{self, Call};
use crate::backend::metal::pipeline::ComputePipeline;

/// Steps, and arenas of what they bind.
#[derive(Default)]
pub(super) struct List {
    pub(super) steps: Vec<Step>,
    places: Vec<(Buffer, usize)>,
    inline: Vec<u8>,
    sizes: Vec<u32>,
}

pub(super) enum Step {
    Dispatch(Box<Prepared>),
    Barrier,
    PushScope(Label),
    PopScope,
}

/// A text that any thread may read.
pub(super) type Label = Shared<NSString>;

pub(super) fn label(text: &str) -> Label {
    // SAFETY: texts are never changed.
    unsafe { Shared::new(NSString::from_str(text)) }
}

/// A dispatch of the list, as ranges of its arenas.
pub(super) struct Prepared {
    pipeline: Arc<ComputePipeline>,
    places: Range<usize>,
    inline: Range<usize>,
    long_inline: Option<Buffer>,
    sizes: Range<usize>,
    groups: Groups,
    shared_bytes: u32,
}

enum Groups {
    Direct([u32; 3]),
    Indirect(Buffer, usize),
}

impl List {
    pub(super) fn push(&mut self, resolved: &Resolved<'_>) {
        let places = self.places.len();
        let owned = |(buffer, offset): (&Buffer, usize)| (buffer.clone(), offset);
        self.places.extend(resolved.places().map(owned));
        let inline = self.inline.len();
        self.inline.extend_from_slice(resolved.inline());
        let sizes = self.sizes.len();
        self.sizes.extend_from_slice(&resolved.sizes);
        self.steps.push(Step::Dispatch(Box::new(Prepared {
            pipeline: resolved.pipeline.clone(),
            places: places..self.places.len(),
            inline: inline..self.inline.len(),
            long_inline: resolved.long_inline().cloned(),
            sizes: sizes..self.sizes.len(),
            groups: match resolved.groups {
                pass::Groups::Direct(groups) => Groups::Direct(groups),
                pass::Groups::Indirect(buffer, offset) => Groups::Indirect(buffer.clone(), offset),
            },
            shared_bytes: resolved.shared_bytes,
        })));
    }

    /// A dispatch of this list, as a pass takes it.
    pub(super) fn call<'a>(&'a self, prepared: &'a Prepared) -> Call<'a> {
        Call {
            pipeline: &prepared.pipeline,
            inline: &self.inline[prepared.inline.clone()],
            long_inline: prepared.long_inline.as_ref().map(AsRef::as_ref),
            sizes: &self.sizes[prepared.sizes.clone()],
            groups: match &prepared.groups {
                Groups::Direct(groups) => pass::Groups::Direct(*groups),
                Groups::Indirect(buffer, offset) => pass::Groups::Indirect(buffer, *offset),
            },
            shared_bytes: prepared.shared_bytes,
        }
    }

    /// What a dispatch of this list binds.
    pub(super) fn places(
        &self,
        prepared: &Prepared,
    ) -> impl ExactSizeIterator<Item = (&Buffer, usize)> {
        let places = self.places[prepared.places.clone()].iter();
        places.map(|(buffer, offset)| (buffer, *offset))
    }

    /// All that its dispatches bind, however often.
    pub(super) fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        let long = self.steps.iter().filter_map(|step| match step {
            Step::Dispatch(prepared) => prepared.long_inline.as_ref(),
            _ => None,
        });
        self.places.iter().map(|(buffer, _)| buffer).chain(long)
    }

    /// How many dispatches it has.
    pub(super) fn dispatches(&self) -> usize {
        let dispatches = self.steps.iter();
        dispatches
            .filter(|step| matches!(step, Step::Dispatch(_)))
            .count()
    }
}
