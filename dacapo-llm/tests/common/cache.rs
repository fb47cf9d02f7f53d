//! Files that tests need and the repository does not hold: in dacapo's cache folder, where scripts
//! put them. Without them a test says so and does nothing; with CI=true that is a failure.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub, reason = "unit tests include this file as well")]
#![allow(clippy::print_stderr, reason = "a test that did not run must say so")]

use std::path::PathBuf;

/// The default model.
pub fn default_model() -> Option<PathBuf> {
    let path = folder().map(|folder| folder.join("smollm2-135m-instruct-q4_1.gguf"));
    present(path, "the default model file", "scripts/fetch-model")
}

/// The folder of llama.cpp's vocabulary files and chat templates.
pub fn vocabularies() -> Option<PathBuf> {
    let vocab = folder().map(|folder| folder.join("vocab"));
    // The script makes this file last.
    let complete = vocab.as_ref().map(|vocab| vocab.join("complete"));
    present(complete, "the vocabulary files", "scripts/fetch-vocabs.py")?;
    vocab
}

fn present(path: Option<PathBuf>, what: &str, script: &str) -> Option<PathBuf> {
    let path = path.filter(|path| path.is_file());
    if path.is_none() {
        let message =
            format!("SKIPPED, for want of {what}: `python3 {script}` fetches what is missing");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        eprintln!("{message}");
    }
    path
}

/// As in `scripts/fetch-model`.
fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = std::env::home_dir();
    if cfg!(windows) {
        let local = variable("LOCALAPPDATA").or_else(|| Some(home?.join("AppData/Local")));
        return Some(local?.join("dacapo/cache"));
    }
    let base = if cfg!(target_os = "macos") {
        home?.join("Library/Caches")
    } else {
        let xdg = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        xdg.or_else(|| Some(home?.join(".cache")))?
    };
    Some(base.join("dacapo"))
}
