//! The memory that rendering a chat template takes, whatever the template does.

#[path = "common/peak_memory.rs"]
mod peak_memory;

use dacapo_llm::chat::{ChatTemplate, Message, RenderOptions};
use peak_memory::{in_use, peak_of};

#[test]
fn memory_is_bounded_whatever_a_template_does() {
    let loops = "{% for i in range(90000) %}{% for j in range(90000) %}";
    let ends = "{% endfor %}{% endfor %}";
    let bodies = [
        "{{ 'x' * 1000000 }}",
        "{% set ns.x = ns.x ~ 'xxxxxxxxxxxxxxxx' %}",
        "{% set ns.x = ns.x ~ ns.x %}",
        "{% set ns.x = ns.x + [[j]] %}",
        "{% set ns.x = ns.x + ns.x %}",
        "{% set ns.x = [ns.x, ns.x] %}",
        "{% set ns.x = {i: ns.x, j: [j]} %}",
        "{% set ns.x = range(90000) %}{{ ns.x }}",
        "{% set ns.x = [range(90000), ns.x] %}",
        "{% set ns.x %}{{ ns.x }}{{ 'x' * 1000000 }}{% endset %}",
        "{% macro f(a=ns.x) %}{{ i }}{{ j }}{{ a }}{% endmacro %}",
    ];
    for body in bodies {
        for start in ["'x'", "[1]"] {
            let source = format!("{{% set ns = namespace(x={start}) %}}{loops}{body}{ends}");
            let before = in_use();
            let (peak, template) = peak_of(|| {
                let template = ChatTemplate::parse(&source).unwrap();
                let message = Message::new("user", "hi");
                assert!(
                    template
                        .render(&[message], &RenderOptions::default())
                        .is_err()
                );
                template
            });
            let peak = peak >> 20;
            assert!(peak <= 256, "{peak} MiB: {source}");
            drop(template);
            let left = in_use().saturating_sub(before) >> 20;
            assert!(left <= 1, "{left} MiB stay: {source}");
        }
    }
}
