//! `dacapo tokenize`.

use std::ffi::OsString;
use std::path::PathBuf;

use dacapo_llm::ModelFiles;
use dacapo_llm::tokenizer::{AddSpecial, SpecialText, Tokenizer};

use crate::cache::model_or_default;
use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::output::{self, Output};
use crate::text;

const AFTER_HELP: &str = "\
Names of control tokens in the text, such as <|im_end|>, stand for the tokens. \
A start or end token is added where the model was trained with one.

Examples:
  dacapo tokenize 'Hello, world'
  dacapo tokenize model.gguf --file README.md --json";

const USAGE: &str = "dacapo tokenize [OPTIONS] [MODEL] <TEXT>
       dacapo tokenize [OPTIONS] [MODEL] --file <FILE>";

/// Show the tokens of a text
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
pub(crate) struct Tokenize {
    /// GGUF file or model folder [default: the model in the cache], and the text
    #[arg(value_names = ["MODEL", "TEXT"], num_args = 0..=2)]
    arguments: Vec<OsString>,
    /// Take the text from a file; - is standard input
    #[arg(long)]
    file: Option<PathBuf>,
    /// Print a JSON list of token ids
    #[arg(long)]
    json: bool,
}

impl Tokenize {
    pub(crate) fn run(self) -> Result<Ending> {
        let (model, text) = model_and_text(self.arguments, self.file)?;
        let tokenizer = ModelFiles::open(model_or_default(model)?)?.tokenizer()?;
        let text = match text {
            Source::Argument(text) => text,
            Source::File(path) => text::read_file(&path)?,
        };
        let ids = tokenizer.encode(&text, AddSpecial::AsTrained, SpecialText::Parse)?;
        match self.json {
            true => output::print_json(&ids)?,
            false => list(&tokenizer, &ids)?,
        }
        Ok(Ending::Complete)
    }
}

#[derive(Debug, PartialEq)]
enum Source {
    Argument(String),
    File(PathBuf),
}

fn model_and_text(
    arguments: Vec<OsString>,
    file: Option<PathBuf>,
) -> Result<(Option<PathBuf>, Source)> {
    let mut arguments = arguments.into_iter();
    let (first, second) = (arguments.next(), arguments.next());
    let (model, text) = match (first, second, file) {
        (Some(_), Some(_), Some(_)) => {
            return Err(usage("either TEXT or --file, not both"));
        }
        (model, None, Some(file)) => return Ok((model.map(PathBuf::from), Source::File(file))),
        (Some(model), Some(text), None) => (Some(model.into()), text),
        (Some(text), None, None) => (None, text),
        (None, ..) => {
            return Err(usage("a TEXT is needed, or --file (- for standard input)"));
        }
    };
    match text.into_string() {
        Ok(text) => Ok((model, Source::Argument(text))),
        Err(_) => Err(usage("TEXT is not UTF-8")),
    }
}

fn usage(message: &str) -> Error {
    Error::Usage {
        command: "tokenize",
        message: message.to_owned(),
    }
}

/// One line for each token: its id, and its bytes as a literal.
fn list(tokenizer: &Tokenizer, ids: &[u32]) -> Result<()> {
    let mut output = Output::new();
    let width = tokenizer.vocabulary_size().to_string().len();
    for &id in ids {
        let bytes = tokenizer.token_bytes(id)?;
        match str::from_utf8(bytes) {
            Ok(text) => output.write(format_args!("{id:width$}  {text:?}\n"))?,
            Err(_) => output.write(format_args!("{id:width$}  b\"{}\"\n", bytes.escape_ascii()))?,
        }
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str], file: Option<&str>) -> Option<(Option<PathBuf>, Source)> {
        let arguments = arguments.iter().map(OsString::from).collect();
        model_and_text(arguments, file.map(PathBuf::from)).ok()
    }

    #[test]
    fn one_argument_is_the_text_unless_a_file_has_it() {
        let text = || Source::Argument("t".to_owned());
        assert_eq!(parsed(&["t"], None), Some((None, text())));
        assert_eq!(parsed(&["m", "t"], None), Some((Some("m".into()), text())));
        let file = || Source::File("f".into());
        assert_eq!(parsed(&[], Some("f")), Some((None, file())));
        assert_eq!(parsed(&["m"], Some("f")), Some((Some("m".into()), file())));
        assert_eq!(parsed(&["m", "t"], Some("f")), None);
        assert_eq!(parsed(&[], None), None);
    }
}
