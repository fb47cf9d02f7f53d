//! `dacapo graph`.

use std::path::{Path, PathBuf};

use dacapo::{Graph, Plan};
use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::{Sampling, Session, SessionOptions};

use crate::cache::model_or_default;
use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::options::{DeviceFlags, PassFlags, count};
use crate::output;

/// Show the graph of a model's decode step, and its plan
#[derive(Debug, clap::Args)]
pub(crate) struct GraphCommand {
    /// GGUF file, or folder with config.json and safetensors files [default: the model in the cache]
    model: Option<PathBuf>,
    /// Write the plan to this file as a drawing in Graphviz' language; - is standard output
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// Write the plan to this file as a picture; - is standard output
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Positions of the cache [default: as many as the model was trained for, up to 4096]
    #[arg(long, value_name = "N", value_parser = count())]
    context: Option<usize>,
    #[command(flatten)]
    device: DeviceFlags,
    #[command(flatten)]
    passes: PassFlags,
}

impl GraphCommand {
    pub(crate) fn run(self) -> Result<Ending> {
        let path = model_or_default(self.model.clone())?;
        let device = self.device.open()?;
        let files = ModelFiles::open(path)?;
        let model = crate::model::load(&device, &files)?;
        let mut options = SessionOptions::for_model(model.config());
        options.passes = self.passes.options();
        options.capacity = self.context.unwrap_or(options.capacity);
        let session = Session::new(&model, &options)?;
        let graph = session.decode_graph(&Sampling::GREEDY)?;
        self.show(&session.plan(&graph)?, &graph)?;
        Ok(Ending::Complete)
    }

    fn show(&self, plan: &Plan, graph: &Graph) -> Result<()> {
        if let Some(path) = &self.dot {
            write(path, &plan.to_dot())?;
        }
        if let Some(path) = &self.svg {
            write(path, &plan.to_svg())?;
        }
        if self.dot.is_none() && self.svg.is_none() {
            output::print(format_args!("{graph}\n{plan}"))?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    if path == Path::new("-") {
        return output::print(text);
    }
    std::fs::write(path, text).map_err(|source| Error::Read {
        name: path.display().to_string(),
        source,
    })
}
