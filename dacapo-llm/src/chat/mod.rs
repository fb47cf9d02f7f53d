//! Chat templates: from a list of messages to the one prompt that a model was trained on.
//!
//! A model file carries its template as Jinja source (`tokenizer.chat_template` in a GGUF,
//! `chat_template` in a `tokenizer_config.json`). Hugging Face transformers defines what such a
//! template may use; this module gives the same names on top of [minijinja]: `trim_blocks` and
//! `lstrip_blocks`, loop controls, Python's string and dictionary methods, `raise_exception`,
//! `strftime_now` and a `tojson` that writes like Python's `json.dumps`.
//!
//! A template comes from outside, so a render is bounded: steps and memory by
//! [`RENDER_FUEL`], nesting by [`MAX_RECURSION`], the result by [`MAX_OUTPUT_BYTES`] and the
//! source by [`MAX_SOURCE_BYTES`].
//!
//! What it does not do: to repeat a list literal by `*`, to keep a namespace, macro or `loop` in
//! an attribute of a namespace, to nest lists deeper than 64 levels (no published template does
//! any of these); `{% include %}`, `{% import %}` and `{% extends %}`, which no template
//! inside a model file can use.

mod clock;
mod environment;
mod guard;
mod output;
mod program;
mod syntax;
mod tojson;
mod weight;

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::{Deserialize, Serialize};

pub use clock::Clock;

/// Longest template source taken, in bytes. The longest published ones are near 20 KB.
pub const MAX_SOURCE_BYTES: usize = 64 << 10;

/// Longest prompt that a render may produce, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 16 << 20;

/// Fuel for one render: about one unit per template instruction and per 64 bytes handled, so
/// this also bounds what a template can allocate to about 128 MB.
pub const RENDER_FUEL: u64 = 2_000_000;

/// How deep macros and loops of a template may call themselves.
pub const MAX_RECURSION: usize = 100;

/// Why a chat template could not be parsed or rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The source is longer than [`MAX_SOURCE_BYTES`].
    #[error("chat template of {bytes} bytes; at most {MAX_SOURCE_BYTES} are allowed")]
    SourceTooLong {
        /// Length of the source.
        bytes: usize,
    },
    /// The source is not a Jinja template.
    #[error("chat template does not parse: {0}")]
    Syntax(String),
    /// The template called `raise_exception`, usually because the roles of the messages are not
    /// in an order that the model was trained on.
    #[error("the chat template refuses these messages: {0}")]
    Refused(String),
    /// The render took more than [`RENDER_FUEL`].
    #[error(
        "chat template stopped after {RENDER_FUEL} units of work: it loops or builds huge values"
    )]
    OutOfFuel,
    /// The render produced more than [`MAX_OUTPUT_BYTES`].
    #[error("chat template produced more than {MAX_OUTPUT_BYTES} bytes")]
    OutputTooLong,
    /// Anything else that went wrong inside the template, in minijinja's words.
    #[error("chat template failed: {0}")]
    Render(String),
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant` or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message from its two parts.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// What a template may know besides the messages.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// Whether the prompt ends with the opening of the assistant's answer.
    pub add_generation_prompt: bool,
    /// Text of the start token, as `bos_token`; empty where the model has none.
    pub bos_token: String,
    /// Text of the end token, as `eos_token`; empty where the model has none.
    pub eos_token: String,
    /// The time that `strftime_now` formats. Without it the function does not exist, and
    /// templates that ask for it fall back to the date written in them.
    pub now: Option<Clock>,
    /// Further variables such as `enable_thinking`. They do not replace those above.
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// A parsed chat template.
///
/// ```
/// use dacapo_llm::chat::{ChatTemplate, Message, RenderOptions};
///
/// let template = ChatTemplate::parse(
///     "{% for m in messages %}[{{ m.role }}] {{ m['content'].strip() }}\n{% endfor %}",
/// )?;
/// let text = template.render(&[Message::new("user", " hello ")], &RenderOptions::default())?;
/// assert_eq!(text, "[user] hello\n");
/// # Ok::<(), dacapo_llm::chat::ChatError>(())
/// ```
#[derive(Debug)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Parses the Jinja source of a template.
    ///
    /// # Errors
    /// [`ChatError::SourceTooLong`] and [`ChatError::Syntax`].
    pub fn parse(source: &str) -> Result<Self, ChatError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(ChatError::SourceTooLong {
                bytes: source.len(),
            });
        }
        program::check(source)?;
        Ok(Self {
            source: source.to_owned(),
            environment: environment::transformers_like(),
        })
    }

    /// Renders a conversation into a prompt.
    ///
    /// The prompt contains the model's special tokens as text: encode it with
    /// [`SpecialText::Parse`](crate::tokenizer::SpecialText::Parse) and without adding a start
    /// token, since the template has written it where it belongs.
    ///
    /// # Errors
    /// All variants of [`ChatError`] but those of [`parse`](Self::parse).
    pub fn render(
        &self,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<String, ChatError> {
        program::run(&self.source, &self.environment, context(messages, options))
    }
}

/// The variables that a template sees.
fn context(messages: &[Message], options: &RenderOptions) -> Value {
    let mut context: BTreeMap<&str, Value> = options
        .extra
        .iter()
        .map(|(name, value)| (name.as_str(), Value::from(Serde(value))))
        .collect();
    context.insert("messages", Value::from(Serde(messages)));
    context.insert(
        "add_generation_prompt",
        options.add_generation_prompt.into(),
    );
    context.insert("bos_token", options.bos_token.as_str().into());
    context.insert("eos_token", options.eos_token.as_str().into());
    for absent in ["tools", "documents"] {
        context.entry(absent).or_insert(Value::from(()));
    }
    if let Some(clock) = options.now {
        context.insert("strftime_now", environment::strftime_now(clock));
    }
    Value::from(context)
}

#[cfg(test)]
mod tests;
