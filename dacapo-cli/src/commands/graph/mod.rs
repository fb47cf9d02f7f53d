//! `dacapo graph`.

mod report;

use std::path::PathBuf;

use clap::ValueEnum;
use dacapo::{Contents, Device, FileOptions, Graph, Plan};
use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::{Model, Sampling, Session, SessionOptions};
use dacapo_llm::tokenizer::{AddSpecial, SpecialText};

use crate::cache::model_or_default;
use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::options::{DeviceFlags, PlanFlags, count};
use crate::output;
use report::Report;

const AFTER_HELP: &str = "\
Shows figures, then the step as it was captured, then the plan: its waves, the \
barrier in front of each, and what fused operations stand for. r, w and rw are \
what an operation does with a buffer, followed by the buffer and which bytes of it.

With --dot, --svg or --save, the only text is that of --json, if given.

With --explain, one operation of the plan is shown from all sides: what it does \
with which memory, what it waits for and why, and how it was fused, or was not.

A file of --save can be run by `dacapo replay` or dacapo::GraphFile elsewhere, \
and carries what the step reads with --with-contents: after --prompt, a bug report \
in one file.

JSON: dispatches_captured, dispatches_after_fusion, waves, longest_path, \
barriers, barriers_greedy64 and barriers_program_order (of the operations as they \
run, ordered by other means), fusions (by rule), near_misses, and passes: the same \
figures after each pass.

Examples:
  dacapo graph --svg step.svg
  dacapo graph --json --no-fuse
  dacapo graph --explain 17
  dacapo graph --prompt 'Hello' --save step.dacapo --with-contents";

/// Show the graph of a model's decode step and its plan
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct GraphCommand {
    /// GGUF file, or folder with config.json and safetensors files [default: the model in the cache]
    model: Option<PathBuf>,
    /// Draw the plan as SVG; - is standard output
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw the plan in Graphviz' language; - is standard output
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// Explain one operation, by its number in the plan
    #[arg(long, value_name = "NODE", conflicts_with_all = ["json", "svg", "dot"])]
    explain: Option<usize>,
    /// Save the step as a capture file, before planning
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Save contents of buffers, too: all that the step reads, or its state without the weights
    #[arg(long, value_name = "WHICH", requires = "save", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    with_contents: Option<WithContents>,
    /// What to put into the context before the step, as it is
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    #[command(flatten)]
    device: DeviceFlags,
    /// Tokens that the context may have [default: the model's own, at most 4096]
    #[arg(long, value_name = "N", value_parser = count())]
    context: Option<usize>,
    /// Print one JSON object of figures
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    plans: PlanFlags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WithContents {
    All,
    State,
}

impl GraphCommand {
    pub(crate) fn run(self) -> Result<Ending> {
        self.check()?;
        let path = model_or_default(self.model.clone())?;
        let device = self.device.open()?;
        let files = ModelFiles::open(path)?;
        let model = crate::model::load(&device, &files, self.plans.tuned())?;
        let session = self.session(&files, &model)?;
        let graph = session.decode_graph(&Sampling::GREEDY)?;
        let plan = session.plan(&graph)?;
        if let Some(path) = &self.save {
            let bytes = graph.to_file(&self.contents())?;
            output::write_file(path, &bytes)?;
        }
        self.show(&files, &device, &graph, &plan)?;
        Ok(Ending::Complete)
    }

    /// Only one thing can go to standard output.
    fn check(&self) -> Result<()> {
        let outputs = [&self.svg, &self.dot, &self.save];
        let dashes = outputs
            .into_iter()
            .flatten()
            .filter(|path| output::is_dash(path));
        match dashes.count() + usize::from(self.json) + usize::from(self.explain.is_some()) {
            0 | 1 => Ok(()),
            _ => Err(Error::Usage {
                command: "graph",
                message: "only one of --json, --svg -, --dot -, --save - and --explain at a time"
                    .to_owned(),
            }),
        }
    }

    /// A session whose next step is the one that is shown.
    fn session(&self, files: &ModelFiles, model: &Model) -> Result<Session> {
        let mut options = SessionOptions::for_model(model);
        options.passes = self.plans.options(options.passes);
        // Steps that ran ahead would have changed what is saved.
        options.passes.in_flight = 1;
        options.capacity = self.context.unwrap_or(options.capacity);
        let mut session = Session::new(model, &options)?;
        if let Some(prompt) = &self.prompt {
            let tokenizer = files.tokenizer()?;
            let tokens = tokenizer.encode(prompt, AddSpecial::AsTrained, SpecialText::Parse)?;
            if tokens.is_empty() {
                return Err(Error::EmptyPrompt);
            }
            session.push(&tokens, &mut |_| {})?;
            session.next_token(&Sampling::GREEDY)?;
        }
        Ok(session)
    }

    fn contents(&self) -> FileOptions {
        FileOptions {
            contents: match self.with_contents {
                None => Contents::None,
                Some(_) => Contents::ReadFirst,
            },
            without_read_only: matches!(self.with_contents, Some(WithContents::State)),
        }
    }

    fn show(&self, files: &ModelFiles, device: &Device, graph: &Graph, plan: &Plan) -> Result<()> {
        if let Some(path) = &self.svg {
            output::write_file(path, plan.to_svg().as_bytes())?;
        }
        if let Some(path) = &self.dot {
            output::write_file(path, plan.to_dot().as_bytes())?;
        }
        if let Some(node) = self.explain {
            return output::print(explained(plan, node)?);
        }
        if self.json {
            return output::print_json(&Report::new(files, device, plan));
        }
        match [&self.svg, &self.dot, &self.save] {
            [None, None, None] => {
                let report = Report::new(files, device, plan);
                output::print(format_args!("{report}\n{graph}\n{plan}"))
            }
            _ => Ok(()),
        }
    }
}

fn explained(plan: &Plan, node: usize) -> Result<String> {
    plan.describe(node).ok_or_else(|| Error::NoNode {
        node,
        nodes: plan.graph().nodes().len(),
    })
}
