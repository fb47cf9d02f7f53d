//! Running the program, and models for it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program without the tester's own settings, on the processor unless a flag says otherwise.
pub(crate) fn dacapo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
    for name in [
        "DEVICE",
        "THREADS",
        "HAZARDS",
        "MEMORY_LIMIT",
        "LOG",
        "REFERENCE",
    ] {
        command.env_remove(format!("DACAPO_{name}"));
    }
    command
        .env("DACAPO_DEVICE", "cpu")
        .env("DACAPO_THREADS", "2")
        .env("COLUMNS", "80");
    command
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("errors are UTF-8"),
    }
}

/// Runs the program to its end.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    ended(dacapo().args(arguments))
}

/// Runs the program, which must succeed without a word on standard error; gives standard output.
pub(crate) fn output<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let ended = run(arguments);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ended.stdout
    );
    ended.stdout
}

/// [`output`] as JSON, which must be one line.
pub(crate) fn json<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> serde_json::Value {
    let stdout = output(arguments);
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).expect("JSON")
}

/// Runs the program with `text` on standard input.
pub(crate) fn output_of_text(arguments: &[&str], text: &str) -> String {
    let mut command = dacapo();
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(text.as_bytes()).expect("the text is read");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// A model of `dacapo-llm/tests/data/tiny`: random weights, 288 tokens, a context of 256.
pub(crate) fn tiny(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../dacapo-llm/tests/data/tiny")
        .join(name);
    path.to_str().expect("a UTF-8 path").to_owned()
}

/// An empty folder for one test.
pub(crate) fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// A copy of a tiny model's folder, for a test to change.
pub(crate) fn copy_of(model: &str, test: &str) -> PathBuf {
    let folder = scratch(test);
    for entry in std::fs::read_dir(tiny(model)).expect("the fixture") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("a copy");
    }
    folder
}
