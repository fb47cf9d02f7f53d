#![allow(
    unsafe_code,
    reason = "turns validated views into the spans that kernels read and write"
)]

use core::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::backend::cpu::CpuEntry;
use crate::backend::cpu::launch::Launch;
use crate::backend::cpu::pipeline::CpuPipeline;
use crate::backend::cpu::times::Times;
use crate::backend::cpu::workgroup::Span;
use crate::backend::launched;
use crate::backend::own::known;
use crate::backend::{self, Bound, Dispatch, Groups, Refused};
use crate::kernel::Kernel;
use crate::sync::Mutex;

/// Commands in arenas that keep their memory from one recording to the next.
#[derive(Default)]
pub(super) struct CpuEncoder {
    pub(super) commands: Vec<Command>,
    pub(super) spans: Vec<Span>,
    pub(super) inline: Vec<u8>,
    /// Ends of all waves but the last, as indices into `commands`.
    pub(super) wave_ends: Vec<u32>,
    /// The most shared memory that a command asks for.
    pub(super) max_shared_bytes: u32,
    scopes: Vec<Scope>,
    scope_text: String,
    scope: u32,
    /// When each command ran, if it is to be noted.
    pub(super) times: Option<Times>,
    /// Prepared commands that run before these.
    pub(super) launch: Launch,
}

/// One dispatch.
pub(super) struct Command {
    pub(super) kernel: Kernel,
    pub(super) entry: CpuEntry,
    pub(super) groups: [u32; 3],
    pub(super) threads: [u32; 3],
    /// Where the grid is read from when the wave starts.
    pub(super) indirect: Option<Span>,
    /// Workgroups of the wave before this command's.
    pub(super) first_group: u32,
    pub(super) shared_bytes: u32,
    spans: u32,
    inline: u32,
    scope: u32,
}

struct Scope {
    parent: u32,
    label: Range<usize>,
}

impl CpuEncoder {
    pub(super) fn spans_of(&self, command: &Command) -> &[Span] {
        let first = command.spans as usize;
        &self.spans[first..first + command.kernel.interface().bindings().len()]
    }

    pub(super) fn inline_of(&self, command: &Command) -> &[u8] {
        let first = command.inline as usize;
        &self.inline[first..first + command.kernel.interface().inline_bytes() as usize]
    }

    /// The labels of the scopes around a command, outermost first, joined by `/`.
    pub(super) fn scope_path(&self, command: &Command) -> String {
        let mut labels = Vec::new();
        let mut at = command.scope;
        while let Some(scope) = at
            .checked_sub(1)
            .and_then(|index| self.scopes.get(index as usize))
        {
            labels.push(&self.scope_text[scope.label.clone()]);
            at = scope.parent;
        }
        labels.reverse();
        labels.join("/")
    }
}

impl backend::Encoder for CpuEncoder {
    fn time(&mut self) {
        self.times.get_or_insert_default();
    }

    fn dispatch(&mut self, dispatch: &Dispatch<'_>) {
        // SAFETY: the kernel was checked to belong to this device.
        let pipeline: &CpuPipeline = unsafe { known(dispatch.kernel.pipeline()) };
        let spans = self.spans.len() as u32;
        self.spans.extend(dispatch.bound.iter().map(span));
        let inline = self.inline.len() as u32;
        self.inline.extend_from_slice(dispatch.inline);
        let (groups, threads, indirect) = match *dispatch.groups {
            Groups::Direct { groups, threads } => (groups, threads, None),
            Groups::Indirect(buffer) => ([0; 3], [0; 3], Some(span(&buffer))),
        };
        self.max_shared_bytes = self.max_shared_bytes.max(dispatch.shared_bytes);
        self.commands.push(Command {
            kernel: dispatch.kernel.clone(),
            entry: pipeline.entry,
            groups,
            threads,
            indirect,
            first_group: 0,
            shared_bytes: dispatch.shared_bytes,
            spans,
            inline,
            scope: self.scope,
        });
    }

    fn barrier(&mut self) {
        let end = self.commands.len() as u32;
        if self.wave_ends.last().copied().unwrap_or(0) != end {
            self.wave_ends.push(end);
        }
    }

    fn push_scope(&mut self, label: &str) {
        let first = self.scope_text.len();
        self.scope_text.push_str(label);
        self.scopes.push(Scope {
            parent: self.scope,
            label: first..self.scope_text.len(),
        });
        self.scope = self.scopes.len() as u32;
    }

    fn pop_scope(&mut self) {
        self.scope = self
            .scope
            .checked_sub(1)
            .map_or(0, |index| self.scopes[index as usize].parent);
    }

    fn reset(&mut self) {
        self.commands.clear();
        self.spans.clear();
        self.inline.clear();
        self.wave_ends.clear();
        self.max_shared_bytes = 0;
        self.scopes.clear();
        self.scope_text.clear();
        self.scope = 0;
        self.times = None;
        self.launch.clear();
    }

    fn prepare(self: Box<Self>) -> Result<Arc<dyn backend::Prepared>, Refused> {
        Ok(Arc::new(launched::Part(Mutex::new(*self))))
    }

    fn launch(&mut self, launch: &backend::Launch<'_>) {
        self.launch.set(launch);
    }

    fn fetched(&self) -> &[u8] {
        self.launch.fetched()
    }

    fn timings(&self, times: &mut Vec<[Instant; 2]>) {
        if let Some(own) = &self.times {
            own.add_to(times);
        }
    }
}

pub(super) fn span(bound: &Bound<'_>) -> Span {
    let Some(start) = bound.view.allocation.memory.host() else {
        unreachable!("the host sees all memory of this device");
    };
    // SAFETY: the range was checked to lie inside the allocation.
    let start = unsafe { start.add(bound.range.start as usize) };
    Span {
        start: start.as_ptr(),
        len: bound.range.len() as usize,
    }
}
