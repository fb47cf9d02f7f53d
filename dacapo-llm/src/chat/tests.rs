use std::time::{Duration, Instant};

use super::*;

#[derive(Deserialize)]
struct Fixture {
    name: String,
    template: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    messages: Vec<Message>,
    add_generation_prompt: bool,
    expected: Option<String>,
    error: Option<String>,
}

/// The time in `scripts/fixtures/chat_templates.py`.
const NOW: Clock = Clock {
    year: 2026,
    month: 3,
    day: 7,
    hour: 15,
    minute: 4,
    second: 5,
};

/// Prompts made by jinja2 set up as transformers does it.
#[test]
fn templates_render_as_in_python() {
    let fixtures: Vec<Fixture> =
        serde_json::from_str(include_str!("../../tests/data/chat_templates.json")).unwrap();
    assert!(fixtures.len() > 15, "fixtures went missing");
    let mut wrong = Vec::new();
    for Fixture {
        name,
        template,
        cases,
    } in &fixtures
    {
        let template = ChatTemplate::parse(template).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (i, case) in cases.iter().enumerate() {
            let options = RenderOptions {
                add_generation_prompt: case.add_generation_prompt,
                bos_token: "<bos>".into(),
                eos_token: "<eos>".into(),
                now: Some(NOW),
                ..RenderOptions::default()
            };
            let rendered = template.render(&case.messages, &options);
            let same = match (&rendered, &case.expected, &case.error) {
                (Ok(text), Some(expected), None) => text == expected,
                (Err(ChatError::Refused(message)), None, Some(expected)) => message == expected,
                // jinja2 words its own errors differently.
                (Err(ChatError::Render(_)), None, Some(_)) => true,
                _ => false,
            };
            if !same {
                wrong.push(format!(
                    "{name} case {i}\n  got      {rendered:?}\n  expected {:?} {:?}",
                    case.expected, case.error
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn render(source: &str) -> Result<String, ChatError> {
    ChatTemplate::parse(source)?.render(&[Message::new("user", "hi")], &RenderOptions::default())
}

#[test]
fn runaway_templates_stop_quickly() {
    let cases = [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}xxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x.replace('a', 'aa') %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x | replace('a', 'aa') %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        "{{ 'x' * 99999999 }}",
        "{{ ('x' * 1000000).split('') | length }}{{ ('x ' * 40000000).split() | length }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ];
    for source in cases {
        let start = Instant::now();
        let result = render(source);
        assert!(
            matches!(
                result,
                Err(ChatError::OutOfFuel | ChatError::OutputTooLong | ChatError::Render(_))
            ),
            "{source}: {:?}",
            result.map(|text| text.len())
        );
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{source}: {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn output_and_source_have_limits() {
    let long = "x".repeat(10_000);
    let source = format!("{{% for i in range(10000) %}}{long}{{% endfor %}}");
    assert!(matches!(
        render(&source),
        Err(ChatError::OutputTooLong | ChatError::OutOfFuel)
    ));
    let source = " ".repeat(MAX_SOURCE_BYTES + 1);
    assert!(matches!(
        ChatTemplate::parse(&source),
        Err(ChatError::SourceTooLong { .. })
    ));
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    let nested = [
        format!(
            "{}x{}",
            "{% if true %}".repeat(2_500),
            "{% endif %}".repeat(2_500)
        ),
        format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{{{{ {}1{} }}}}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(10_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(10_000)),
        format!("{{{{ x{} }}}}", "|upper".repeat(10_000)),
        format!("{{{{ 1{} }}}}", "+1".repeat(10_000)),
    ];
    for source in nested {
        // Either outcome is fine as long as it is one.
        let _ = render(&source);
    }
}

#[test]
fn syntax_errors_name_the_place() {
    let error = ChatTemplate::parse("line one\n{% if %}").unwrap_err();
    assert!(matches!(error, ChatError::Syntax(_)));
    assert!(error.to_string().contains('2'), "{error}");
}

#[test]
fn without_a_clock_templates_use_their_own_date() {
    let source = "{% if strftime_now is defined %}clock{% else %}26 Jul 2024{% endif %}";
    assert_eq!(render(source).unwrap(), "26 Jul 2024");
}

#[test]
fn extra_variables_reach_the_template_and_replace_nothing() {
    let mut options = RenderOptions {
        bos_token: "<s>".into(),
        ..RenderOptions::default()
    };
    options.extra.insert("enable_thinking".into(), false.into());
    options.extra.insert("bos_token".into(), "forged".into());
    let template = ChatTemplate::parse("{{ bos_token }}{{ enable_thinking }}").unwrap();
    assert_eq!(template.render(&[], &options).unwrap(), "<s>False");
}
