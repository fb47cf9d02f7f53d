//! Recordings: encoded into a command buffer as dispatches come, or kept as a list for executables.

use std::sync::Arc;
use std::time::Instant;

use objc2::rc::autoreleasepool;
use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLCommandBuffer, MTLDispatchType, MTLFence};

use crate::backend::metal::call::{self, Resolved};
use crate::backend::metal::gpu::Gpu;
use crate::backend::metal::indirect::IndirectPart;
use crate::backend::metal::launch::{Fetched, Part};
use crate::backend::metal::list::{Label, List, Step, label};
use crate::backend::metal::memory::place;
use crate::backend::metal::object::{Buffer, Commands};
use crate::backend::metal::pass::{self, Call, Kind, Pass};
use crate::backend::metal::pipeline::{ComputePipeline, MetalPipeline};
use crate::backend::metal::stopwatch::Stopwatch;
use crate::backend::{self, Dispatch, Launch, Refused};

/// A command buffer, and the one pass in it.
pub(super) struct MetalEncoder {
    gpu: Arc<Gpu>,
    order: MTLDispatchType,
    commands: Option<Commands>,
    pass: Option<Pass>,
    stopwatch: Stopwatch,
    /// Open scopes, if they reach Metal: those of the whole command buffer where each dispatch has a pass.
    scopes: Vec<Label>,
    /// What the command buffer uses and nobody else keeps.
    pipelines: Vec<Arc<ComputePipeline>>,
    buffers: Vec<Buffer>,
    pub(super) fetched: Fetched,
    /// Why recording stopped.
    refused: Option<Refused>,
}

impl MetalEncoder {
    pub(super) fn new(gpu: &Arc<Gpu>) -> MetalEncoder {
        MetalEncoder {
            gpu: gpu.clone(),
            order: MTLDispatchType::Concurrent,
            commands: None,
            pass: None,
            stopwatch: Stopwatch::default(),
            scopes: Vec::new(),
            pipelines: Vec::new(),
            buffers: Vec::new(),
            fetched: Fetched::default(),
            refused: None,
        }
    }

    /// Ends the recording; gives what the queue shall run, `None` for an empty one.
    pub(super) fn finish(&mut self, name: &str) -> Result<Option<&Commands>, Refused> {
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        while !self.scopes.is_empty() {
            self.close_scope();
        }
        if let Some(commands) = &self.commands
            && !name.is_empty()
        {
            let name = label(name);
            commands.setLabel(Some(&name));
            if let Some(pass) = &self.pass {
                pass.label(&name);
            }
        }
        self.pass = None;
        Ok(self.commands.as_ref())
    }

    /// What has been committed, until this is reset.
    pub(super) fn commands(&self) -> Option<&Commands> {
        self.commands.as_ref()
    }

    /// Does something unless recording has stopped.
    fn attempt(&mut self, work: impl FnOnce(&mut MetalEncoder) -> Result<(), Refused>) {
        if self.refused.is_some() {
            return;
        }
        if let Err(refused) = autoreleasepool(|_| work(self)) {
            self.refused = Some(refused);
        }
    }

    fn begin(&mut self) -> Result<&Commands, Refused> {
        match &mut self.commands {
            Some(commands) => Ok(commands),
            empty => Ok(empty.insert(self.gpu.commands()?)),
        }
    }

    #[cold]
    fn open_plain(&mut self) -> Result<(), Refused> {
        self.begin()?;
        self.open(&Kind::Plain(self.order))?;
        if let Some(pass) = &mut self.pass {
            self.scopes.iter().for_each(|scope| pass.push_scope(scope));
        }
        Ok(())
    }

    /// The open pass, or a new one.
    #[inline]
    fn pass(&mut self) -> Result<&mut Pass, Refused> {
        if self.pass.is_none() {
            self.open_plain()?;
        }
        match &mut self.pass {
            Some(pass) => Ok(pass),
            None => unreachable!("it was just opened"),
        }
    }

    fn open(&mut self, kind: &Kind) -> Result<(), Refused> {
        if let Some(commands) = &self.commands {
            self.pass = Some(Pass::begin(commands, &self.gpu.fence, kind)?);
        }
        Ok(())
    }

    /// Encodes a dispatch of a part, in a pass of its own where that is timed.
    pub(super) fn encode_prepared<'b>(
        &mut self,
        call: &Call<'_>,
        places: impl Iterator<Item = (&'b Buffer, usize)>,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), Refused> {
        let timed = stopwatch.pass(&self.gpu, self.order);
        self.encode(call, places, timed.map(Kind::Timed))
    }

    /// Encodes a dispatch that no timing counts, and keeps what nobody else does.
    pub(super) fn encode_untimed(&mut self, resolved: &Resolved<'_>) -> Result<(), Refused> {
        self.keep(resolved);
        self.encode(&resolved.call(), resolved.places(), None)
    }

    /// Encodes that all of a part runs.
    pub(super) fn encode_indirect(&mut self, part: &IndirectPart) -> Result<(), Refused> {
        self.pass()?.execute(part);
        Ok(())
    }

    fn encode_live(&mut self, dispatch: &Dispatch<'_>) -> Result<(), Refused> {
        let MetalPipeline::Compute(pipeline) = call::pipeline(dispatch) else {
            let gpu = self.gpu.clone();
            return self.encode_resolved(&Resolved::new(&gpu, dispatch)?);
        };
        match call::as_it_is(pipeline, dispatch) {
            Some(call) if !self.stopwatch.is_running() => {
                self.keep_pipeline(pipeline);
                self.pass()?
                    .dispatch(&call, dispatch.bound.iter().map(place));
                Ok(())
            }
            _ => self.encode_resolved(&Resolved::kernel(&self.gpu, pipeline, dispatch)?),
        }
    }

    fn encode_resolved(&mut self, resolved: &Resolved<'_>) -> Result<(), Refused> {
        self.keep(resolved);
        let timed = self.stopwatch.pass(&self.gpu, self.order);
        let timed = timed.map(Kind::Timed);
        self.encode(&resolved.call(), resolved.places(), timed)
    }

    #[inline]
    fn keep_pipeline(&mut self, pipeline: &Arc<ComputePipeline>) {
        let known = self.pipelines.last();
        if known.is_none_or(|known| !Arc::ptr_eq(known, pipeline)) {
            self.pipelines.push(pipeline.clone());
        }
    }

    fn keep(&mut self, resolved: &Resolved<'_>) {
        self.keep_pipeline(resolved.pipeline);
        if let Some(buffer) = resolved.long_inline() {
            self.buffers.push(buffer.clone());
        }
    }

    #[inline]
    fn encode<'b>(
        &mut self,
        call: &Call<'_>,
        places: impl Iterator<Item = (&'b Buffer, usize)>,
        timed: Option<Kind>,
    ) -> Result<(), Refused> {
        let Some(kind) = timed else {
            self.pass()?.dispatch(call, places);
            return Ok(());
        };
        self.encode_timed(call, places, &kind)
    }

    fn encode_timed<'b>(
        &mut self,
        call: &Call<'_>,
        places: impl Iterator<Item = (&'b Buffer, usize)>,
        kind: &Kind,
    ) -> Result<(), Refused> {
        self.begin()?;
        self.pass = None;
        self.open(kind)?;
        if let Some(pass) = &mut self.pass {
            pass.dispatch(call, places);
        }
        self.pass = None;
        Ok(())
    }

    /// Gives the command buffer to somebody who may encode passes of their own. They are timed from an empty pass in
    /// front to an empty pass behind.
    pub(super) fn native(
        &mut self,
        record: impl FnOnce(&ProtocolObject<dyn MTLCommandBuffer>, &ProtocolObject<dyn MTLFence>),
    ) {
        self.attempt(|encoder| {
            encoder.begin()?;
            encoder.pass = None;
            let whole = encoder.stopwatch.pass(&encoder.gpu, encoder.order);
            let (front, behind) = whole.map(|whole| pass::ends(&whole)).unzip();
            encoder.mark(front)?;
            if let Some(commands) = &encoder.commands {
                record(commands, &encoder.gpu.fence);
            }
            encoder.mark(behind)
        });
    }

    /// Encodes an empty pass that takes the time.
    fn mark(&mut self, timed: Option<Kind>) -> Result<(), Refused> {
        if let Some(kind) = timed {
            self.open(&kind)?;
            self.pass = None;
        }
        Ok(())
    }

    pub(super) fn open_barrier(&mut self) {
        // Between passes there is the fence.
        if let Some(pass) = &mut self.pass {
            pass.barrier();
        }
    }

    /// Where dispatches are timed, each in a pass of its own, scopes open in none of them.
    pub(super) fn open_scope(&mut self, scope: &Label, is_timed: bool) -> Result<(), Refused> {
        match is_timed {
            true => self.pass = None,
            false => self.pass()?.push_scope(scope),
        }
        self.scopes.push(scope.clone());
        Ok(())
    }

    pub(super) fn close_scope(&mut self) {
        if self.scopes.pop().is_some()
            && let Some(pass) = &mut self.pass
        {
            pass.pop_scope();
        }
    }

    pub(super) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }
}

impl backend::Encoder for MetalEncoder {
    fn run_serially(&mut self) {
        self.order = MTLDispatchType::Serial;
    }

    fn time(&mut self) {
        self.stopwatch.run(&self.gpu);
    }

    fn dispatch(&mut self, dispatch: &Dispatch<'_>) {
        if self.refused.is_some() {
            return;
        }
        // Calls of an open encoder hand out no objects, and a pool costs more than they do.
        let encoded = match self.pass.is_some() && !self.stopwatch.is_running() {
            true => self.encode_live(dispatch),
            false => autoreleasepool(|_| self.encode_live(dispatch)),
        };
        if let Err(refused) = encoded {
            self.refused = Some(refused);
        }
    }

    fn barrier(&mut self) {
        self.open_barrier();
    }

    fn push_scope(&mut self, text: &str) {
        if self.gpu.labels {
            let is_timed = self.stopwatch.is_running();
            self.attempt(|encoder| encoder.open_scope(&label(text), is_timed));
        }
    }

    fn pop_scope(&mut self) {
        self.close_scope();
    }

    fn reset(&mut self) {
        autoreleasepool(|_| {
            self.pass = None;
            self.commands = None;
        });
        self.order = MTLDispatchType::Concurrent;
        self.scopes.clear();
        self.pipelines.clear();
        self.buffers.clear();
        self.stopwatch.reset();
        self.fetched.clear();
        self.refused = None;
    }

    fn prepare(self: Box<Self>) -> Result<Arc<dyn backend::Prepared>, Refused> {
        unreachable!("parts of launches are lists")
    }

    fn launch(&mut self, launch: &Launch<'_>) {
        self.attempt(|encoder| encoder.play(launch));
    }

    fn fetched(&self) -> &[u8] {
        self.fetched.get()
    }

    fn timings(&self, times: &mut Vec<[Instant; 2]>) {
        autoreleasepool(|_| self.stopwatch.add_to(&self.gpu, times));
    }
}

/// A part of launches, kept as a list.
pub(super) struct ListEncoder {
    gpu: Arc<Gpu>,
    list: List,
    stopwatch: Stopwatch,
    refused: Option<Refused>,
}

impl ListEncoder {
    /// A part that runs first, or one that waits for all before it.
    pub(super) fn new(gpu: &Arc<Gpu>, first: bool) -> ListEncoder {
        let mut list = List::default();
        if !first {
            list.steps.push(Step::Barrier);
        }
        ListEncoder {
            gpu: gpu.clone(),
            list,
            stopwatch: Stopwatch::default(),
            refused: None,
        }
    }
}

impl backend::Encoder for ListEncoder {
    fn time(&mut self) {
        self.stopwatch.run(&self.gpu);
    }

    fn dispatch(&mut self, dispatch: &Dispatch<'_>) {
        if self.refused.is_some() {
            return;
        }
        match autoreleasepool(|_| Resolved::new(&self.gpu, dispatch)) {
            Ok(resolved) => self.list.push(&resolved),
            Err(refused) => self.refused = Some(refused),
        }
    }

    fn barrier(&mut self) {
        if !matches!(self.list.steps.last(), None | Some(Step::Barrier)) {
            self.list.steps.push(Step::Barrier);
        }
    }

    fn push_scope(&mut self, text: &str) {
        if self.gpu.labels {
            let label = autoreleasepool(|_| label(text));
            self.list.steps.push(Step::PushScope(label));
        }
    }

    fn pop_scope(&mut self) {
        if self.gpu.labels {
            self.list.steps.push(Step::PopScope);
        }
    }

    fn reset(&mut self) {
        self.list = List::default();
        self.stopwatch.reset();
        self.refused = None;
    }

    fn prepare(self: Box<Self>) -> Result<Arc<dyn backend::Prepared>, Refused> {
        let ListEncoder {
            gpu,
            list,
            stopwatch,
            refused,
        } = *self;
        match refused {
            Some(refused) => Err(refused),
            None => Ok(Arc::new(Part::new(gpu, list, stopwatch)?)),
        }
    }

    fn launch(&mut self, _: &Launch<'_>) {
        unreachable!("a part of launches does not launch")
    }

    fn fetched(&self) -> &[u8] {
        &[]
    }

    fn timings(&self, _: &mut Vec<[Instant; 2]>) {}
}
