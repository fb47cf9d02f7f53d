//! A contestant in a process of its own, asked line by line, with a time limit.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::protocol::{Ask, Failed};
use crate::work::Result;

/// Ends the process when it is dropped.
pub struct Contestant {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<std::io::Result<String>>,
    limit: Duration,
}

/// Characters of a bad answer that an error shows.
const SHOWN: usize = 200;

impl Contestant {
    /// Starts the program, with pools of so many threads where libraries take that from the environment. Each answer may
    /// take as long as `limit`.
    pub fn start(
        name: &str,
        command: &[String],
        threads: usize,
        limit: Duration,
    ) -> Result<Contestant> {
        let [program, arguments @ ..] = command else {
            return Err(format!("{name}: no program to start").into());
        };
        let mut child = Command::new(program)
            .args(arguments)
            .env("RAYON_NUM_THREADS", threads.to_string())
            .env("OMP_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: cannot start {program}: {error}"))?;
        let input = child.stdin.take();
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(output).lines();
                while lines.next().is_some_and(|line| sender.send(line).is_ok()) {}
            });
        }
        Ok(Contestant {
            name: name.to_owned(),
            child,
            input,
            lines,
            limit,
        })
    }

    /// As reports call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks, and waits for the answer.
    pub fn ask<T: DeserializeOwned>(&mut self, ask: &Ask) -> Result<T> {
        let asked = serde_json::to_string(ask)?;
        let name = &self.name;
        let sent = match &mut self.input {
            Some(input) => writeln!(input, "{asked}").and_then(|()| input.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        // Who has ended cannot be written to; whatever it said before is worth more than that.
        let answer = match self.lines.recv_timeout(self.limit) {
            Ok(line) => line.map_err(|error| format!("{name}: {error}"))?,
            Err(RecvTimeoutError::Timeout) => {
                let limit = self.limit.as_secs_f64();
                return Err(format!("{name} gave no answer within {limit} s to {asked}").into());
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = end(&mut self.child, &mut self.input)?;
                return Err(format!("{name} ended ({status}) instead of answering {asked}").into());
            }
        };
        if let Ok(Failed { error }) = serde_json::from_str(&answer) {
            return Err(format!("{name}: {error}").into());
        }
        sent.map_err(|error| format!("{name} cannot be asked: {error}"))?;
        serde_json::from_str(&answer).map_err(|error| {
            let shown: String = answer.chars().take(SHOWN).collect();
            format!("{name} answers nonsense to {asked}: {error}: {shown}").into()
        })
    }

    /// The most bytes that it had resident so far, where the system tells (Linux).
    pub fn peak_bytes(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes << 10)
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // There is nobody to tell that the system has lost the process.
        let _ = end(&mut self.child, &mut self.input);
    }
}

/// Waits for the end of a process, which gets a moment to come to it by itself.
fn end(child: &mut Child, input: &mut Option<ChildStdin>) -> std::io::Result<ExitStatus> {
    *input = None;
    for _ in 0..100 {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::model::protocol::{Done, Measure, Measured};

    const MEASURE: Ask = Ask::Measure(Measure {
        context: 0,
        prompt: 1,
        generate: 1,
    });

    fn asked(script: &str, limit: Duration) -> Result<Measured> {
        let command = ["sh", "-c", script].map(str::to_owned);
        Contestant::start("peer", &command, 1, limit)?.ask(&MEASURE)
    }

    fn error(script: &str) -> String {
        let answer = asked(script, Duration::from_secs(20));
        answer.expect_err(script).to_string()
    }

    #[test]
    fn an_answer_is_read() {
        let script = r#"read ask; echo '{"fill": 1, "decode": 2.5, "prefill": 3}'; read rest"#;
        let answer = asked(script, Duration::from_secs(20)).expect("an answer");
        let (fill, decode, prefill) = (1.0, 2.5, Some(3.0));
        assert_eq!(
            answer,
            Measured {
                fill,
                decode,
                prefill
            }
        );
    }

    #[test]
    fn one_answer_follows_another() {
        let script = r#"[ $OMP_NUM_THREADS = 1 ]; n=$?; while read ask; do echo "{\"device_bytes\": $((n += 1))}"; done"#;
        let command = ["sh", "-c", script].map(str::to_owned);
        let mut peer =
            Contestant::start("peer", &command, 1, Duration::from_secs(20)).expect("a peer");
        for bytes in 1..4 {
            let done: Done = peer.ask(&MEASURE).expect("an answer");
            assert_eq!(done.device_bytes, Some(bytes));
        }
        #[cfg(target_os = "linux")]
        assert!(peer.peak_bytes().is_some_and(|bytes| bytes > 1 << 16));
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        let died = error("read ask; exit 3");
        assert!(
            died.starts_with("peer ended") && died.contains('3'),
            "{died}"
        );
        let nonsense = error("read ask; echo hello");
        assert!(
            nonsense.contains("peer answers nonsense") && nonsense.contains("hello"),
            "{nonsense}"
        );
        let part = error(r#"read ask; echo '{"fill": 1}'"#);
        assert!(
            part.contains("nonsense") && part.contains("decode"),
            "{part}"
        );
        let failed = error(r#"read ask; echo '{"error": "no such type"}'"#);
        assert_eq!(failed, "peer: no such type");
        let missing = Contestant::start("peer", &["/no/such/program".to_owned()], 1, Duration::MAX);
        let missing = missing.err().expect("no program").to_string();
        assert!(missing.contains("/no/such/program"), "{missing}");
    }

    #[test]
    fn who_hangs_is_ended() {
        let answer = asked("exec sleep 1000", Duration::from_millis(100));
        let error = answer.expect_err("nothing comes").to_string();
        assert!(error.contains("no answer within 0.1 s"), "{error}");
    }
}
