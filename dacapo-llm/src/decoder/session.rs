use std::fmt;

use dacapo::{
    Buffer, BufferOptions, CommandEncoder, Device, EncoderOptions, Graph, Launch, MemoryKind, Plan,
    Submission,
};
use dacapo_ops::dtype::DType;
use dacapo_ops::linear::Linear;
use dacapo_ops::sample::SampleParams as Sampling;
use dacapo_ops::tensor::Tensor;

use crate::decoder::ahead::{Ahead, Steps};
use crate::decoder::commands::{Commands, Outputs};
use crate::decoder::passes::{Pass, Passes};
use crate::decoder::workspace::{Activations, LayerCache, SessionOptions, caches};
use crate::decoder::{DecoderError, Model, PassOptions};
use crate::error::Result;

/// Rows whose logits [`Session::score`] computes at a time: 64 rows of a vocabulary of 150,000 take 38 MB.
const SCORED_ROWS: usize = 64;

/// One sequence of tokens over a model: its key-value cache, and the memory of a forward pass.
///
/// The token that was sampled last, its position and the logits stay on the device; the host learns the token.
pub struct Session {
    model: Model,
    options: SessionOptions,
    cache: Buffer,
    caches: Vec<LayerCache>,
    /// Activations of a prompt chunk.
    chunk: Activations,
    /// Activations of one row: the first of the chunk, with a token and a position of its own. The position is that
    /// of the last token, whether it was pushed or sampled; sampling advances both on the device.
    step: Activations,
    /// `[1]` each, in one buffer: the tokens sampled by the steps of one submission, on their way to the step's token.
    sampled: Vec<Tensor>,
    /// `[1, vocab_size]`: logits of the last position.
    logits: Tensor,
    /// Positions in the cache that count: steps in flight may have filled more.
    position: usize,
    state: State,
    passes: Passes,
    ahead: Ahead,
}

/// What the logits and the step's token stand for.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Nothing has been pushed.
    Empty,
    /// The logits are those of the last position.
    Predicted,
    /// A token was sampled from the logits and is not in the cache yet.
    Sampled(u32),
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    /// [`DecoderError::Option`] for options out of bounds, and the runtime's own for memory.
    pub fn new(model: &Model, options: &SessionOptions) -> Result<Session> {
        Ok(open(model, options)?)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Positions that the cache can hold.
    pub fn capacity(&self) -> usize {
        self.options.capacity
    }

    /// Positions in the cache: tokens that went through the model.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Puts tokens through the model, in chunks of at most [`SessionOptions::chunk`], after those that are in the
    /// cache already. A token that was sampled and has not gone through yet goes first. `progress` learns how many
    /// of `tokens` are done.
    ///
    /// # Errors
    /// [`DecoderError::ContextFull`] and [`DecoderError::Token`], before anything is computed.
    pub fn push(&mut self, tokens: &[u32], progress: &mut dyn FnMut(usize)) -> Result<()> {
        self.check(tokens)?;
        if tokens.is_empty() {
            return Ok(());
        }
        self.catch_up()?;
        let mut done = 0;
        for chunk in tokens.chunks(self.options.chunk) {
            done += chunk.len();
            self.forward(chunk, done == tokens.len())?;
            progress(done);
        }
        Ok(())
    }

    /// The next token: samples from the logits of the last position, after putting the token that was sampled
    /// before through the model. Equal seeds give equal tokens: the random numbers depend on seed and position
    /// alone.
    ///
    /// # Errors
    /// [`DecoderError::ContextFull`] when the cache has no room for the token sampled before,
    /// [`DecoderError::Empty`] when nothing was pushed.
    pub fn next_token(&mut self, sampling: &Sampling) -> Result<u32> {
        Ok(self.decode(sampling)?)
    }

    /// The logits of the last position, `vocab_size` of them. A token that was sampled goes through first.
    ///
    /// # Errors
    /// As for [`Session::next_token`].
    pub fn logits(&mut self) -> Result<Vec<f32>> {
        match self.state {
            State::Empty => return Err(DecoderError::Empty.into()),
            State::Predicted | State::Sampled(_) => self.catch_up()?,
        }
        Ok(self
            .logits
            .view()
            .read::<f32>()
            .map_err(DecoderError::from)?)
    }

    /// Puts `tokens` through the model from an empty cache and calls `each` with every position and its
    /// `vocab_size` logits, which predict the token after it.
    ///
    /// # Errors
    /// As for [`Session::push`].
    pub fn score(&mut self, tokens: &[u32], each: &mut dyn FnMut(usize, &[f32])) -> Result<()> {
        self.clear();
        self.check(tokens)?;
        Ok(self.score_chunks(tokens, each)?)
    }

    /// A second session with the same tokens in its cache, which goes its own way from here.
    ///
    /// # Errors
    /// The runtime's own for memory.
    pub fn fork(&self) -> Result<Session> {
        Ok(self.copy()?)
    }

    /// The commands of one decode step as a graph that runs nothing until it is replayed: the sampled token goes
    /// through the model, the next one is sampled from its logits, and token and position advance, all on the device.
    ///
    /// # Errors
    /// The runtime's own.
    pub fn decode_graph(&self, sampling: &Sampling) -> Result<Graph> {
        let (commands, outputs) = (self.step_commands(), self.outputs());
        let encode = |encoder: &mut CommandEncoder| commands.decode(encoder, outputs, sampling);
        Ok(Graph::capture::<DecoderError>(self.model.device(), encode)?)
    }

    /// The planned decode step.
    pub(super) fn planned_step(&self, sampling: &Sampling) -> Result<Plan, DecoderError> {
        let (commands, outputs) = (self.step_commands(), self.outputs());
        let encode = |encoder: &mut CommandEncoder| commands.decode(encoder, outputs, sampling);
        self.passes.plan(&Graph::capture::<DecoderError>(
            self.model.device(),
            encode,
        )?)
    }

    /// A graph of this session, such as [`Session::decode_graph`], as [`SessionOptions::passes`] has it planned.
    ///
    /// # Errors
    /// The runtime's own.
    pub fn plan(&self, graph: &Graph) -> Result<Plan> {
        Ok(self.passes.plan(graph)?)
    }

    /// Has the next decode step go through the model at `position`, after whatever is in the cache.
    pub(super) fn place_at(&self, position: usize) -> Result<(), DecoderError> {
        Ok(self.step.positions.view().write(&[position as u32])?)
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        self.position = 0;
        self.state = State::Empty;
        self.ahead = Ahead::default();
    }

    fn check(&self, tokens: &[u32]) -> Result<(), DecoderError> {
        let vocabulary = self.model.config().vocab_size;
        if let Some(&id) = tokens.iter().find(|id| **id as usize >= vocabulary) {
            return Err(DecoderError::Token { id, vocabulary });
        }
        let pending = usize::from(matches!(self.state, State::Sampled(_)));
        self.expect_room(tokens.len() + pending)
    }

    fn expect_room(&self, asked: usize) -> Result<(), DecoderError> {
        let (position, capacity) = (self.position, self.options.capacity);
        match asked <= capacity - position {
            true => Ok(()),
            false => Err(DecoderError::ContextFull {
                position,
                capacity,
                asked,
            }),
        }
    }

    /// Puts one chunk through the model; the logits of its last token are computed if `predict`.
    fn forward(&mut self, tokens: &[u32], predict: bool) -> Result<(), DecoderError> {
        let rows = self.fill(tokens)?;
        let last = rows.normed.narrow(0, tokens.len() - 1, tokens.len())?;
        let pass = Pass::Prefill {
            rows: tokens.len(),
            predict,
        };
        let commands = Commands {
            model: &self.model,
            rows: &rows,
            caches: &self.caches,
        };
        let logits = &self.logits;
        let filled = self.position + tokens.len();
        let submission = self
            .passes
            .run(self.model.device(), pass, filled, |encoder| {
                commands.layers(encoder)?;
                if predict {
                    commands.logits(encoder, &last, logits)?;
                }
                rows.discard(encoder)
            })?;
        self.finish(&submission)?;
        self.position += tokens.len();
        if predict {
            self.state = State::Predicted;
            self.place()?;
        }
        Ok(())
    }

    /// Tells the device what the host knows: the position of the last token, and the token if it was sampled.
    fn place(&self) -> Result<(), DecoderError> {
        let position = match self.state {
            State::Empty => return Ok(()),
            State::Predicted => self.position - 1,
            State::Sampled(token) => {
                self.step.tokens.view().write(&[token])?;
                self.position
            }
        };
        Ok(self.step.positions.view().write(&[position as u32])?)
    }

    fn score_chunks(
        &mut self,
        tokens: &[u32],
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), DecoderError> {
        let vocabulary = self.model.config().vocab_size;
        let rows = SCORED_ROWS.min(self.options.chunk).min(tokens.len().max(1));
        let all = Tensor::zeros(
            self.model.device(),
            "logits",
            DType::F32,
            &[rows, vocabulary],
        )?;
        // Its graphs bind the logits, which are gone afterwards.
        let mut passes = self.passes.fresh();
        for chunk in tokens.chunks(rows) {
            let rows = self.fill(chunk)?;
            let logits = all.narrow(0, 0, chunk.len())?;
            let last = logits.narrow(0, chunk.len() - 1, chunk.len())?;
            let commands = Commands {
                model: &self.model,
                rows: &rows,
                caches: &self.caches,
            };
            let pass = Pass::Score { rows: chunk.len() };
            let filled = self.position + chunk.len();
            let submission = passes.run(self.model.device(), pass, filled, |encoder| {
                commands.layers(encoder)?;
                commands.logits(encoder, &rows.normed, &logits)?;
                encoder.copy(last.view(), self.logits.view())?;
                rows.discard(encoder)
            })?;
            self.finish(&submission)?;
            let values = logits.view().map_read(dacapo::WhenBusy::Wait)?;
            for (row, logits) in values
                .as_slice::<f32>()?
                .chunks_exact(vocabulary)
                .enumerate()
            {
                each(self.position + row, logits);
            }
            self.position += chunk.len();
            self.state = State::Predicted;
            self.place()?;
        }
        Ok(())
    }

    /// Writes a chunk's tokens and positions; gives the activations of as many rows.
    fn fill(&self, tokens: &[u32]) -> Result<Activations, DecoderError> {
        let rows = self.chunk.first(tokens.len())?;
        rows.tokens.view().write(tokens)?;
        let mut positions = rows.positions.view().map_write(dacapo::WhenBusy::Wait)?;
        for (row, position) in positions.as_mut_slice::<u32>()?.iter_mut().enumerate() {
            *position = (self.position + row) as u32;
        }
        drop(positions);
        Ok(rows)
    }

    fn decode(&mut self, sampling: &Sampling) -> Result<u32, DecoderError> {
        let token = match self.state {
            State::Empty => return Err(DecoderError::Empty),
            State::Predicted => self.sample(sampling)?,
            State::Sampled(_) => {
                self.expect_room(1)?;
                let token = match self.passes.options().graph {
                    true => self.next_step(sampling),
                    false => self.live_step(sampling),
                }?;
                self.position += 1;
                token
            }
        };
        self.state = State::Sampled(token);
        Ok(token)
    }

    /// Samples from the logits that are there.
    fn sample(&self, sampling: &Sampling) -> Result<u32, DecoderError> {
        let mut encoder = self.model.device().encoder("sample")?;
        self.step_commands()
            .sampling(&mut encoder, self.outputs(), sampling)?;
        encoder.commit()?.wait()?;
        self.sampled_token()
    }

    /// A decode step, encoded and waited for.
    fn live_step(&mut self, sampling: &Sampling) -> Result<u32, DecoderError> {
        let mut encoder = self.model.device().encoder_with(EncoderOptions {
            label: "decode",
            extent: Some(self.position as u64 + 1),
            ..EncoderOptions::default()
        })?;
        self.step_commands()
            .decode(&mut encoder, self.outputs(), sampling)?;
        encoder.commit()?.wait()?;
        self.sampled_token()
    }

    /// The commands of a step, which has the token and the position on the device.
    fn step_commands(&self) -> Commands<'_> {
        Commands {
            model: &self.model,
            rows: &self.step,
            caches: &self.caches,
        }
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs {
            logits: &self.logits,
            sampled: &self.sampled[0],
        }
    }

    fn sampled_token(&self) -> Result<u32, DecoderError> {
        let mut id = [0];
        self.sampled[0].view().read_into(&mut id)?;
        Ok(id[0])
    }

    /// The token of the next decode step. Later ones are submitted before it is waited for, as many as may be in flight:
    /// each finds its token and position on the device.
    fn next_step(&mut self, sampling: &Sampling) -> Result<u32, DecoderError> {
        if self.ahead.sampling != Some(*sampling) {
            self.fall_back()?;
            self.ahead.sampling = Some(*sampling);
        }
        if let Some(token) = self.ahead.tokens.pop_front() {
            return Ok(token);
        }
        let options = self.passes.options();
        // Each step in flight fills a position.
        let room = self.options.capacity - self.position;
        let most = options.in_flight.min(room);
        while self.ahead.in_flight() < most {
            let left = room - self.ahead.in_flight();
            self.launch(sampling, options.together().min(left))?;
        }
        let Some(Steps { submission, count }) = self.ahead.launches.pop_front() else {
            unreachable!("there is room for a step");
        };
        let first = self.sampled[0].view().offset();
        let place = |step: usize| ((self.sampled[step].view().offset() - first) / 4) as usize;
        self.ahead.fetched.resize(place(count - 1) + 1, 0);
        let done = submission.fetched_into(&mut self.ahead.fetched);
        match (done.map_err(DecoderError::from)).and_then(|()| self.finish(&submission)) {
            Ok(()) => {
                let Ahead {
                    tokens, fetched, ..
                } = &mut self.ahead;
                tokens.extend((1..count).map(|step| fetched[place(step)]));
                Ok(fetched[0])
            }
            Err(error) => {
                // The device may be anywhere; what the host knows still holds.
                self.fall_back()?;
                Err(error)
            }
        }
    }

    /// Submits so many steps at once behind those in flight.
    fn launch(&mut self, sampling: &Sampling, count: usize) -> Result<(), DecoderError> {
        let commands = Commands {
            model: &self.model,
            rows: &self.step,
            caches: &self.caches,
        };
        let pass = Pass::Decode {
            sampling: *sampling,
            steps: count,
        };
        let sampled = &self.sampled[..count];
        let (device, logits) = (self.model.device(), &self.logits);
        let executable = self.passes.executable(device, pass, |encoder| {
            sampled.iter().try_for_each(|sampled| {
                let outputs = Outputs { logits, sampled };
                commands.decode(encoder, outputs, sampling)
            })
        })?;
        let filled = self.position + self.ahead.in_flight() + count;
        let submission = executable.launch_with(&Launch {
            label: "decode",
            fetch: Some(&sampled[0].view().spanning(sampled[count - 1].view())?),
            extent: Some(filled as u64),
            ..Launch::default()
        })?;
        self.ahead.launches.push_back(Steps { submission, count });
        Ok(())
    }

    /// Waits for a pass, and looks whether its workgroups have met if it took long enough that they may not have.
    fn finish(&self, pass: &Submission) -> Result<(), DecoderError> {
        pass.wait()?;
        let times = pass.gpu_times();
        let time = times.map(|times| times.end.saturating_sub(times.start));
        match time.is_some_and(|time| time < Linear::LONGEST_UNCHECKED) {
            true => Ok(()),
            false => Ok(self.model.shared.ops.linear.check_met()?),
        }
    }

    /// Takes back the steps in flight: what they compute counts for nothing.
    fn fall_back(&mut self) -> Result<(), DecoderError> {
        self.ahead.sampling = None;
        if self.ahead.launches.is_empty() && self.ahead.tokens.is_empty() {
            return Ok(());
        }
        self.ahead.launches.clear();
        self.ahead.tokens.clear();
        self.place()
    }

    /// Puts a sampled token through the model, if there is one.
    fn catch_up(&mut self) -> Result<(), DecoderError> {
        if !matches!(self.state, State::Sampled(_)) {
            return Ok(());
        }
        self.expect_room(1)?;
        self.fall_back()?;
        let commands = Commands {
            model: &self.model,
            rows: &self.step,
            caches: &self.caches,
        };
        let logits = &self.logits;
        let (device, filled) = (self.model.device(), self.position + 1);
        let submission = self.passes.run(device, Pass::Forward, filled, |encoder| {
            commands.layers(encoder)?;
            commands.logits(encoder, &commands.rows.normed, logits)?;
            commands.rows.discard(encoder)
        })?;
        self.finish(&submission)?;
        self.position += 1;
        self.state = State::Predicted;
        Ok(())
    }

    fn copy(&self) -> Result<Session, DecoderError> {
        let mut copy = open(&self.model, &self.options)?;
        let mut encoder = self.model.device().encoder("fork")?;
        encoder.copy(&self.cache, &copy.cache)?;
        encoder.copy(self.logits.view(), copy.logits.view())?;
        encoder.commit()?.wait()?;
        copy.position = self.position;
        copy.state = self.state;
        copy.place()?;
        Ok(copy)
    }
}

pub(super) fn open(model: &Model, options: &SessionOptions) -> Result<Session, DecoderError> {
    let (device, config) = (model.device(), model.config());
    let bounds = [
        ("capacity", options.capacity, config.context_length),
        (
            "chunk",
            options.chunk,
            config.context_length.max(options.capacity),
        ),
        (
            "in_flight",
            options.passes.in_flight,
            PassOptions::MOST_IN_FLIGHT,
        ),
    ];
    for (option, found, most) in bounds {
        if found == 0 || found > most {
            return Err(DecoderError::Option {
                option,
                found,
                allowed: format!("1 to {most}"),
            });
        }
    }
    let (cache, caches) = caches(device, config, options)?;
    let chunk = Activations::new(device, config, options.chunk.min(options.capacity))?;
    let step = Activations {
        tokens: Tensor::zeros(device, "token", DType::U32, &[1])?,
        positions: Tensor::zeros(device, "position", DType::U32, &[1])?,
        ..chunk.first(1)?
    };
    Ok(Session {
        model: model.clone(),
        options: *options,
        cache,
        caches,
        chunk,
        step,
        sampled: sampled(device, options.passes.together())?,
        logits: Tensor::zeros(device, "logits", DType::F32, &[1, config.vocab_size])?,
        position: 0,
        state: State::Empty,
        passes: Passes::new(options.passes, model.fusion_rules(), model.tuning()),
        ahead: Ahead::default(),
    })
}

/// The host reads them after every submission.
fn sampled(device: &Device, count: usize) -> Result<Vec<Tensor>, DecoderError> {
    // Each can be bound by itself.
    let stride = u64::from(device.limits().min_binding_alignment).max(4);
    let buffer = device.buffer_with(&BufferOptions {
        len: count as u64 * stride,
        kind: MemoryKind::HostCached,
        label: "sampled",
    })?;
    let place = |at| buffer.slice(at * stride..at * stride + 4);
    (0..count as u64)
        .map(|at| Ok(Tensor::new(place(at)?, DType::U32, &[1])?))
        .collect()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Session({} of {} positions)",
            self.position, self.options.capacity
        )
    }
}
