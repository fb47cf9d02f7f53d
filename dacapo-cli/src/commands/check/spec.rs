//! What a specification in TOML says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::f16;
use serde::Deserialize;

use super::fill::Fill;
use super::scalar::Scalar;
use crate::error::{Error, Result};
use crate::text;

/// A file, as it is written. What stands at the top counts for each dispatch that does not say otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) entry: Option<String>,
    pub(super) groups: Option<[u32; 3]>,
    #[serde(default)]
    pub(super) constants: BTreeMap<String, f64>,
    pub(super) inline: Option<Inline>,
    #[serde(default)]
    pub(super) buffers: Vec<BufferSpec>,
    #[serde(default)]
    pub(super) dispatch: Vec<DispatchSpec>,
}

/// One dispatch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DispatchSpec {
    pub(super) entry: Option<String>,
    pub(super) groups: Option<[u32; 3]>,
    #[serde(default)]
    pub(super) constants: BTreeMap<String, f64>,
    pub(super) inline: Option<Inline>,
    /// Whether a barrier comes before it.
    pub(super) barrier: Option<bool>,
}

/// One buffer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BufferSpec {
    pub(super) slot: u32,
    pub(super) bytes: Option<u64>,
    /// Of the array that ends it, or of `type`.
    pub(super) elements: Option<u64>,
    pub(super) r#type: Option<Scalar>,
    /// As text, until it is known where its paths count from.
    fill: Option<String>,
    #[serde(skip)]
    pub(super) filled: Option<Fill>,
}

/// Inline constants.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Inline {
    Hex(String),
    Values(Vec<Value>),
}

/// One of them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Value {
    F32(f32),
    F16(f32),
    I32(i32),
    U32(u32),
}

impl Spec {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Spec> {
        let parsed = Spec::parse(&text::read_file(path)?, folder(path));
        parsed.map_err(|message| Error::Spec {
            name: path.display().to_string(),
            message,
        })
    }

    /// The file beside a WGSL file, with the same stem, if there is one.
    pub(super) fn beside(wgsl: &Path) -> Result<Option<Spec>> {
        let path = wgsl.with_extension("toml");
        match path.is_file() && path != wgsl {
            true => Spec::read(&path).map(Some),
            false => Ok(None),
        }
    }

    fn parse(text: &str, folder: &Path) -> Result<Spec, String> {
        let mut spec: Spec = toml::from_str(text).map_err(|error| error.to_string())?;
        for buffer in &mut spec.buffers {
            let fill = buffer.fill.take();
            let filled = fill.map(|fill| Fill::parse(&fill, folder)).transpose();
            buffer.filled = filled.map_err(|error| format!("slot {}: {error}", buffer.slot))?;
        }
        for inline in spec.dispatch.iter().filter_map(|it| it.inline.as_ref()) {
            inline.bytes()?;
        }
        spec.inline.as_ref().map(Inline::bytes).transpose()?;
        Ok(spec)
    }

    /// Takes over what a flag says of a slot, in place of what is there.
    pub(super) fn set(&mut self, buffer: BufferSpec) {
        match self.buffers.iter_mut().find(|it| it.slot == buffer.slot) {
            None => self.buffers.push(buffer),
            Some(known) => {
                let filled = buffer.filled.or(known.filled.take());
                if buffer.bytes.is_some() {
                    (known.bytes, known.elements, known.r#type) = (buffer.bytes, None, None);
                }
                known.filled = filled;
            }
        }
    }

    /// The dispatches, each with all that it says and all that counts for it.
    pub(super) fn dispatches(&self) -> Vec<DispatchSpec> {
        let one = [DispatchSpec::default()];
        let listed = match self.dispatch.is_empty() {
            true => &one[..],
            false => &self.dispatch[..],
        };
        let whole = listed.iter().map(|dispatch| {
            let mut constants = self.constants.clone();
            constants.extend(dispatch.constants.clone());
            DispatchSpec {
                entry: dispatch.entry.clone().or(self.entry.clone()),
                groups: dispatch.groups.or(self.groups),
                constants,
                inline: dispatch.inline.clone().or(self.inline.clone()),
                barrier: dispatch.barrier,
            }
        });
        whole.collect()
    }
}

impl BufferSpec {
    /// What `--buffer SLOT=BYTES[:FILL]` or `SLOT=FILL` says.
    pub(super) fn parse(text: &str) -> Result<BufferSpec, String> {
        let form = || format!("{text:?}; allowed: SLOT=BYTES, SLOT=BYTES:FILL or SLOT=FILL");
        let (slot, rest) = text.split_once('=').ok_or_else(form)?;
        let (bytes, fill) = match rest.split_once(':') {
            Some((bytes, fill)) if bytes.parse::<u64>().is_ok() => (bytes.parse().ok(), fill),
            _ => (rest.parse().ok(), rest),
        };
        let only_bytes = bytes.is_some() && fill == rest;
        let filled = match only_bytes {
            true => None,
            false => Some(Fill::parse(fill, Path::new(""))?),
        };
        Ok(BufferSpec {
            slot: slot.parse().map_err(|_| form())?,
            bytes,
            filled,
            ..BufferSpec::default()
        })
    }
}

impl Inline {
    /// The bytes.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Inline::Hex(text) => hex(text),
            Inline::Values(values) => Ok(values.iter().flat_map(|value| value.bytes()).collect()),
        }
    }
}

impl Value {
    fn bytes(self) -> Vec<u8> {
        match self {
            Value::F32(value) => value.to_le_bytes().into(),
            Value::F16(value) => f16::from_f32(value).to_le_bytes().into(),
            Value::I32(value) => value.to_le_bytes().into(),
            Value::U32(value) => value.to_le_bytes().into(),
        }
    }
}

/// Bytes as hexadecimal digits, with spaces anywhere between them.
pub(super) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|char| !char.is_whitespace()).collect();
    let bytes = digits.chunks(2).map(|pair| {
        let [high, low] = pair.try_into().ok()?;
        let byte = char::to_digit(high, 16)? * 16 + char::to_digit(low, 16)?;
        u8::try_from(byte).ok()
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes.ok_or_else(|| format!("inline {text:?}; allowed: two hexadecimal digits for each byte"))
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// What `--groups` says: `X`, `X,Y` or `X,Y,Z`.
pub(super) fn groups(text: &str) -> Result<[u32; 3], String> {
    let numbers: Option<Vec<u32>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some([x]) => Ok([*x, 1, 1]),
        Some([x, y]) => Ok([*x, *y, 1]),
        Some([x, y, z]) => Ok([*x, *y, *z]),
        _ => Err("allowed: X, X,Y or X,Y,Z".to_owned()),
    }
}

/// What `--constant NAME=VALUE` says.
pub(super) fn constant(text: &str) -> Result<(String, f64), String> {
    let parsed = text.split_once('=').and_then(|(name, value)| {
        let value = match value {
            "true" => 1.0,
            "false" => 0.0,
            value => value.parse().ok()?,
        };
        Some((name.to_owned(), value))
    });
    parsed.ok_or_else(|| "allowed: NAME=VALUE, with a number, true or false".to_owned())
}

/// What `--print SLOT[:TYPE]` says.
pub(super) fn printed(text: &str) -> Result<(u32, Option<Scalar>), String> {
    let (slot, scalar) = match text.split_once(':') {
        Some((slot, scalar)) => (slot, Some(scalar.parse()?)),
        None => (text, None),
    };
    let slot = slot.parse();
    let slot = slot.map_err(|_| "allowed: SLOT or SLOT:TYPE".to_owned())?;
    Ok((slot, scalar))
}

/// The path of a specification that was named.
pub(super) fn of(named: Option<&PathBuf>, wgsl: &Path) -> Result<Spec> {
    match named {
        Some(path) => Spec::read(path),
        None => Ok(Spec::beside(wgsl)?.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_as_flags() {
        let parse = |text| BufferSpec::parse(text).unwrap();
        assert_eq!((parse("2=64").slot, parse("2=64").bytes), (2, Some(64)));
        assert_eq!(parse("2=64").filled, None);
        let filled = parse("0=64:u32:7");
        assert_eq!(filled.bytes, Some(64));
        assert_eq!(filled.filled, Some(Fill::Word([7, 0, 0, 0])));
        let only = parse("0=random:7");
        assert_eq!((only.bytes, only.filled), (None, Some(Fill::Random(7))));
        for bad in ["", "0", "=4", "x=4", "0=4:", "0=-4", "0=4:many"] {
            assert!(BufferSpec::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let mut spec = Spec::parse(
            "buffers = [{ slot = 1, elements = 4, type = 'f16', fill = 'iota' }]",
            Path::new(""),
        )
        .unwrap();
        spec.set(BufferSpec::parse("1=random").unwrap());
        assert_eq!(spec.buffers[0].elements, Some(4));
        assert_eq!(spec.buffers[0].filled, Some(Fill::Random(0)));
        spec.set(BufferSpec::parse("1=32").unwrap());
        assert_eq!(
            (spec.buffers[0].elements, spec.buffers[0].bytes),
            (None, Some(32))
        );
        assert_eq!(spec.buffers[0].filled, Some(Fill::Random(0)));
    }

    #[test]
    fn dispatches_take_over_what_stands_at_the_top() {
        let text = "
            entry = 'a'
            groups = [2, 1, 1]
            inline = [{ f32 = 1 }, { i32 = -1 }, { f16 = 0.5 }]
            constants = { N = 4, M = 2 }
            [[dispatch]]
            [[dispatch]]
            entry = 'b'
            inline = '00 ff'
            constants = { N = 8 }
            barrier = false";
        let spec = Spec::parse(text, Path::new("")).unwrap();
        let [a, b] = &spec.dispatches()[..] else {
            panic!("two dispatches");
        };
        assert_eq!((a.entry.as_deref(), a.barrier), (Some("a"), None));
        let bytes = |it: &DispatchSpec| it.inline.as_ref().unwrap().bytes().unwrap();
        assert_eq!(
            bytes(a),
            [0, 0, 0x80, 0x3f, 0xff, 0xff, 0xff, 0xff, 0, 0x38]
        );
        assert_eq!(bytes(b), [0, 0xff]);
        assert_eq!((b.entry.as_deref(), b.groups), (Some("b"), Some([2, 1, 1])));
        assert_eq!((b.barrier, b.constants["N"]), (Some(false), 8.0));
        assert_eq!(b.constants["M"], 2.0);
    }

    #[test]
    fn what_the_page_shows_can_be_read() {
        let page = include_str!("../../../../docs/checker.md");
        let examples: Vec<&str> = page
            .split("```toml\n")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once("```")?.0))
            .collect();
        let parse = |text: &&str| Spec::parse(text, Path::new("")).unwrap();
        let [one, several] = &examples.iter().map(parse).collect::<Vec<_>>()[..] else {
            panic!("two examples");
        };
        let inline = |text: &str| Inline::Hex(text.to_owned()).bytes().unwrap();
        let bytes = one.inline.as_ref().unwrap().bytes().unwrap();
        assert_eq!(bytes, inline("0000003f e8030000"));
        assert_eq!(several.dispatches()[1].barrier, Some(false));
    }

    #[test]
    fn what_a_file_may_not_say_is_named() {
        for (text, word) in [
            ("group = [1, 1, 1]", "group"),
            ("groups = [1, 1]", "groups"),
            ("buffers = [{ slot = 0, fill = 'ones' }]", "slot 0"),
            ("buffers = [{ slot = 0, type = 'f64' }]", "f64"),
            ("inline = '0'", "hexadecimal"),
            ("[[dispatch]]\ninline = 'xy'", "hexadecimal"),
            ("entry = ", "entry"),
        ] {
            let message = Spec::parse(text, Path::new("")).unwrap_err();
            assert!(message.contains(word), "{text}: {message}");
        }
    }
}
