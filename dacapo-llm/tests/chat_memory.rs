//! The memory that rendering a chat template takes, whatever the template does: counted by an
//! allocator of this test's own, so the file holds one test.
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dacapo_llm::chat::{ChatTemplate, Message, RenderOptions};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator with unchanged arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract, and `block` came from `System`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let now = NOW.fetch_add(size, Relaxed) + size - layout.size();
        NOW.fetch_sub(layout.size(), Relaxed);
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract, and `block` came from `System`.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
            let before = NOW.load(Relaxed);
            PEAK.store(before, Relaxed);
            let template = ChatTemplate::parse(&source).unwrap();
            let message = Message::new("user", "hi");
            assert!(
                template
                    .render(&[message], &RenderOptions::default())
                    .is_err()
            );
            let peak = (PEAK.load(Relaxed) - before) >> 20;
            assert!(peak <= 256, "{peak} MiB: {source}");
            drop(template);
            let left = NOW.load(Relaxed).saturating_sub(before) >> 20;
            assert!(left <= 1, "{left} MiB stay: {source}");
        }
    }
}
