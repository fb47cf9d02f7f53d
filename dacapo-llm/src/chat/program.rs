//! From the source of a template to what it writes.
//!
//! minijinja's own `Template` gives no access to its instructions, so this goes through its
//! `machinery`: parse, [`check`](super::syntax), compile, [guard](super::guard), run. A template is
//! compiled anew for every render, since the program borrows from the source; that takes some
//! 100 µs for the longest published ones.

use minijinja::machinery::{self, CodeGenerator, Instructions};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Value};

use super::environment::chat_error;
use super::{ChatError, MAX_OUTPUT_BYTES, guard, syntax};

/// How errors name the template.
const NAME: &str = "chat_template";

/// The parser and the compiler take a few stack frames for each operator of a chain such as
/// `not not not`, so that what they need is bounded by the length of the source only. It is
/// reserved; only what is used becomes memory.
const STACK_BYTES_PER_SOURCE_BYTE: usize = 4 << 10;

/// Stack for running, which nests as deep as macros call each other.
const STACK_BYTES: usize = 2 << 20;

/// Whether a source is a template.
pub(super) fn check(source: &str) -> Result<(), ChatError> {
    on_large_stack(source, || compile(source).map(drop))
}

/// Renders a source.
pub(super) fn run(
    source: &str,
    environment: &Environment<'static>,
    context: Value,
) -> Result<String, ChatError> {
    on_large_stack(source, || {
        let program = compile(source)?;
        let mut text = String::new();
        machinery::eval(
            environment,
            &program,
            context,
            &Default::default(),
            &mut machinery::make_string_output(&mut text),
            AutoEscape::None,
        )
        .map_err(|error| chat_error(&error))?;
        if text.len() > MAX_OUTPUT_BYTES {
            return Err(ChatError::OutputTooLong);
        }
        Ok(text)
    })
}

fn compile(source: &str) -> Result<Instructions<'_>, ChatError> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(syntax_error)?;
    let template = machinery::parse(source, NAME, syntax).map_err(syntax_error)?;
    syntax::check(&template).map_err(ChatError::Syntax)?;
    let mut compiler = CodeGenerator::new(NAME, source);
    compiler.compile_stmt(&template);
    let (program, _) = compiler.finish();
    Ok(guard::guarded(&program))
}

fn syntax_error(error: minijinja::Error) -> ChatError {
    ChatError::Syntax(error.to_string())
}

fn on_large_stack<T: Send>(
    source: &str,
    work: impl FnOnce() -> Result<T, ChatError> + Send,
) -> Result<T, ChatError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name(NAME.to_owned())
            .stack_size(STACK_BYTES + source.len() * STACK_BYTES_PER_SOURCE_BYTE)
            .spawn_scoped(scope, work)
            .map_err(|error| ChatError::Render(format!("no thread to run on: {error}")))?;
        thread.join().unwrap_or_else(|_| {
            Err(ChatError::Render(
                "the template engine stopped unexpectedly".to_owned(),
            ))
        })
    })
}
