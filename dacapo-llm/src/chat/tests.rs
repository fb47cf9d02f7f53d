use std::time::{Duration, Instant};

use super::*;

#[path = "../../tests/common/cache.rs"]
mod cache;

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

/// Published templates, from the folder that `python3 scripts/fetch-vocabs.py` fills.
#[test]
fn guards_change_no_published_template() {
    let Some(folder) = cache::vocabularies() else {
        return;
    };
    let conversation = [
        Message::new("system", "Be brief."),
        Message::new("user", " <é> \n"),
        Message::new("assistant", "<think>\nhm</think>ok"),
        Message::new("user", "b"),
    ];
    let tools = serde_json::json!([{"type": "function", "function": {
        "name": "f",
        "description": "d",
        "parameters": {"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string", "description": "x"},
            "b": {"type": "array", "items": {"type": "number"}},
        }},
    }}]);
    let mut rendered = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jinja")
        {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for (count, tools) in [(1, None), (2, None), (4, None), (4, Some(&tools))] {
            let messages = &conversation[..count];
            let options = RenderOptions {
                add_generation_prompt: true,
                now: Some(NOW),
                extra: tools
                    .map(|tools| ("tools".to_owned(), tools.clone()))
                    .into_iter()
                    .collect(),
                ..RenderOptions::default()
            };
            let guarded = ChatTemplate::parse(&source).and_then(|t| t.render(messages, &options));
            let plain = without_guards(&source, context(messages, &options));
            match (guarded, plain) {
                (Ok(guarded), Ok(plain)) => {
                    assert_eq!(guarded, plain, "{}", path.display());
                    rendered += 1;
                }
                // Some want other messages, or functions that transformers does not have.
                (Err(_), Err(_)) => {}
                (guarded, plain) => panic!("{}: {guarded:?}, {plain:?}", path.display()),
            }
        }
    }
    assert!(rendered > 200, "only {rendered} renders");
}

fn without_guards(source: &str, context: Value) -> Result<String, minijinja::Error> {
    let mut environment = environment::transformers_like();
    let mut syntax = minijinja::syntax::SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build()?);
    environment.render_str(source, context)
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
        // Lists that grow by their own length.
        "{% set ns = namespace(x=[0]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=(0, 1)) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% macro f(x, n) %}{% if n %}{{ f(x + x, n - 1) }}{% else %}{{ x | length }}{% endif %}{% endmacro %}{{ f([1, 2, 3, 4] * 1000, 20) }}",
        "{% macro f(x, n) %}{% if n %}{{ f(x + x, n - 1) }}{% else %}{{ x | length }}{% endif %}{% endmacro %}{{ f(range(10000), 20) }}",
        "{% set n = 100000000 %}{% set x = messages * n %}{% for i in range(1000) %}{% set x = x + [1] %}{% endfor %}",
        "{% set x = messages[:] * 100000000 %}{{ x | length }}",
        "{{ (1, 2) * 100000000 }}",
        // Computed by the compiler, if it came to that.
        "{{ [0] * 100000000 + [1] }}",
        "{{ 5 in [0] * 100000000 }}",
        "{{ ([0] + [1] or 2) * 100000000 == 1 }}",
        // Values that are small to hold and huge to walk through.
        "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x ~ '' }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | string | length }}",
        "{% set x = range(90000) | list %}{% set y = range(90000) | list %}{% for i in range(90000) %}{% if x == y %}{% endif %}{% endfor %}",
        "{% set x = [range(90000)] %}{% set y = [range(90000)] %}{% for i in range(90000) %}{{ x in [y] }}{{ y is eq(x) }}{{ x | select('eq', y) | list | length }}{% endfor %}",
        "{% set x = 'a' * 16000000 %}{% set y = 'a' * 16000000 %}{% for i in range(100000) %}{% if x == y %}{% endif %}{% endfor %}",
        "{% set x = ['a' * 1000000] * 1 %}{% set y = [messages[:], messages] %}{% for i in range(10000) %}{{ y.index(x) }}{% endfor %}",
        // Values in values without end.
        "{% set ns = namespace(x=[1]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(90000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}",
        "{% set ns = namespace(x=namespace()) %}{% set ns.y = ns.x %}{% for i in range(90000) %}{% set ns.y.z = namespace() %}{% set ns.y = ns.y.z %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% for i in range(90000) %}{% set ns.x = loop %}{% endfor %}",
        "{% set ns = namespace(g=1) %}{% for i in range(90000) %}{% set g = ns.g %}{% macro f() %}{{ g }}{% endmacro %}{% set ns.g = f %}{% endfor %}",
        // Widths and counts that a string is padded to.
        "{{ '%1000000000d' | format(1) }}",
        "{{ 'x\nx' | indent(1000000000) }}",
        "{{ [1] | batch(1000000000, 0) | list }}",
        "{{ [1] | slice(1000000000, 0) | list }}",
    ];
    for source in cases {
        let start = Instant::now();
        let result = render(source);
        assert!(
            matches!(
                result,
                Err(ChatError::OutOfFuel
                    | ChatError::OutputTooLong
                    | ChatError::Render(_)
                    | ChatError::Syntax(_))
            ),
            "{source}: {:?}",
            result.map(|text| text.len())
        );
        assert!(
            start.elapsed() < Duration::from_secs(3),
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
