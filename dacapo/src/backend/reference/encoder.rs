use core::any::Any;
use core::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use dacapo_reference::{Action, Binding, Step};

use crate::backend::launched;
use crate::backend::reference::launch::Launch;
use crate::backend::reference::memory::Span;
use crate::backend::reference::pipeline::ReferencePipeline;
use crate::backend::{self, Bound, Dispatch, Groups, Refused};
use crate::sync::Mutex;

/// Steps in waves.
#[derive(Default)]
pub(super) struct ReferenceEncoder {
    pub(super) steps: Vec<Step>,
    /// Whether each of them is in a scope; otherwise it bears the submission's label.
    pub(super) in_scope: Vec<bool>,
    /// Ends of all waves but the last, as indices into `steps`.
    wave_ends: Vec<usize>,
    /// The paths of the scopes that are open.
    scopes: Vec<Arc<str>>,
    /// When each step ran, if it is to be noted.
    pub(super) times: Option<Vec<[Instant; 2]>>,
    /// Prepared steps that run before these.
    pub(super) launch: Launch,
}

impl ReferenceEncoder {
    /// The steps of each wave.
    pub(super) fn waves(&self) -> Vec<Range<usize>> {
        let ends = self.wave_ends.iter().copied().chain([self.steps.len()]);
        let mut first = 0;
        let waves = ends.map(|end| core::mem::replace(&mut first, end)..end);
        waves.filter(|wave| !wave.is_empty()).collect()
    }
}

impl backend::Encoder for ReferenceEncoder {
    fn time(&mut self) {
        self.times.get_or_insert_default();
    }

    fn dispatch(&mut self, dispatch: &Dispatch<'_>) {
        let pipeline: &dyn Any = dispatch.kernel.pipeline();
        let Some(pipeline) = pipeline.downcast_ref::<ReferencePipeline>() else {
            unreachable!("the kernel was checked to belong to this device");
        };
        let (groups, grid) = match *dispatch.groups {
            Groups::Direct { groups, .. } => (groups, None),
            // Read when the wave starts.
            Groups::Indirect(buffer) => ([0; 3], Some(binding(0, &buffer, Span::exact(&buffer)))),
        };
        let action = match pipeline {
            ReferencePipeline::Kernel(program) => Action::Kernel {
                program: program.clone(),
                bindings: bindings(dispatch),
                inline: dispatch.inline.to_vec(),
                groups,
            },
            ReferencePipeline::Copy => Action::Copy {
                from: binding(0, &dispatch.bound[0], Span::exact(&dispatch.bound[0])),
                to: binding(0, &dispatch.bound[1], Span::exact(&dispatch.bound[1])),
            },
            ReferencePipeline::Fill => Action::Fill {
                to: binding(0, &dispatch.bound[0], Span::exact(&dispatch.bound[0])),
                value: bytemuck::pod_read_unaligned::<u32>(dispatch.inline) as u8,
            },
        };
        let label = self.scopes.last();
        self.in_scope.push(label.is_some());
        self.steps.push(Step {
            label: label.cloned().unwrap_or_default(),
            number: 0,
            action,
            grid,
        });
    }

    fn barrier(&mut self) {
        self.wave_ends.push(self.steps.len());
    }

    fn push_scope(&mut self, label: &str) {
        let path = match self.scopes.last() {
            Some(parent) => format!("{parent}/{label}").into(),
            None => label.into(),
        };
        self.scopes.push(path);
    }

    fn pop_scope(&mut self) {
        self.scopes.pop();
    }

    fn reset(&mut self) {
        self.steps.clear();
        self.in_scope.clear();
        self.wave_ends.clear();
        self.scopes.clear();
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
        times.extend(self.times.iter().flatten());
    }
}

fn bindings(dispatch: &Dispatch<'_>) -> Vec<Binding> {
    let declared = dispatch.kernel.interface().bindings().iter();
    declared
        .zip(dispatch.bound)
        .map(|(declared, bound)| binding(declared.slot, bound, Span::whole_words(bound)))
        .collect()
}

fn binding(slot: u32, bound: &Bound<'_>, span: Span) -> Binding {
    Binding {
        slot,
        region: span.region,
        range: span.range,
        reads: bound.access.reads(),
        writes: bound.access.writes(),
    }
}
