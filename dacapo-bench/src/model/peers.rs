//! Other engines, as programs that speak the protocol.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::work::Result;

/// An engine that the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub name: String,
    /// What the user said behind the `=`.
    value: Option<String>,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Peer, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let known = ["llama", "torch", "candle"].contains(&name);
        match (known, &value) {
            _ if name.is_empty() || name == "dacapo" => Err(format!("`{name}` names no peer")),
            (_, Some(value)) if value.trim().is_empty() => Err(format!("nothing behind `{name}=`")),
            (false, None) => Err(format!(
                "`{name}` is not llama, torch or candle; others need `=COMMAND`, a program that speaks the protocol"
            )),
            _ => Ok(Peer {
                name: name.to_owned(),
                value,
            }),
        }
    }
}

impl Peer {
    /// Whether it loads files alone, so that made weights must be written into one.
    pub fn needs_file(&self) -> bool {
        self.name != "torch"
    }

    /// The program and its arguments.
    pub fn command(&self) -> Result<Vec<String>> {
        let value = self.value.as_deref();
        let text = |path: PathBuf| path.display().to_string();
        let script = |name: &str| text(repository().join("scripts/peers").join(name));
        Ok(match self.name.as_str() {
            "llama" => {
                let program = ["python3".to_owned(), script("llama_peer.py")];
                program
                    .into_iter()
                    .chain(value.map(str::to_owned))
                    .collect()
            }
            "torch" => {
                let python = value.unwrap_or("python3").to_owned();
                vec![python, script("torch_peer.py")]
            }
            "candle" => match value {
                Some(program) => vec![program.to_owned()],
                None => {
                    let manifest = text(repository().join("dacapo-bench/candle/Cargo.toml"));
                    // candle has its fast kernels only where the compiler may count on the instructions they need.
                    let native = r#"build.rustflags=["-Ctarget-cpu=native"]"#;
                    let cargo = ["cargo", "run", "--quiet", "--release", "--config", native];
                    let cargo = cargo.map(str::to_owned).into_iter();
                    cargo
                        .chain(["--manifest-path".to_owned(), manifest])
                        .collect()
                }
            },
            name => {
                let value = value.ok_or_else(|| format!("{name}: no command"))?;
                value.split_whitespace().map(str::to_owned).collect()
            }
        })
    }
}

/// The checkout that this program was built from.
fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_programs() {
        let command = |text: &str| text.parse::<Peer>().expect(text).command().expect(text);
        let llama = command("llama=/some/folder");
        assert_eq!(llama[0], "python3");
        assert!(Path::new(&llama[1]).is_file(), "{llama:?}");
        assert_eq!(llama[2..], ["/some/folder"]);
        assert_eq!(command("llama").len(), 2);
        assert_eq!(command("torch=/venv/bin/python")[0], "/venv/bin/python");
        assert_eq!(command("candle=/bin/peer"), ["/bin/peer"]);
        assert_eq!(command("candle")[0], "cargo");
        assert_eq!(command("mine=sh -c  x"), ["sh", "-c", "x"]);
    }

    #[test]
    fn unknown_peers_are_refused() {
        for (text, word) in [
            ("other", "=COMMAND"),
            ("=x", "names no peer"),
            ("dacapo=x", "names no peer"),
            ("llama=", "nothing behind"),
        ] {
            let error = text.parse::<Peer>().expect_err(text);
            assert!(error.contains(word), "{error}");
        }
    }
}
