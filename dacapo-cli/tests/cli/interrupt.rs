//! Ctrl-C, as the signal that a terminal sends for it.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::run::{copy_of, dacapo};

/// A run that would take minutes, after its first byte of text.
fn endless(test: &str, more: &[&str]) -> Child {
    let folder = copy_of("llama-gqa", test);
    let config = folder.join("config.json");
    let text = std::fs::read_to_string(&config).expect("the fixture");
    let long = text.replace(
        "\"max_position_embeddings\": 256",
        "\"max_position_embeddings\": 200000",
    );
    assert_ne!(text, long);
    std::fs::write(&config, long).expect("a file");

    let mut command = dacapo();
    command.args([
        "generate",
        "--prompt",
        "ab c",
        "--max-tokens",
        "200000",
        "--context",
        "200000",
        "--model",
    ]);
    command
        .arg(folder)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn first_byte(child: &mut Child) -> u8 {
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .expect("a pipe")
        .read_exact(&mut byte)
        .expect("text begins");
    byte[0]
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.expect("kill exists").success());
}

#[test]
fn the_text_so_far_and_statistics_remain() {
    let mut child = endless("interrupt", &["--stats"]);
    let first = first_byte(&mut child);
    interrupt(&child);
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(130));
    let text = [&[first], &output.stdout[..]].concat();
    let text = String::from_utf8(text).expect("whole characters");
    assert!(text.len() > 1 && text.ends_with('\n'), "{text:?}");
    let stats = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        stats.contains("by Ctrl-C") && stats.contains("tok/s"),
        "{stats}"
    );
}
