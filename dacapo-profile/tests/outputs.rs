//! What the example profiles become: traces and pages. How browsers and viewers take them is tested by `scripts/browser`.

#[path = "../examples/synthetic/all.rs"]
mod all;

use std::collections::BTreeMap;
use std::io::{self, Write};

use dacapo_profile::{Analysis, Profile, html, write_trace_events};
use serde_json::Value;

fn trace(profile: &Profile) -> Value {
    let mut written = Vec::new();
    write_trace_events(profile, &mut written).unwrap();
    serde_json::from_slice(&written).unwrap()
}

/// What stands between the tags of the data, as a browser would take it.
fn data(page: &str) -> Value {
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

fn small_examples() -> impl Iterator<Item = (&'static str, Profile)> {
    all::all().into_iter().filter(|(name, _)| *name != "large")
}

#[test]
fn traces_hold_everything_once() {
    for (name, profile) in small_examples() {
        let trace = trace(&profile);
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for event in trace["traceEvents"].as_array().unwrap() {
            let category = event["cat"].as_str().unwrap_or("");
            *counts
                .entry((event["ph"].as_str().unwrap(), category))
                .or_default() += 1;
        }
        let mut count = |phase, category| counts.remove(&(phase, category)).unwrap_or(0);
        assert_eq!(count("X", "host"), profile.spans.len(), "{name}");
        // Its life as a whole and in four parts, and its time on the device.
        assert_eq!(
            count("X", "submission"),
            6 * profile.submissions.len(),
            "{name}"
        );
        assert_eq!(
            count("s", "submission"),
            profile.submissions.len(),
            "{name}"
        );
        assert_eq!(
            count("f", "submission"),
            profile.submissions.len(),
            "{name}"
        );
        let waves = profile
            .submissions
            .iter()
            .filter_map(|it| Some(it.dispatches.last()?.wave as usize + 1));
        assert_eq!(count("X", "wave"), waves.sum::<usize>(), "{name}");
        let dispatches: usize = profile
            .submissions
            .iter()
            .map(|it| it.dispatches.len())
            .sum();
        let rest = counts.iter().filter(|((phase, _), _)| *phase == "X");
        assert_eq!(
            rest.map(|(_, count)| count).sum::<usize>(),
            dispatches,
            "{name}"
        );
    }
}

#[test]
fn pages_hold_the_analysis() {
    for (name, profile) in small_examples() {
        let analysis = Analysis::of(&profile);
        let page = html(&profile, &analysis).unwrap();
        let data = data(&page);
        // To text and back, as the page's numbers went.
        let text = serde_json::to_string(&analysis).unwrap();
        assert_eq!(
            data["analysis"],
            serde_json::from_str::<Value>(&text).unwrap(),
            "{name}"
        );
        let dispatches: usize = profile
            .submissions
            .iter()
            .map(|it| it.dispatches.len())
            .sum();
        for (column, values) in data["dispatches"].as_object().unwrap() {
            assert_eq!(
                values.as_array().unwrap().len(),
                dispatches,
                "{name}: {column}"
            );
        }
        assert_eq!(page.matches("<script").count(), 2, "{name}");
        assert_eq!(page.matches("</script").count(), 2, "{name}");
        assert!(
            !page.contains('\u{2028}') || page.find('\u{2028}') < page.find("</title>"),
            "{name}"
        );
    }
}

/// Takes so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_is_met() {
    let (_, profile) = small_examples().next().unwrap();
    let mut whole = Vec::new();
    write_trace_events(&profile, &mut whole).unwrap();
    for room in [0, 30, 1_000, 100_000, whole.len() - 1] {
        let error = write_trace_events(&profile, &mut Full(room)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
    }
    write_trace_events(&profile, &mut Full(whole.len())).unwrap();
}

/// The profiles that the guide is about can be read and say what it says.
#[test]
fn committed_profiles_are_readable() {
    for (name, steps, dispatches) in [("h100-smollm2-135m", 8, 183), ("h100-llama-3.2-1b", 12, 99)]
    {
        let path = format!(
            "{}/../docs/profiles/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let profile = Profile::from_json(&std::fs::read(path).unwrap()).unwrap();
        let analysis = Analysis::of(&profile);
        let decode = analysis.label("decode").unwrap();
        assert_eq!(decode.device_ns.count, steps);
        assert_eq!(decode.dispatches.median, dispatches);
        assert!(html(&profile, &analysis).is_ok());
    }
}
