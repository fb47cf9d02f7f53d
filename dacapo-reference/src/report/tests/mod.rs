mod collecting;
mod showing;

use super::*;

fn site(line: u32, column: u32, length: u32, text: &str) -> Option<Site> {
    Some(Site {
        line,
        column,
        length,
        text: text.into(),
    })
}

fn party(access: Option<Access>, site: Option<Site>) -> Party {
    Party {
        access,
        kernel: "scan".into(),
        label: "layer 0/scan".into(),
        dispatch: 3,
        workgroup: [2, 0, 0],
        invocation: [5, 1, 0],
        site,
    }
}

fn report(kind: Kind, message: &str, party: Party) -> Report {
    Report {
        kind,
        message: message.into(),
        party,
        other: None,
        place: None,
        hint: String::new(),
        count: 1,
    }
}

fn buffer(slot: Option<u32>) -> Option<Place> {
    Some(Place::Buffer {
        label: "scores".into(),
        slot,
        bound: 256..512,
        bytes: 512..516,
    })
}

/// The one that docs/checker.md shows.
fn race() -> Report {
    let mut other = party(
        Some(Access::Read),
        site(9, 13, 11, "    let a = shared[lane + 1];"),
    );
    other.invocation = [4, 1, 0];
    let site = site(12, 5, 12, "    shared[lane] = a;");
    Report {
        other: Some(other),
        place: Some(Place::Workgroup {
            variable: "shared[5]".into(),
        }),
        hint: "a workgroupBarrier() between the two orders them".into(),
        count: 12,
        ..report(
            Kind::RaceInWorkgroup,
            "two invocations touch the same element without a barrier between them",
            party(Some(Access::Write), site),
        )
    }
}

#[test]
fn names_of_kinds_are_words_and_different() {
    let names: std::collections::HashSet<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    for name in names {
        assert!(
            name.chars()
                .all(|char| char.is_ascii_lowercase() || char == '_'),
            "{name}"
        );
    }
}

#[cfg(feature = "serde")]
#[test]
fn json_is_as_documented() {
    let page = include_str!("../../../../docs/checker.md");
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let example: serde_json::Value = serde_json::from_str(example).unwrap();
    assert_eq!(example["reports"][0], serde_json::to_value(race()).unwrap());
    let of_buffer = Report {
        place: buffer(Some(1)),
        other: None,
        ..race()
    };
    let json = serde_json::to_value(of_buffer).unwrap();
    let expected = serde_json::json!({ "buffer": {
        "label": "scores",
        "slot": 1,
        "bound": { "start": 256, "end": 512 },
        "bytes": { "start": 512, "end": 516 },
    }});
    assert_eq!((&json["place"], json["other"].is_null()), (&expected, true));
}

#[cfg(feature = "serde")]
#[test]
fn names_of_kinds_are_those_of_json() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
    }
}
