//! Prepared commands, and what a launch does around them.

use std::sync::Arc;
use std::time::Instant;

use crate::backend;
use crate::backend::reference::encoder::ReferenceEncoder;
use crate::backend::reference::memory::Span;
use crate::sync::{Mutex, lock};

/// Commands that are launched any number of times. Locked while they run: one submission runs at a time.
pub(super) struct Part(pub(super) Mutex<ReferenceEncoder>);

impl backend::Prepared for Part {
    fn timings(&self, times: &mut Vec<[Instant; 2]>) {
        backend::Encoder::timings(&*lock(&self.0), times);
    }
}

/// Updates, parts and a fetch, in memory that is used again.
#[derive(Default)]
pub(super) struct Launch {
    updates: Vec<Span>,
    bytes: Vec<u8>,
    parts: Vec<Arc<dyn backend::Prepared>>,
    fetch: Option<Span>,
    fetched: Vec<u8>,
}

impl Launch {
    pub(super) fn set(&mut self, launch: &backend::Launch<'_>) {
        self.parts.extend_from_slice(launch.parts);
        for (target, bytes) in launch.updates {
            self.updates.push(Span::exact(target));
            self.bytes.extend_from_slice(bytes);
        }
        self.fetch = launch.fetch.as_ref().map(Span::exact);
    }

    pub(super) fn parts(&self) -> &[Arc<dyn backend::Prepared>] {
        &self.parts
    }

    /// Does what comes before the parts.
    pub(super) fn update(&self) {
        let mut bytes = &self.bytes[..];
        for Span { region, range } in &self.updates {
            let (own, rest) = bytes.split_at((range.end - range.start) as usize);
            region.write(range.start, own);
            bytes = rest;
        }
    }

    /// Does what comes behind the parts.
    pub(super) fn fetch(&mut self) {
        if let Some(Span { region, range }) = &self.fetch {
            self.fetched.resize((range.end - range.start) as usize, 0);
            region.read(range.start, &mut self.fetched);
        }
    }

    pub(super) fn fetched(&self) -> &[u8] {
        &self.fetched
    }

    pub(super) fn clear(&mut self) {
        self.updates.clear();
        self.bytes.clear();
        self.parts.clear();
        self.fetch = None;
        self.fetched.clear();
    }
}
