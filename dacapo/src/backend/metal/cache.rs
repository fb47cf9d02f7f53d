//! Compiled kernels from one process to the next: Metal's binary archives.
//!
//! An archive is a file with what one process compiled. A process reads all archives of its device and system, and
//! writes one of its own with what none of them had: nothing is merged, so processes do not wait for each other.
#![allow(
    unsafe_code,
    reason = "vouches for objects that Metal's headers do not mark"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSArray, NSError, NSProcessInfo, NSString, NSURL};
use objc2_metal::{
    MTLBinaryArchive, MTLBinaryArchiveDescriptor, MTLComputePipelineDescriptor,
    MTLComputePipelineState, MTLDevice, MTLPipelineOption,
};
use parking_lot::Mutex;

use crate::backend::metal::fault;
use crate::backend::metal::object::Shared;
use crate::disk_cache::{DiskCache, Key, KeyBuilder};

/// Changes with what is stored; its layout is Metal's.
const VERSION: u32 = 1;

/// Kernels that are compiled between two writes. A process that is killed loses so many.
const BATCH: usize = 32;

type Archive = Shared<ProtocolObject<dyn MTLBinaryArchive>>;
type State = Retained<ProtocolObject<dyn MTLComputePipelineState>>;

/// What was compiled before, and what this process adds.
pub(super) struct PipelineCache {
    disk: DiskCache,
    /// `None` where nothing is kept.
    archives: Option<Archives>,
}

struct Archives {
    key: Key,
    /// As they were when the device was opened.
    found: Vec<Archive>,
    own: Mutex<Own>,
}

/// What this process has compiled.
#[derive(Default)]
struct Own {
    archive: Option<Archive>,
    /// Kernels in it that its file does not have.
    unwritten: usize,
    /// Its file, if it was written.
    file: Option<PathBuf>,
}

impl PipelineCache {
    /// The archives in the cache's folder that the system made for this device.
    pub(super) fn open(device: &ProtocolObject<dyn MTLDevice>, disk: DiskCache) -> PipelineCache {
        let archives = disk.is_kept().then(|| {
            let key = key(device);
            let found = disk.archives(key).into_iter();
            let found = found.filter_map(|path| match open(device, Some(&path)) {
                Ok(archive) => Some(archive),
                Err(error) => {
                    // Made by another version of the system, for example.
                    tracing::debug!(path = %path.display(), error, "removing a cache file");
                    let _ = fs::remove_file(path);
                    None
                }
            });
            Archives {
                key,
                found: found.collect(),
                own: Mutex::default(),
            }
        });
        PipelineCache { disk, archives }
    }

    /// Where what does not come from Metal's compiler is kept.
    pub(super) fn disk(&self) -> &DiskCache {
        &self.disk
    }

    /// Takes a kernel from an archive, or compiles it and adds it to this process's own.
    pub(super) fn compile(
        &self,
        device: &ProtocolObject<dyn MTLDevice>,
        descriptor: &MTLComputePipelineDescriptor,
    ) -> Result<State, Retained<NSError>> {
        let Some(archives) = &self.archives else {
            return make(device, descriptor, MTLPipelineOption::None);
        };
        if let Some(state) = archives.find(device, descriptor) {
            return Ok(state);
        }
        let state = make(device, descriptor, MTLPipelineOption::None)?;
        archives.add(&self.disk, device, descriptor);
        Ok(state)
    }
}

impl Drop for PipelineCache {
    fn drop(&mut self) {
        if let Some(archives) = &self.archives {
            archives.write(&self.disk, &mut archives.own.lock());
        }
    }
}

impl Archives {
    fn find(
        &self,
        device: &ProtocolObject<dyn MTLDevice>,
        descriptor: &MTLComputePipelineDescriptor,
    ) -> Option<State> {
        if self.found.is_empty() {
            return None;
        }
        let found: Vec<_> = self.found.iter().map(|archive| &**archive).collect();
        descriptor.setBinaryArchives(Some(&NSArray::from_slice(&found)));
        let state = make(
            device,
            descriptor,
            MTLPipelineOption::FailOnBinaryArchiveMiss,
        )
        .ok();
        descriptor.setBinaryArchives(None);
        state
    }

    fn add(
        &self,
        disk: &DiskCache,
        device: &ProtocolObject<dyn MTLDevice>,
        descriptor: &MTLComputePipelineDescriptor,
    ) {
        let mut own = self.own.lock();
        let archive = match own.archive.take() {
            Some(archive) => Ok(archive),
            None => open(device, None),
        };
        let added = archive.and_then(|archive| {
            let archive = own.archive.insert(archive);
            let added = archive.addComputePipelineFunctionsWithDescriptor_error(descriptor);
            added.map_err(|error| fault::text(&error))
        });
        match added {
            Ok(()) => own.unwritten += 1,
            Err(error) => tracing::debug!(error, "a kernel is not cached"),
        }
        if own.unwritten >= BATCH {
            self.write(disk, &mut own);
        }
    }

    /// Writes what is new.
    fn write(&self, disk: &DiskCache, own: &mut Own) {
        let Some(archive) = own.archive.as_ref().filter(|_| own.unwritten > 0) else {
            return;
        };
        // What cannot be written now is not tried again for every kernel.
        own.unwritten = 0;
        let written = disk.store_archive(self.key, |path| serialize(archive, path));
        if let Some(file) = written {
            let before = own.file.replace(file);
            if let Some(before) = before.filter(|before| own.file.as_ref() != Some(before)) {
                // Another process may have been quicker.
                let _ = fs::remove_file(before);
            }
        }
    }
}

/// The archives that a device understands. Metal does not take what is not for it, but has to look to know.
fn key(device: &ProtocolObject<dyn MTLDevice>) -> Key {
    // With the build, on which the compiler depends.
    let system = NSProcessInfo::processInfo().operatingSystemVersionString();
    KeyBuilder::new("metal", VERSION)
        .bytes(device.name().to_string().as_bytes())
        .bytes(system.to_string().as_bytes())
        .finish()
}

/// The archive in a file, or an empty one.
fn open(device: &ProtocolObject<dyn MTLDevice>, path: Option<&Path>) -> Result<Archive, String> {
    autoreleasepool(|_| {
        let descriptor = MTLBinaryArchiveDescriptor::new();
        if let Some(path) = path {
            let url = url(path).map_err(|error| error.to_string())?;
            descriptor.setUrl(Some(&url));
        }
        let archive = device.newBinaryArchiveWithDescriptor_error(&descriptor);
        let archive = archive.map_err(|error| fault::text(&error))?;
        // SAFETY: reading it needs no care, and what is added to it is added under a lock.
        Ok(unsafe { Shared::new(archive) })
    })
}

fn serialize(archive: &Archive, path: &Path) -> io::Result<()> {
    autoreleasepool(|_| {
        let written = archive.serializeToURL_error(&*url(path)?);
        written.map_err(|error| io::Error::other(fault::text(&error)))
    })
}

fn url(path: &Path) -> io::Result<Retained<NSURL>> {
    let path = path
        .to_str()
        .ok_or_else(|| io::Error::other("its path is not Unicode"))?;
    Ok(NSURL::fileURLWithPath(&NSString::from_str(path)))
}

fn make(
    device: &ProtocolObject<dyn MTLDevice>,
    descriptor: &MTLComputePipelineDescriptor,
    options: MTLPipelineOption,
) -> Result<State, Retained<NSError>> {
    device.newComputePipelineStateWithDescriptor_options_reflection_error(descriptor, options, None)
}
