use crate::run::{output, run};

const COMMANDS: [(&str, &[&str]); 12] = [
    ("devices", &["--measure", "--device", "--threads", "--json"]),
    (
        "generate",
        &[
            "--model",
            "--prompt",
            "--chat",
            "--raw",
            "--system",
            "--max-tokens",
            "--temperature",
            "--top-k",
            "--top-p",
            "--min-p",
            "--seed",
            "--device",
            "--threads",
            "--context",
            "--stats",
            "--json",
        ],
    ),
    ("inspect", &["[MODEL]", "--json"]),
    ("tokenize", &["[MODEL]", "<TEXT>", "--file", "--json"]),
    (
        "perplexity",
        &[
            "[MODEL]",
            "<TEXTFILE>",
            "--context",
            "--device",
            "--threads",
            "--json",
        ],
    ),
    (
        "graph",
        &[
            "[MODEL]",
            "--svg",
            "--dot",
            "--explain",
            "--save",
            "--with-contents",
            "--prompt",
            "--context",
            "--device",
            "--threads",
            "--no-fuse",
            "--no-reorder",
            "--json",
        ],
    ),
    (
        "profile",
        &[
            "[MODEL]",
            "--tokens",
            "--prompt",
            "--prompt-tokens",
            "--repeat",
            "--level",
            "--json",
            "--trace",
            "--html",
            "--from",
            "--compare",
            "--device",
            "--threads",
            "--context",
            "--no-graph",
            "--no-fuse",
        ],
    ),
    (
        "replay",
        &[
            "<FILE>",
            "--times",
            "--trust",
            "--fill",
            "--verify",
            "--tolerance",
            "--device",
            "--threads",
            "--no-fuse",
            "--no-reorder",
            "--json",
        ],
    ),
    (
        "check",
        &[
            "[FILE]",
            "--spec",
            "--entry",
            "--groups",
            "--buffer",
            "--inline",
            "--constant",
            "--print",
            "--fill",
            "--json",
            "--color",
            "--subgroup",
            "--order",
            "--all-orders",
            "--finite",
            "--zeroed",
            "--steps",
            "--max-reports",
            "--threads",
            "--model",
            "--tokens",
            "--prompt",
            "--context",
            "--no-graph",
            "--no-fuse",
            "2 it could not",
        ],
    ),
    (
        "tune",
        &["[MODEL]", "--context", "--limit", "--no-tuning", "--device"],
    ),
    (
        "selftest",
        &[
            "--device",
            "--threads",
            "--report",
            "--model",
            "--only",
            "--quick",
            "--limit",
            "1 something failed",
        ],
    ),
    (
        "bench",
        &[
            "[MODEL]",
            "--prompt-tokens",
            "--gen-tokens",
            "--repeat",
            "--device",
            "--threads",
            "--json",
        ],
    ),
];

#[test]
fn every_command_explains_its_flags() {
    let overview = output(["--help"]);
    for (command, flags) in COMMANDS {
        let help = output([command, "--help"]);
        let about = help.lines().next().unwrap_or_default();
        assert!(overview.contains(about), "{about}");
        for flag in flags {
            assert!(help.contains(flag), "{command}: {flag}");
        }
    }
}

#[test]
fn help_fits_into_80_columns() {
    for arguments in [vec!["--help"]]
        .into_iter()
        .chain(COMMANDS.map(|(name, _)| vec![name, "--help"]))
    {
        for line in output(&arguments).lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
    }
}

#[test]
fn the_overview_lists_environment_and_exit_codes() {
    let overview = output(["--help"]);
    for word in [
        "DACAPO_DEVICE",
        "DACAPO_THREADS",
        "DACAPO_HAZARDS",
        "DACAPO_MEMORY_LIMIT",
        "DACAPO_LOG",
        "130",
    ] {
        assert!(overview.contains(word), "{word}");
    }
}

#[test]
fn version_is_that_of_the_package() {
    assert_eq!(
        output(["--version"]),
        format!("dacapo {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn without_a_command_the_overview_is_an_error() {
    let ended = run::<&str>([]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("Usage: dacapo <COMMAND>"),
        "{}",
        ended.stderr
    );
}
