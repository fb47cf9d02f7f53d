//! A WGSL text with all that it takes to run it.

use std::collections::BTreeMap;

use dacapo::{
    Arg, Buffer, BufferOptions, Device, EncoderOptions, Error as RuntimeError, Grid, Hazards,
    Kernel, KernelSource, MemoryKind, Wgsl,
};

use super::fill::Fill;
use super::findings::Content;
use super::layout::Layout;
use super::module::{Module, Variable};
use super::spec::{BufferSpec, DispatchSpec, Spec};
use crate::error::{Error, Result};

/// A WGSL text and how to run it.
#[derive(Debug)]
pub(super) struct Job {
    module: Module,
    dispatches: Vec<DispatchSpec>,
    buffers: Vec<BufferSpec>,
}

/// A dispatch that is ready to be encoded.
struct Ready {
    kernel: Kernel,
    entry: String,
    inline: Vec<u8>,
    groups: [u32; 3],
    barrier: bool,
}

impl Job {
    pub(super) fn new(module: Module, spec: &Spec) -> Job {
        Job {
            module,
            dispatches: spec.dispatches(),
            buffers: spec.buffers.clone(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.module.name
    }

    /// Runs all dispatches in one submission; what the buffers hold then.
    pub(super) fn run(&self, device: &Device) -> Result<Vec<Content>> {
        let dispatches = self.ready(device)?;
        let buffers = self.buffers(device, &dispatches)?;
        let mut encoder = device.encoder_with(EncoderOptions {
            label: self.name(),
            hazards: Some(Hazards::Manual),
            ..EncoderOptions::default()
        })?;
        for (at, dispatch) in dispatches.iter().enumerate() {
            if at > 0 && dispatch.barrier {
                encoder.barrier();
            }
            let bindings = dispatch.kernel.interface().bindings();
            let views = bindings.iter().map(|it| Arg::view(&buffers[&it.slot].0));
            let mut args: Vec<Arg<'_>> = views.collect();
            if !dispatch.inline.is_empty() {
                args.push(Arg::inline(&dispatch.inline));
            }
            let mut scope = encoder.scope(&dispatch.entry);
            scope.dispatch(&dispatch.kernel, &args[..], Grid::groups(dispatch.groups))?;
        }
        encoder.commit()?.wait()?;
        let contents = buffers.iter().map(|(slot, (buffer, layout))| {
            Ok(Content {
                name: self.described(*slot),
                slot: Some(*slot),
                scalar: layout.scalar(),
                bytes: buffer.read()?,
            })
        });
        contents.collect()
    }

    /// Compiles the kernels.
    fn ready(&self, device: &Device) -> Result<Vec<Ready>> {
        let ready = self.dispatches.iter().map(|dispatch| {
            let entry = self.module.entry(dispatch.entry.as_deref())?;
            let mut wgsl = Wgsl::new(self.module.text.clone()).entry(entry.clone());
            for (name, value) in &dispatch.constants {
                wgsl = wgsl.constant(name.clone(), *value);
            }
            let source = KernelSource::new(self.module.name.clone()).wgsl(wgsl);
            let kernel = device
                .kernel(&source)
                .map_err(|error| self.refused(error))?;
            let inline = match &dispatch.inline {
                None => Vec::new(),
                Some(inline) => inline.bytes().map_err(|text| self.module.complain(text))?,
            };
            let (given, takes) = (inline.len(), kernel.interface().inline_bytes() as usize);
            if given != takes {
                return Err(self.module.complain(format_args!(
                    "{entry:?} takes {takes} bytes of inline constants and {given} are given, by \
                     --inline HEX or `inline` in a specification"
                )));
            }
            Ok(Ready {
                kernel,
                entry,
                inline,
                groups: dispatch.groups.unwrap_or([1, 1, 1]),
                barrier: dispatch.barrier.unwrap_or(true),
            })
        });
        ready.collect()
    }

    /// A kernel's compiler says where in the text it is about; its name is the text's.
    fn refused(&self, error: RuntimeError) -> Error {
        match error {
            RuntimeError::InvalidKernel { reason, .. } if reason.starts_with("error") => {
                Error::Wgsl {
                    message: reason.into(),
                }
            }
            RuntimeError::InvalidKernel { reason, .. } => self.module.complain(reason),
            error => error.into(),
        }
    }

    /// Makes and fills what the dispatches bind.
    fn buffers(
        &self,
        device: &Device,
        dispatches: &[Ready],
    ) -> Result<BTreeMap<u32, (Buffer, Layout)>> {
        // Whether the first dispatch that binds a slot reads it.
        let mut slots: BTreeMap<u32, bool> = BTreeMap::new();
        for dispatch in dispatches {
            for binding in dispatch.kernel.interface().bindings() {
                let reads = binding.access.reads();
                slots.entry(binding.slot).or_insert(reads);
            }
        }
        if let Some(unused) = self.buffers.iter().find(|it| !slots.contains_key(&it.slot)) {
            let used: Vec<_> = slots.keys().map(u32::to_string).collect();
            return Err(self.module.complain(format_args!(
                "slot {} is not bound by what is run; it binds: {}",
                unused.slot,
                used.join(", ")
            )));
        }
        let (mut sizes, mut missing) = (BTreeMap::new(), Vec::new());
        for slot in slots.keys() {
            match self.bytes(*slot)? {
                Some(bytes) => drop(sizes.insert(*slot, bytes)),
                None => missing.push(self.described(*slot)),
            }
        }
        if !missing.is_empty() {
            return Err(self.module.complain(format_args!(
                "the code does not say how long these buffers are: {}; --buffer SLOT=BYTES does, or \
                 `buffers` in a specification",
                missing.join("; ")
            )));
        }
        let made = sizes.iter().map(|(&slot, &bytes)| {
            let spec = self.spec(slot);
            let label = self.module.variable(slot).map(|it| it.name.as_str());
            let buffer = device.buffer_with(&BufferOptions {
                len: bytes,
                kind: MemoryKind::DeviceLocal,
                label: label.unwrap_or_default(),
            })?;
            let layout = self.layout(slot);
            let filled = spec.and_then(|spec| spec.filled.clone());
            let fill = filled.unwrap_or(match slots[&slot] {
                true => Fill::Zero,
                false => Fill::Unwritten,
            });
            fill.write(&buffer, &layout)?;
            Ok((slot, (buffer, layout)))
        });
        made.collect()
    }

    fn spec(&self, slot: u32) -> Option<&BufferSpec> {
        self.buffers.iter().find(|buffer| buffer.slot == slot)
    }

    fn layout(&self, slot: u32) -> Layout {
        let words = || Layout {
            head: Vec::new(),
            head_bytes: 0,
            stride: 0,
            element: Vec::new(),
            count: None,
        };
        let variable = self.module.variable(slot);
        variable.map_or_else(words, |variable| variable.layout.clone())
    }

    /// How long a buffer is, as far as anybody says.
    fn bytes(&self, slot: u32) -> Result<Option<u64>> {
        let layout = self.layout(slot);
        let Some(spec) = self.spec(slot) else {
            return Ok(layout.bytes());
        };
        let elements = spec.elements.map(|elements| match spec.r#type {
            Some(scalar) => elements.saturating_mul(scalar.size() as u64),
            None => layout.bytes_of(elements),
        });
        if let Some(bytes) = spec.bytes.or(elements).or(layout.bytes()) {
            return Ok(Some(bytes));
        }
        spec.filled.as_ref().map_or(Ok(None), Fill::file_bytes)
    }

    /// A slot as a user would recognise it.
    fn described(&self, slot: u32) -> String {
        match self.module.variable(slot) {
            Some(Variable { name, ty, .. }) => format!("slot {slot}, `{name}: {ty}`"),
            None => format!("slot {slot}"),
        }
    }
}
