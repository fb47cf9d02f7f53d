//! What a launch does around prepared commands, on devices that run in this process.

use std::sync::Arc;
use std::time::Instant;

use crate::backend::{self, Bound};
use crate::sync::{Mutex, lock};

/// Memory of a view, which this process reaches when a submission runs.
pub(crate) trait Reach {
    fn of(bound: &Bound<'_>) -> Self;

    /// Its length in bytes.
    fn len(&self) -> usize;

    /// Sets its bytes, as many as it has. Called while a submission that keeps the memory runs.
    fn write(&self, bytes: &[u8]);

    /// Reads its bytes, as many as it has. Called as [`Reach::write`] is.
    fn read(&self, bytes: &mut [u8]);
}

/// Commands that are launched any number of times. Locked while they run: one submission runs at a time.
pub(crate) struct Part<E>(pub(crate) Mutex<E>);

impl<E: backend::Encoder> backend::Prepared for Part<E> {
    fn timings(&self, times: &mut Vec<[Instant; 2]>) {
        backend::Encoder::timings(&*lock(&self.0), times);
    }
}

/// Updates, parts and a fetch, in memory that is used again.
pub(crate) struct Launch<S> {
    updates: Vec<S>,
    bytes: Vec<u8>,
    parts: Vec<Arc<dyn backend::Prepared>>,
    fetch: Option<S>,
    fetched: Vec<u8>,
}

impl<S> Default for Launch<S> {
    fn default() -> Self {
        Launch {
            updates: Vec::new(),
            bytes: Vec::new(),
            parts: Vec::new(),
            fetch: None,
            fetched: Vec::new(),
        }
    }
}

impl<S: Reach> Launch<S> {
    pub(crate) fn set(&mut self, launch: &backend::Launch<'_>) {
        self.parts.extend_from_slice(launch.parts);
        for (target, bytes) in launch.updates {
            self.updates.push(S::of(target));
            self.bytes.extend_from_slice(bytes);
        }
        self.fetch = launch.fetch.as_ref().map(S::of);
    }

    pub(crate) fn parts(&self) -> &[Arc<dyn backend::Prepared>] {
        &self.parts
    }

    /// Does what comes before the parts.
    pub(crate) fn update(&self) {
        let mut bytes = &self.bytes[..];
        for target in &self.updates {
            let (own, rest) = bytes.split_at(target.len());
            target.write(own);
            bytes = rest;
        }
    }

    /// Does what comes behind the parts.
    pub(crate) fn fetch(&mut self) {
        if let Some(source) = &self.fetch {
            self.fetched.resize(source.len(), 0);
            source.read(&mut self.fetched);
        }
    }

    pub(crate) fn fetched(&self) -> &[u8] {
        &self.fetched
    }

    pub(crate) fn clear(&mut self) {
        self.updates.clear();
        self.bytes.clear();
        self.parts.clear();
        self.fetch = None;
        self.fetched.clear();
    }
}
