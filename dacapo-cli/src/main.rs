//! The dacapo command: run a model file and see what the hardware can do.

mod cache;
mod cli;
mod commands;
mod error;
mod interrupt;
mod model;
mod options;
mod output;
mod progress;
mod prompt;
mod settings;
mod stats;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use commands::Ending;
use error::Error;

/// What shells report for a process that SIGINT ended: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = options::init_log().and_then(|()| cli.command.run());
    match ended {
        Ok(Ending::Complete) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Ok(Ending::Found) => ExitCode::FAILURE,
        // Whoever reads the output has read enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(Error::Usage { command, message }) => {
            cli::usage_error(command, &message);
            ExitCode::from(2)
        }
        Err(Error::Unchecked { source }) => {
            output::explain(&*source);
            ExitCode::from(2)
        }
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}
