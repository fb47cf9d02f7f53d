//! The command line as a whole.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{self, Ending};
use crate::error::Result;

const AFTER_HELP: &str = "\
Examples:
  dacapo generate --prompt 'Why is the sky blue?'
  echo 'Once upon a time' | dacapo generate --raw --max-tokens 100 --stats
  dacapo inspect model.gguf

Without a model, the default one in the cache is used; `python3 scripts/fetch-model` puts it there.

Environment (flags win over it):
  DACAPO_DEVICE        as --device
  DACAPO_THREADS       worker threads of the CPU device, 1 to 1024
  DACAPO_HAZARDS       auto, manual, serial
  DACAPO_MEMORY_LIMIT  bytes, or with K, M or G
  DACAPO_LOG           off, error, warn (the default), info, debug, trace

Exit codes: 0 success, 1 error, 2 wrong usage, 130 ended by Ctrl-C. Those of check and selftest: \
`dacapo check --help`, `dacapo selftest --help`.";

/// Run model files and see what the hardware can do.
#[derive(Debug, Parser)]
#[command(name = "dacapo", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Devices(commands::devices::Devices),
    Generate(commands::generate::Generate),
    Inspect(commands::inspect::Inspect),
    Tokenize(commands::tokenize::Tokenize),
    Perplexity(commands::perplexity::Perplexity),
    Bench(commands::bench::Bench),
    Tune(commands::tune::Tune),
    Graph(commands::graph::GraphCommand),
    Profile(commands::profile::ProfileCommand),
    Replay(commands::replay::Replay),
    Check(Box<commands::check::Check>),
    Selftest(commands::selftest::Selftest),
}

impl Command {
    pub(crate) fn run(self) -> Result<Ending> {
        match self {
            Command::Devices(command) => command.run(),
            Command::Generate(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Tokenize(command) => command.run(),
            Command::Perplexity(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Tune(command) => command.run(),
            Command::Graph(command) => command.run(),
            Command::Profile(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Selftest(command) => command.run(),
        }
    }
}

/// Reports wrong usage of a subcommand that only shows after parsing, in clap's own form.
pub(crate) fn usage_error(subcommand: &str, message: &str) {
    let mut cli = Cli::command();
    cli.build();
    let command = match cli.find_subcommand_mut(subcommand) {
        Some(command) => command,
        None => &mut cli,
    };
    // Nothing is left to do when standard error is gone.
    let _ = command
        .error(ErrorKind::WrongNumberOfValues, message)
        .print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
