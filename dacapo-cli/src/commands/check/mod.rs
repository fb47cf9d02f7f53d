//! `dacapo check`.

mod capture;
mod fill;
mod findings;
mod job;
mod layout;
mod machine;
mod model;
mod module;
mod scalar;
mod spec;
mod values;

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use dacapo::{Device, reference};
use dacapo_llm::PassOptions;
use dacapo_reference::report::Style;

use crate::commands::Ending;
use crate::error::{Error, Result};
use crate::options::{self, PassFlags};
use crate::output;
use crate::text;
use capture::Captured;
use findings::{Content, Findings};
use job::Job;
use machine::MachineFlags;
use model::{ModelFlags, ModelRun};
use module::Module;
use scalar::Scalar;
use spec::{BufferSpec, Inline, constant, groups, hex, printed};
use values::Values;

/// Most bytes of a file that are read: a capture file may have a model's weights in it.
const MAX_FILE: u64 = 64 << 30;

const AFTER_HELP: &str = "\
Runs kernels in an interpreter, without a GPU or a driver, and reports what is wrong \
with them, each fault with the line that it is about: accesses out of bounds, reads \
of what nobody wrote, races, barriers that only some invocations reach, missing \
barriers between dispatches, arithmetic traps, loops that do not end.

FILE is WGSL, or a capture file, as `dacapo graph --save` writes it on a GPU or on the device reference. WGSL \
runs as the flags say, and as a specification does: --spec, or the file beside it \
with the same name and the ending .toml. Flags win. Buffers whose length the code \
does not tell need one; they begin with zeros, or with nothing where they are only \
written. FILL is zero, unwritten, random, random:SEED, iota, f32:VALUE, u32:VALUE or \
file:PATH.

docs/checker.md has the form of specifications, of reports and of the JSON: checked, \
subgroup, orders, reports, dropped, differences, stopped, values.

Exit codes: 0 nothing was found, 1 something was found, 2 it could not be checked: \
wrong usage, WGSL that does not compile, a file that cannot be read.

Examples:
  dacapo check scan.wgsl --groups 4 --buffer 0=1024:random --buffer 1=1024
  dacapo check scan.wgsl --all-orders --json -
  dacapo check double.wgsl --buffer 0=64:iota --print 0
  dacapo check step.dacapo
  dacapo check --model model.gguf --tokens 4";

/// Check WGSL, a capture file or a model for faults, without a GPU
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Check {
    /// WGSL file or capture file
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    file: Option<PathBuf>,
    /// Specification in TOML [default: the file beside FILE, ending in .toml]
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    spec: Option<PathBuf>,
    /// Entry point [default: main, or the only one]
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    entry: Option<String>,
    /// Workgroups along x, y and z [default: 1,1,1]
    #[arg(long, value_name = "X,Y,Z", value_parser = groups, conflicts_with = "model")]
    groups: Option<[u32; 3]>,
    /// Length and contents of the buffer at a slot, SLOT=BYTES, SLOT=BYTES:FILL or SLOT=FILL
    #[arg(long = "buffer", value_name = "SLOT=BYTES:FILL", value_parser = BufferSpec::parse, conflicts_with = "model")]
    buffers: Vec<BufferSpec>,
    /// Bytes of the inline constants, in hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = |text: &str| hex(text).map(|_| text.to_owned()), conflicts_with = "model")]
    inline: Option<String>,
    /// Value of an override
    #[arg(long = "constant", value_name = "NAME=VALUE", value_parser = constant, conflicts_with = "model")]
    constants: Vec<(String, f64)>,
    /// Show what the buffer at a slot begins with at the end, as f32, f16, i32, u32 or hex
    #[arg(long = "print", value_name = "SLOT:TYPE", value_parser = printed, conflicts_with = "model")]
    printed: Vec<(u32, Option<Scalar>)>,
    /// Fill buffers of a capture file that it has no contents of with numbers made from this seed
    #[arg(long, value_name = "SEED", conflicts_with = "model")]
    fill: Option<u64>,
    /// Write what was found as JSON; - is standard output, in place of the text
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    passes: PassFlags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

/// What is checked.
enum Subject {
    Job(Box<Job>),
    Captured(Captured),
    Model(Box<ModelRun>),
}

impl Check {
    pub(crate) fn run(self) -> Result<Ending> {
        self.check().map_err(Error::unchecked)
    }

    fn check(self) -> Result<Ending> {
        let subject = self.subject()?;
        let mut findings = Findings::new(subject.name().to_owned());
        for order in self.machine.orders() {
            let (device, used) = self.machine.open(order, subject.subgroup_size()?)?;
            let ran = subject.run(&device);
            let reports = reference::reports(&device).unwrap_or_default();
            findings.add(used.order, used.subgroup_size, &reports, ran)?;
            if findings.is_stopped() {
                break;
            }
        }
        if !findings.is_stopped() {
            let printed = self.printed.iter();
            let values =
                printed.map(|(slot, scalar)| Values::of(&findings.contents, *slot, *scalar));
            findings.values = values.collect::<Result<_>>()?;
        }
        self.tell(&findings)?;
        Ok(match findings.is_empty() {
            true => Ending::Complete,
            false => Ending::Found,
        })
    }

    fn subject(&self) -> Result<Subject> {
        let Some(path) = &self.file else {
            let path = self.model.model.clone().unwrap_or_default();
            let run = ModelRun::new(path, self.model.clone(), self.passes)?;
            return Ok(Subject::Model(Box::new(run)));
        };
        let bytes = read(path)?;
        if Captured::is_one(&bytes) {
            self.refuse(&self.per_dispatch(), "with a capture file")?;
            self.refuse(&self.per_text(), "with a capture file")?;
            return Ok(Subject::Captured(Captured {
                name: path.display().to_string(),
                bytes,
                fill: self.fill,
                passes: self.passes.options(PassOptions::default()),
            }));
        }
        self.refuse(
            &[("--fill", self.fill.is_some())],
            "with WGSL, where --buffer does it",
        )?;
        let module = Module::parse(path, bytes)?;
        let mut spec = spec::of(self.spec.as_ref(), path)?;
        if !spec.dispatch.is_empty() {
            self.refuse(
                &self.per_dispatch(),
                "beside a specification that lists dispatches",
            )?;
        }
        spec.entry = self.entry.clone().or(spec.entry);
        spec.groups = self.groups.or(spec.groups);
        spec.inline = self.inline.clone().map(Inline::Hex).or(spec.inline);
        spec.constants.extend(self.constants.iter().cloned());
        for buffer in &self.buffers {
            spec.set(buffer.clone());
        }
        Ok(Subject::Job(Box::new(Job::new(module, &spec))))
    }

    /// Flags that say what one dispatch is, and whether they are given.
    fn per_dispatch(&self) -> [(&'static str, bool); 3] {
        [
            ("--entry", self.entry.is_some()),
            ("--groups", self.groups.is_some()),
            ("--inline", self.inline.is_some()),
        ]
    }

    /// The other flags that only mean something to WGSL.
    fn per_text(&self) -> [(&'static str, bool); 3] {
        [
            ("--spec", self.spec.is_some()),
            ("--buffer", !self.buffers.is_empty()),
            ("--constant", !self.constants.is_empty()),
        ]
    }

    /// Refuses flags that would count for nothing.
    fn refuse(&self, flags: &[(&str, bool)], why: &str) -> Result<()> {
        match flags.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => Err(Error::Usage {
                command: "check",
                message: format!("{flag} cannot be used {why}"),
            }),
        }
    }

    fn tell(&self, findings: &Findings) -> Result<()> {
        if let Some(path) = &self.json {
            output::write_with(path, |out| {
                serde_json::to_writer(&mut *out, findings)?;
                writeln!(out)
            })?;
            if output::is_dash(path) {
                return Ok(());
            }
        }
        let colour = match self.color {
            Colour::Auto => std::io::stdout().is_terminal() && options::allows_colour(),
            Colour::Always => true,
            Colour::Never => false,
        };
        let columns = options::columns();
        output::print(findings.text(Style { colour, columns }))
    }
}

impl Subject {
    fn name(&self) -> &str {
        match self {
            Subject::Job(job) => job.name(),
            Subject::Captured(captured) => &captured.name,
            Subject::Model(model) => &model.name,
        }
    }

    /// Invocations of a subgroup that it counts on.
    fn subgroup_size(&self) -> Result<Option<u32>> {
        match self {
            Subject::Captured(captured) => captured.subgroup_size(),
            Subject::Job(_) | Subject::Model(_) => Ok(None),
        }
    }

    fn run(&self, device: &Device) -> Result<Vec<Content>> {
        match self {
            Subject::Job(job) => job.run(device),
            Subject::Captured(captured) => captured.run(device),
            Subject::Model(model) => model.run(device),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => text::bytes(file, &name, "file", MAX_FILE),
        Err(source) => Err(Error::Read { name, source }),
    }
}
