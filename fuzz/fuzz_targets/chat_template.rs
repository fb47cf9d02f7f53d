//! A chat template from outside either renders within its bounds or is an error.
#![no_main]

use dacapo_llm::chat::{ChatTemplate, Clock, MAX_OUTPUT_BYTES, Message, RenderOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let Ok(template) = ChatTemplate::parse(source) else { return };
    let messages = [
        Message::new("system", "Be brief."),
        Message::new("user", " <é> \n"),
        Message::new("assistant", ""),
    ];
    let options = RenderOptions {
        add_generation_prompt: true,
        bos_token: "<s>".to_owned(),
        eos_token: "</s>".to_owned(),
        now: Some(Clock { year: 2026, month: 1, day: 31, hour: 0, minute: 0, second: 59 }),
        ..RenderOptions::default()
    };
    if let Ok(prompt) = template.render(&messages, &options) {
        assert!(prompt.len() <= MAX_OUTPUT_BYTES);
    }
});
