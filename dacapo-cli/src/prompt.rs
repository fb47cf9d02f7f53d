//! From what the user typed to the tokens that a model continues.

use dacapo_llm::ModelFiles;
use dacapo_llm::chat::{ChatTemplate, Message, RenderOptions};
use dacapo_llm::tokenizer::{AddSpecial, SpecialText, Tokenizer};

use crate::error::{Error, Result};
use crate::text;

/// What to continue, and how it is put to the model.
#[derive(Debug, clap::Args)]
pub(crate) struct PromptFlags {
    /// What to say to the model [default: standard input, less one line end]
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Put the prompt into the model's chat template; fail if it has none
    #[arg(long, conflicts_with = "raw")]
    chat: bool,
    /// Pass the prompt as it is, for the model to continue
    #[arg(long)]
    raw: bool,
    /// System message, which the chat template puts before the prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
}

impl PromptFlags {
    /// The prompt, from the command line or standard input.
    pub(crate) fn text(&self) -> Result<String> {
        if let Some(prompt) = &self.prompt {
            return Ok(prompt.clone());
        }
        let mut text = text::read_stdin()?;
        // What `echo` and editors put at the end of a text is not meant for the model.
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }

    /// The tokens that the model is to continue, at least one.
    pub(crate) fn tokens(
        &self,
        text: String,
        files: &ModelFiles,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<u32>> {
        let template = match self.raw {
            true => None,
            false => files.chat_template()?,
        };
        let tokens = match template {
            Some(template) => {
                let prompt = self.render(&template, text, tokenizer)?;
                tokenizer.encode(&prompt, AddSpecial::Never, SpecialText::Parse)?
            }
            None if self.chat || self.system.is_some() => {
                return Err(Error::NoChatTemplate {
                    path: files.path().to_owned(),
                });
            }
            None => tokenizer.encode(&text, AddSpecial::AsTrained, SpecialText::Parse)?,
        };
        match tokens.is_empty() {
            true => Err(Error::EmptyPrompt),
            false => Ok(tokens),
        }
    }

    fn render(
        &self,
        template: &ChatTemplate,
        text: String,
        tokenizer: &Tokenizer,
    ) -> Result<String> {
        let name = |id: Option<u32>| -> Result<String> {
            let bytes = id
                .map(|id| tokenizer.token_bytes(id))
                .transpose()?
                .unwrap_or_default();
            Ok(String::from_utf8_lossy(bytes).into_owned())
        };
        let system = self
            .system
            .iter()
            .map(|system| Message::new("system", system));
        let messages: Vec<Message> = system.chain([Message::new("user", text)]).collect();
        // Without a clock, so that a prompt means the same tokens on every day.
        let options = RenderOptions {
            add_generation_prompt: true,
            bos_token: name(tokenizer.bos())?,
            eos_token: name(tokenizer.eos())?,
            ..RenderOptions::default()
        };
        Ok(template.render(&messages, &options)?)
    }
}

/// Token ids spread over the vocabulary, the same every time.
pub(crate) fn made_up(tokens: usize, vocabulary: usize) -> Vec<u32> {
    (0..tokens)
        .map(|at| (at.wrapping_mul(7919) % vocabulary) as u32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_fixed_and_within_the_vocabulary() {
        assert_eq!(made_up(4, 10), [0, 9, 8, 7]);
        assert!(made_up(1000, 3).iter().all(|&id| id < 3));
    }
}
