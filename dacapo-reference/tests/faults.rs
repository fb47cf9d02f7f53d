//! Planted faults: each is reported at its line, in whatever order workgroups run, and its correct twin is silent.

mod corpus;

use std::collections::{BTreeMap, BTreeSet};

use corpus::{File, Header, Marks, compile, files, play};
use dacapo_reference::Order;
use dacapo_reference::report::Kind;

const ORDERS: [Order; 4] = [
    Order::Forward,
    Order::Reverse,
    Order::Shuffled(1),
    Order::Parallel,
];

/// Fails with what is wrong with any of the files.
fn all(check: impl Fn(&File) -> Vec<String>) {
    let files = files();
    let wrong = files.iter().flat_map(|file| {
        let wrong = check(file).into_iter();
        wrong.map(|text| format!("== {}\n{text}\n", file.name))
    });
    let wrong: Vec<_> = wrong.collect();
    let failed: BTreeSet<_> = wrong.iter().map(|text| text.lines().next()).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} files:\n{}",
        failed.len(),
        files.len(),
        wrong.concat()
    );
}

#[test]
fn every_file_is_valid_and_has_a_header() {
    all(|file| {
        let header = Header::of(&file.text).err();
        let valid = compile(&file.text).err();
        header.into_iter().chain(valid).collect()
    });
}

#[test]
fn every_fault_is_marked_and_has_a_twin_without_marks() {
    let names: BTreeSet<_> = files().into_iter().map(|file| file.name).collect();
    all(|file| {
        let marks = match Marks::of(&file.text) {
            Ok(marks) => marks,
            Err(error) => return vec![error],
        };
        let mut wrong = Vec::new();
        if !names.contains(&file.partner()) {
            wrong.push("has no partner".to_owned());
        }
        if file.is_twin() && !marks.is_empty() {
            wrong.push("is marked, but correct".to_owned());
        }
        if !file.is_twin() && !marks.kinds().any(|kind| kind.name() == file.kind) {
            wrong.push(format!("has no line marked {}", file.kind));
        }
        wrong
    });
}

#[test]
fn every_kind_has_several_faults() {
    let mut counts = BTreeMap::new();
    for file in files().iter().filter(|file| !file.is_twin()) {
        *counts.entry(file.kind.clone()).or_insert(0) += 1;
    }
    for kind in Kind::ALL {
        let count = counts.get(kind.name()).copied().unwrap_or(0);
        assert!(count >= 5, "{count} faults of the kind {kind}");
    }
}

#[test]
fn faults_are_reported_at_their_lines_and_nothing_else_is() {
    all(|file| {
        if file.is_twin() {
            return Vec::new();
        }
        let run = |order| -> Result<Vec<String>, String> {
            let outcome = play(&file.text, order)?;
            let mut wrong = Marks::of(&file.text)?.compare(&outcome.reports);
            if outcome.stopped.is_some() && file.kind != Kind::Runaway.name() {
                wrong.extend(outcome.stopped);
            }
            Ok(wrong)
        };
        per_order(run)
    });
}

#[test]
fn correct_twins_are_silent_and_give_the_same_bytes_in_all_orders() {
    all(|file| {
        if !file.is_twin() {
            return Vec::new();
        }
        let first = play(&file.text, ORDERS[0]).map(|outcome| outcome.bytes);
        let run = |order| -> Result<Vec<String>, String> {
            let outcome = play(&file.text, order)?;
            let mut wrong: Vec<_> = outcome.reports.iter().map(ToString::to_string).collect();
            wrong.extend(outcome.stopped);
            if first.as_ref() != Ok(&outcome.bytes) {
                wrong.push("gives other bytes".to_owned());
            }
            Ok(wrong)
        };
        per_order(run)
    });
}

/// What is wrong in any of the orders; the same in several only once.
fn per_order(run: impl Fn(Order) -> Result<Vec<String>, String>) -> Vec<String> {
    let mut orders_of = BTreeMap::<String, Vec<String>>::new();
    for order in ORDERS {
        for text in run(order).unwrap_or_else(|error| vec![error]) {
            orders_of
                .entry(text)
                .or_default()
                .push(format!("{order:?}"));
        }
    }
    let texts = orders_of.into_iter();
    texts
        .map(|(text, orders)| format!("[{}] {text}", orders.join(", ")))
        .collect()
}
