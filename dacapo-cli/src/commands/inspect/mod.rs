//! `dacapo inspect`.

mod report;
mod value;

use std::path::PathBuf;

use indicatif::{BinaryBytes, HumanCount};

use crate::cache::model_or_default;
use crate::commands::Ending;
use crate::error::Result;
use crate::output;
use crate::table::{Align, Table, visible};
use report::Report;

const AFTER_HELP: &str = "\
The tables shorten long values; --json has strings whole, and of each array its \
length and first elements. Files of architectures that dacapo cannot run are \
shown too.";

/// Show a model's metadata, tensors and sizes
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Inspect {
    /// GGUF file, or folder with config.json and safetensors files [default: the model in the cache]
    model: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<Ending> {
        let report = Report::of(&model_or_default(self.model)?)?;
        match self.json {
            true => output::print_json(&report)?,
            false => output::print(tables(&report))?,
        }
        Ok(Ending::Complete)
    }
}

fn tables(report: &Report) -> String {
    let parts = [
        summary(report),
        metadata(report),
        types(report),
        tensors(report),
    ];
    parts.map(|table| table.to_string()).join("\n")
}

fn summary(report: &Report) -> Table {
    let mut table = Table::new([("model", Align::Left), (&report.path, Align::Left)]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("format", report.format.clone());
    row(
        "size",
        format!("{} in {} file(s)", BinaryBytes(report.bytes), report.files),
    );
    row("parameters", HumanCount(report.parameters).to_string());
    match (&report.decoder, &report.not_runnable) {
        (Some(decoder), _) => {
            row("architecture", decoder.architecture.clone());
            row("layers", HumanCount(decoder.layers as u64).to_string());
            row("width", HumanCount(decoder.width as u64).to_string());
            row(
                "heads",
                format!(
                    "{} of {}, {} for keys",
                    decoder.heads, decoder.head_dim, decoder.kv_heads
                ),
            );
            row(
                "feed-forward",
                HumanCount(decoder.feed_forward as u64).to_string(),
            );
            row(
                "vocabulary",
                HumanCount(decoder.vocabulary as u64).to_string(),
            );
            row("context", HumanCount(decoder.context as u64).to_string());
        }
        (None, Some(reason)) => row("cannot run", reason.clone()),
        (None, None) => {}
    }
    table
}

fn metadata(report: &Report) -> Table {
    let mut table = Table::new([
        ("key", Align::Left),
        ("type", Align::Left),
        ("value", Align::Left),
    ]);
    let longest =
        |width: fn(&report::Entry) -> usize| report.metadata.iter().map(width).max().unwrap_or(0);
    let taken = longest(|entry| entry.key.len()) + longest(|entry| entry.value_type.len()) + 4;
    let room = 80usize.saturating_sub(taken).max(20);
    for entry in &report.metadata {
        let value = shorten(&visible(&entry.value.to_string()), room);
        table.row([entry.key.clone(), entry.value_type.clone(), value]);
    }
    table
}

fn types(report: &Report) -> Table {
    let columns = [
        ("type", Align::Left),
        ("tensors", Align::Right),
        ("size", Align::Right),
    ];
    let mut table = Table::new(columns);
    for total in &report.types {
        let (count, bytes) = (HumanCount(total.tensors), BinaryBytes(total.bytes));
        table.row([total.name.clone(), count.to_string(), bytes.to_string()]);
    }
    table
}

fn tensors(report: &Report) -> Table {
    let mut table = Table::new([
        ("tensor", Align::Left),
        ("type", Align::Left),
        ("shape", Align::Left),
        ("size", Align::Right),
    ]);
    for tensor in &report.tensors {
        table.row([
            tensor.name.clone(),
            tensor.element.clone(),
            format!("{:?}", tensor.shape),
            BinaryBytes(tensor.bytes).to_string(),
        ]);
    }
    table
}

/// The first `room` characters, the last of which says so where more follow.
fn shorten(text: &str, room: usize) -> String {
    if text.chars().nth(room).is_none() {
        return text.to_owned();
    }
    text.chars()
        .take(room.saturating_sub(1))
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_end_in_an_ellipsis() {
        assert_eq!(shorten("été", 3), "été");
        assert_eq!(shorten("étés", 3), "ét…");
    }
}
