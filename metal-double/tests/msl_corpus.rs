//! MSL of the reference interpreter's texts: all of it passes the check and compiles.

mod msl_support;

use std::path::{Path, PathBuf};

use metal_double::msl::Library;
use msl_support::{OPTIONS, try_msl};

fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("the corpus").path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            found.push(path);
        }
    }
}

/// Texts that naga refuses are none of ours, but most must come through.
#[test]
fn the_corpus_compiles() {
    let mut found = Vec::new();
    texts(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../dacapo-reference/tests/faults"),
        &mut found,
    );
    found.sort();
    let (mut compiled, mut problems) = (0, String::new());
    for path in &found {
        let wgsl = std::fs::read_to_string(path).expect("a text");
        let Ok(text) = try_msl(&wgsl) else { continue };
        let result = Library::compile(&text, &OPTIONS).and_then(|library| {
            let name = &library.functions()[0].name;
            library.function(name, &[]).map(drop)
        });
        match result {
            Ok(()) => compiled += 1,
            Err(messages) => problems += &format!("{}:\n{messages}\n{text}\n", path.display()),
        }
    }
    assert!(problems.is_empty(), "{problems}");
    assert!(
        compiled * 10 > found.len() * 8,
        "{compiled} of {} compiled",
        found.len()
    );
}
