//! The caller's buffers for a file's.

use core::fmt;
use std::sync::Arc;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::file::{GraphFile, GraphFileError};
use crate::memory::BufferView;

/// Which buffer of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferKey<'a> {
    /// Its place among [`GraphFile::buffers`].
    Index(usize),
    /// Its label, which no other buffer has.
    Label(&'a str),
}

impl fmt::Display for BufferKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BufferKey::Index(index) => write!(f, "{index}"),
            BufferKey::Label(label) => write!(f, "{label:?}"),
        }
    }
}

impl GraphFile<'_> {
    /// The given view for each buffer, checked; none where none is given.
    pub(super) fn given(
        &self,
        device: &Device,
        given: &[(BufferKey<'_>, &BufferView)],
    ) -> Result<Vec<Option<BufferView>>> {
        let mut views = vec![None; self.buffers.len()];
        for (key, view) in given {
            let index = self.find(*key)?;
            let buffer = &self.buffers[index];
            let label = || buffer.label.into();
            if !Arc::ptr_eq(&view.allocation.device, &device.core) {
                return Err(Error::ForeignDevice {
                    what: format!("the view given for buffer {key}").into(),
                    device: device.info().name.as_str().into(),
                });
            }
            if view.len() != buffer.size {
                return Err(GraphFileError::WrongLength {
                    index,
                    label: label(),
                    given: view.len(),
                    needed: buffer.size,
                }
                .into());
            }
            if views[index].replace((*view).clone()).is_some() {
                let label = label();
                return Err(GraphFileError::GivenTwice { index, label }.into());
            }
        }
        Ok(views)
    }

    fn find(&self, key: BufferKey<'_>) -> Result<usize, GraphFileError> {
        let count = self.buffers.len();
        let missing = || GraphFileError::NoSuchBuffer {
            asked: key.to_string().into(),
            count,
        };
        let label = match key {
            BufferKey::Index(index) if index < count => return Ok(index),
            BufferKey::Index(_) => return Err(missing()),
            BufferKey::Label(label) => label,
        };
        let labelled = self.buffers.iter().enumerate();
        let mut labelled = labelled.filter(|(_, it)| it.label == label);
        match (labelled.next(), labelled.next()) {
            (None, _) => Err(missing()),
            (Some((index, _)), None) => Ok(index),
            (Some((first, _)), Some((second, _))) => Err(GraphFileError::AmbiguousLabel {
                label: label.into(),
                count: 2 + labelled.count(),
                first,
                second,
            }),
        }
    }
}
