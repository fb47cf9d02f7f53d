//! Prepared commands, and what a launch does around them.
#![allow(unsafe_code, reason = "copies between launches and device memory")]

use std::sync::Arc;
use std::time::Instant;

use crate::backend::cpu::encoder::{CpuEncoder, span};
use crate::backend::cpu::workgroup::Span;
use crate::backend::{self, Bound};
use crate::sync::{Mutex, lock};

/// Commands that are launched any number of times. Locked while they run: one submission runs at a time.
pub(super) struct Part(pub(super) Mutex<CpuEncoder>);

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
            self.updates.push(span(target));
            self.bytes.extend_from_slice(bytes);
        }
        self.fetch = launch.fetch.as_ref().map(|source: &Bound<'_>| span(source));
    }

    pub(super) fn parts(&self) -> &[Arc<dyn backend::Prepared>] {
        &self.parts
    }

    /// Does what comes before the parts.
    pub(super) fn update(&self) {
        let mut bytes = &self.bytes[..];
        for target in &self.updates {
            let (own, rest) = bytes.split_at(target.len);
            // SAFETY: the launch keeps the memory, submissions run one after the other, and hosts are kept away from
            // what the launch writes.
            unsafe {
                target
                    .start
                    .copy_from_nonoverlapping(own.as_ptr(), own.len())
            };
            bytes = rest;
        }
    }

    /// Does what comes behind the parts.
    pub(super) fn fetch(&mut self) {
        if let Some(source) = self.fetch {
            self.fetched.resize(source.len, 0);
            // SAFETY: as above; nothing writes what the launch reads.
            unsafe {
                let target = self.fetched.as_mut_ptr();
                source.start.copy_to_nonoverlapping(target, source.len);
            }
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
