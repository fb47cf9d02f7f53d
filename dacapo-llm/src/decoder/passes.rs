//! How forward passes reach the device: as graphs that were planned once, or encoded anew.

use dacapo::{
    CommandEncoder, Device, EncoderOptions, Executable, FusionRule, Graph, Launch, Plan,
    PlanOptions, Reorder, Submission,
};
use dacapo_ops::Tuning;
use dacapo_ops::sample::SampleParams as Sampling;

use crate::decoder::DecoderError;

/// How forward passes reach the device. Whatever is chosen, the text is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassOptions {
    /// Passes are captured as graphs, planned once, and launched again and again. Otherwise each is encoded anew, in
    /// program order, and the two options below mean nothing.
    pub graph: bool,
    /// Plans fuse operations.
    pub fuse: bool,
    /// Plans move operations, so that as few barriers as possible are needed.
    pub reorder: bool,
    /// Decode steps that may be submitted before the token of the first is known, 1 to
    /// [`PassOptions::MOST_IN_FLIGHT`], half of them to a submission (one, of fewer than four): a device pauses between
    /// submissions, and the tokens of one come together. Steps beyond the end of an answer are computed for nothing. Counts with graphs
    /// only.
    pub in_flight: usize,
}

impl PassOptions {
    /// Most decode steps in flight.
    pub const MOST_IN_FLIGHT: usize = 16;

    /// Decode steps of one submission.
    pub(super) fn together(self) -> usize {
        (self.in_flight / 2).max(1)
    }
}

impl Default for PassOptions {
    /// Graphs, with everything that plans can do, and two steps in flight: the device has the next one when a token
    /// arrives.
    fn default() -> Self {
        PassOptions {
            graph: true,
            fuse: true,
            reorder: true,
            in_flight: 2,
        }
    }
}

/// What a pass does: two passes of the same kind are the same commands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pass {
    /// Rows of a prompt, the last of which is followed by the output product if `predict`.
    Prefill { rows: usize, predict: bool },
    /// Rows of a text, each followed by the output product.
    Score { rows: usize },
    /// The token on the device, up to its logits.
    Forward,
    /// So many times the same and the sampling of the next token.
    Decode { sampling: Sampling, steps: usize },
}

/// Executables that are kept: more than one chat needs, few enough to cost nothing.
const KEPT: usize = 8;

/// The passes of a session that were planned so far.
pub(super) struct Passes {
    options: PassOptions,
    rules: Vec<FusionRule>,
    tuning: Tuning,
    /// The version of the tuning that all known ones were planned at.
    version: u64,
    /// The one used last is the last.
    known: Vec<(Pass, Executable)>,
}

impl Pass {
    fn label(self) -> &'static str {
        match self {
            Pass::Prefill { .. } => "prefill",
            Pass::Score { .. } => "score",
            Pass::Forward | Pass::Decode { .. } => "decode",
        }
    }
}

impl Passes {
    pub(super) fn new(options: PassOptions, rules: Vec<FusionRule>, tuning: &Tuning) -> Passes {
        Passes {
            options,
            rules,
            tuning: tuning.clone(),
            version: tuning.version(),
            known: Vec::new(),
        }
    }

    /// The same way of planning, with nothing planned yet.
    pub(super) fn fresh(&self) -> Passes {
        Passes::new(self.options, self.rules.clone(), &self.tuning)
    }

    pub(super) fn options(&self) -> PassOptions {
        self.options
    }

    /// Runs a pass after everything that was submitted before; `filled` positions of the cache are filled behind it.
    pub(super) fn run(
        &mut self,
        device: &Device,
        pass: Pass,
        filled: usize,
        encode: impl FnOnce(&mut CommandEncoder) -> Result<(), DecoderError>,
    ) -> Result<Submission, DecoderError> {
        if !self.options.graph {
            let mut encoder = device.encoder_with(EncoderOptions {
                label: pass.label(),
                extent: Some(filled as u64),
                ..EncoderOptions::default()
            })?;
            encode(&mut encoder)?;
            return Ok(encoder.commit()?);
        }
        Ok(self
            .executable(device, pass, encode)?
            .launch_with(&Launch {
                label: pass.label(),
                extent: Some(filled as u64),
                ..Launch::default()
            })?)
    }

    /// A pass, planned and recorded.
    pub(super) fn executable(
        &mut self,
        device: &Device,
        pass: Pass,
        encode: impl FnOnce(&mut CommandEncoder) -> Result<(), DecoderError>,
    ) -> Result<&Executable, DecoderError> {
        // What was planned before the settings changed has kernels of other shapes.
        let version = self.tuning.version();
        if self.version != version {
            self.known.clear();
            self.version = version;
        }
        let known = self.known.iter().position(|(known, _)| *known == pass);
        let found = match known {
            Some(at) => self.known.remove(at),
            None => {
                let graph = Graph::capture(device, encode)?;
                let executable = self.plan(&graph)?.instantiate()?;
                if self.known.len() == KEPT {
                    self.known.remove(0);
                }
                (pass, executable)
            }
        };
        self.known.push(found);
        let last = self.known.len() - 1;
        Ok(&self.known[last].1)
    }

    /// A graph as the options plan it.
    pub(super) fn plan(&self, graph: &Graph) -> Result<Plan, DecoderError> {
        let options = PlanOptions {
            rules: if self.options.fuse { &self.rules } else { &[] },
            reorder: match self.options.reorder {
                true => Reorder::Free,
                false => Reorder::Never,
            },
            ..PlanOptions::default()
        };
        Ok(graph.plan(&options)?)
    }
}
