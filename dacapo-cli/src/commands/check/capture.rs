//! A capture file that is checked.

use dacapo::{Device, GraphFile};
use dacapo_llm::PassOptions;

use super::findings::Content;
use super::scalar::Scalar;
use crate::commands::replay::load::{How, Run};
use crate::error::{Error, Result};

/// A capture file and how to run it.
pub(super) struct Captured {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// The seed of what buffers begin with that have no contents.
    pub(super) fill: Option<u64>,
    pub(super) passes: PassOptions,
}

impl Captured {
    /// Whether a file is meant to be one.
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(GraphFile::MAGIC)
    }

    fn file(&self) -> Result<GraphFile<'_>> {
        GraphFile::read(&self.bytes).map_err(|source| Error::Capture {
            name: self.name.clone(),
            source,
        })
    }

    /// Invocations of a subgroup that it counts on.
    pub(super) fn subgroup_size(&self) -> Result<Option<u32>> {
        Ok(self.file()?.subgroup_size())
    }

    /// Plans and runs it; what it has written.
    pub(super) fn run(&self, device: &Device) -> Result<Vec<Content>> {
        let how = How {
            trust: false,
            fill: self.fill,
            passes: self.passes,
            keep_all: false,
        };
        let run = Run::new(&self.file()?, device, &how)?;
        run.run(1)?;
        let contents = run.written().into_iter().map(|index| {
            let buffer = &run.buffers[index];
            Ok(Content {
                name: format!("buffer {index}, {:?}", buffer.label()),
                slot: u32::try_from(index).ok(),
                scalar: Scalar::Hex,
                bytes: buffer.read()?,
            })
        });
        contents.collect()
    }
}
