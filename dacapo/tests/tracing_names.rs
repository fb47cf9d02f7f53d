//! The names of spans and events that docs/profiling.md promises to keep.

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dacapo::{Bytes, Graph, PlanOptions, ProfileLevel};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Spans and events by their names, with their fields.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Vec<Fields>>>>, Arc<AtomicU64>);

#[derive(Clone, Default, Debug)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Seen {
    fn add(&self, metadata: &Metadata<'_>, fields: Fields) {
        let mut seen = self.0.lock().unwrap();
        seen.entry(metadata.name().to_owned())
            .or_default()
            .push(fields);
    }

    fn take(&self) -> BTreeMap<String, Vec<Fields>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("dacapo")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        self.add(span.metadata(), fields);
        Id::from_u64(1 + self.1.fetch_add(1, Ordering::Relaxed))
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.add(event.metadata(), fields);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn names_and_fields_are_those_of_the_guide() {
    let events = Seen::default();
    tracing::subscriber::set_global_default(events.clone()).unwrap();
    common::on_devices(2, |device| {
        events.take();
        let recorder = device.record(ProfileLevel::Off).unwrap();
        let buffer = common::buffer(&device, 4096);
        let kernel = common::step_kernel(&device);
        let graph = Graph::capture(&device, |encoder| {
            encoder.dispatch(&kernel, (&buffer, Bytes(&1u32)), common::one())
        })
        .unwrap();
        let plan = graph.plan(&PlanOptions::default()).unwrap();
        plan.replay("once").unwrap();
        let executable = plan.instantiate().unwrap();
        executable.launch("again").unwrap().wait().unwrap();
        buffer.write(&[0u32; 4096]).unwrap();
        buffer.read::<u32>().unwrap();
        let mut encoder = device.encoder("live").unwrap();
        encoder.fill(&buffer, 0).unwrap();
        encoder.commit().unwrap();
        let trace = recorder.finish().unwrap();

        let waits = device.counters().waits;
        let seen = events.take();
        let field = |name: &str, field: &str| -> Vec<String> {
            let found = seen
                .get(name)
                .unwrap_or_else(|| panic!("no {name}: {seen:?}"));
            found
                .iter()
                .filter_map(|it| it.0.get(field).cloned())
                .collect()
        };
        for name in ["capture", "plan", "instantiate"] {
            assert!(seen.contains_key(name), "{name}: {seen:?}");
        }
        assert_eq!(field("launch", "label"), ["again"]);
        assert_eq!(field("replay", "label"), ["once"]);
        assert!(field("compile", "label").contains(&"step".to_owned()));
        let submissions = field("submission", "label");
        assert_eq!(submissions, ["once", "again", "live"]);
        assert_eq!(field("submission", "failed"), ["false"; 3]);
        assert_eq!(field("submission", "dispatches"), ["1"; 3]);
        for name in ["number", "device_ns"] {
            let values = field("submission", name);
            assert!(
                values.iter().all(|value| value.parse::<u64>().is_ok()),
                "{values:?}"
            );
        }
        // A recorder notes the spans under the same names.
        for span in &trace.spans {
            assert!(
                span.name == "encode" || seen.contains_key(span.name),
                "{span:?}"
            );
        }
        let staged = device.counters().bytes_staged > 0;
        for name in ["write", "read"] {
            assert_eq!(seen.contains_key(name), staged, "{name}");
        }

        // Who comes after a submission's end does not wait. So there may have been none above.
        assert_eq!(seen.get("wait").map_or(0, Vec::len) as u64, waits);
        let waited = (0..1000).any(|_| {
            let mut encoder = device.encoder("long").unwrap();
            for _ in 0..100 {
                encoder
                    .dispatch(&kernel, (&buffer, Bytes(&1u32)), common::one())
                    .unwrap();
            }
            encoder.commit().unwrap().wait().unwrap();
            device.counters().waits > waits
        });
        assert!(waited, "every submission ended before its wait");
        assert_eq!(events.take()["wait"].len(), 1);
    });
}
