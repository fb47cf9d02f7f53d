//! The lines `//!` at the beginning of a file: what runs its kernels, as TOML.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) buffers: Vec<Buffer>,
    /// Workgroups of the only dispatch, of the only entry point, with each buffer at its slot.
    pub(crate) groups: Option<[u32; 3]>,
    /// Or several commands.
    #[serde(default)]
    pub(crate) dispatch: Vec<Command>,
    /// Inline constants of all dispatches, in hexadecimal digits.
    #[serde(default)]
    pub(crate) inline: String,
    /// Values of overrides.
    #[serde(default)]
    pub(crate) constants: BTreeMap<String, f64>,
    #[serde(default = "subgroup")]
    pub(crate) subgroup: u32,
    #[serde(default)]
    pub(crate) zeroed: bool,
    #[serde(default)]
    pub(crate) finite: bool,
    #[serde(default = "steps")]
    pub(crate) steps: u64,
}

fn subgroup() -> u32 {
    32
}

fn steps() -> u64 {
    1 << 24
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Buffer {
    /// Where the only dispatch binds it.
    pub(crate) slot: Option<u32>,
    /// Its length; that of `values` if there are some.
    pub(crate) bytes: Option<u64>,
    /// See [`super::fill`]; by default nobody writes it.
    #[serde(default)]
    pub(crate) fill: String,
    /// How many bytes the filling covers; all by default.
    pub(crate) written: Option<u64>,
    /// Integers or f32, instead of a filling.
    #[serde(default)]
    pub(crate) values: Vec<toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// The kernel's entry point, unless it is a copy or a fill.
    #[serde(default)]
    pub(crate) entry: String,
    #[serde(default)]
    pub(crate) groups: [u32; 3],
    #[serde(default)]
    pub(crate) bind: Vec<Bind>,
    pub(crate) copy: Option<Copy>,
    pub(crate) fill: Option<Bind>,
    /// Whether a barrier is in front of it.
    #[serde(default = "barrier")]
    pub(crate) barrier: bool,
}

fn barrier() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copy {
    pub(crate) from: Bind,
    pub(crate) to: Bind,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bind {
    #[serde(default)]
    pub(crate) slot: u32,
    pub(crate) buffer: usize,
    #[serde(default)]
    pub(crate) offset: u64,
    /// All behind the offset by default.
    pub(crate) bytes: Option<u64>,
    /// `read`, `write` or `read_write`; by default as the kernel's variable says.
    pub(crate) access: Option<String>,
    /// What a fill sets all bytes to.
    #[serde(default)]
    pub(crate) value: u8,
}

impl Header {
    pub(crate) fn of(text: &str) -> Result<Header, String> {
        let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
        let lines: Vec<_> = lines.collect();
        toml::from_str(&lines.join("\n")).map_err(|error| format!("the header: {error}"))
    }

    pub(crate) fn inline(&self) -> Vec<u8> {
        let digits: Vec<_> = self.inline.chars().filter_map(|c| c.to_digit(16)).collect();
        digits
            .chunks(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect()
    }
}
