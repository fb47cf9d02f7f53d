//! `dacapo-bench model` from the outside, beside peers that are shell scripts.
#![cfg(all(unix, feature = "models"))]

use std::path::PathBuf;
use std::process::{Command, Output};

/// Answers everything, and says that it needs half a second for each part.
const STEADY: &str = r#"
while read ask; do
    case $ask in
    *load*) echo '{"engine": "steady 1", "settings": "none", "seconds": 0.5}' ;;
    *'"context":32'*) echo '{"cannot": "32 is too long"}' ;;
    *measure*) echo '{"fill": 0.5, "decode": 0.5, "prefill": null}' ;;
    *) echo '{"device_bytes": 7}'; exit ;;
    esac
done"#;

/// Loads, and dies when it should run.
const MORTAL: &str = r#"
read ask; echo '{"engine": "mortal 1", "settings": "none", "seconds": 0.5}'
read ask; exit 9"#;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = format!("dacapo-bench-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }

    /// Runs a made model beside a script.
    fn run(&self, peer: &str, more: &[&str]) -> Output {
        let script = self.0.join("peer.sh");
        std::fs::write(&script, peer).expect("a script");
        Command::new(env!("CARGO_BIN_EXE_dacapo-bench"))
            .args(
                "model --shape tiny --dtype q4_k,q8_0 --contexts 0,32,9000 --threads 1".split(' '),
            )
            .args("--rounds 2 --generate 4 --prompt 8 --limit 60".split(' '))
            .arg(format!("--peer=mine=sh {}", script.display()))
            .args(more)
            .env("TMPDIR", &self.0)
            .output()
            .expect("the bench")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder");
    }
}

#[test]
fn a_made_model_runs_beside_a_peer() {
    let folder = Folder::new("steady");
    let (json, plots) = (folder.0.join("model.json"), folder.0.join("plots"));
    let files = [&json, &plots].map(|path| path.display().to_string());
    let output = folder.run(STEADY, &["--json", &files[0], "--svg", &files[1]]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    for part in [
        "tiny q4_k",
        "tiny q8_0",
        "steady 1",
        "32 is too long",
        "9000 was left out",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let json = std::fs::read_to_string(json).expect("figures");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let contestants = &json["models"][0]["contestants"];
    let [ours, theirs] = [&contestants[0], &contestants[1]];
    let contexts = |of: &serde_json::Value| {
        let points = of["points"].as_array().expect("points");
        points
            .iter()
            .map(|point| point["context"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (contexts(ours), contexts(theirs)),
        (vec![0.into(), 32.into()], vec![0.into()])
    );
    let theirs_point = &theirs["points"][0];
    assert_eq!(theirs_point["decode_tok_s"]["median"], 8.0);
    assert!(theirs_point["prefill_tok_s"].is_null());
    let ratio = theirs_point["ratio"]["decode"]["median"].as_f64();
    let speed = ours["points"][0]["decode_tok_s"]["median"]
        .as_f64()
        .expect("a speed");
    assert!(
        ratio.is_some_and(|ratio| (ratio - speed / 8.0).abs() < 1e-6 * ratio),
        "{json}"
    );
    assert_eq!(theirs["device_bytes"], 7);
    let mut plots: Vec<String> = std::fs::read_dir(plots)
        .expect("plots")
        .map(|file| {
            file.expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    plots.sort();
    assert!(
        plots.contains(&"size.svg".to_owned()) && plots.len() == 7,
        "{plots:?}"
    );
    // What was made for the peer is gone.
    let left = std::fs::read_dir(&folder.0).expect("the folder");
    assert!(
        left.flatten()
            .all(|file| !file.path().to_string_lossy().ends_with(".gguf"))
    );
}

#[test]
fn a_peer_that_dies_is_named() {
    let output = Folder::new("mortal").run(MORTAL, &[]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("mine ended (exit status: 9)"), "{error}");
}
