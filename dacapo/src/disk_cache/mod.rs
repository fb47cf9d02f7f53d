//! A folder of files that can all be made again: compiled kernels and what drivers keep of them.
//!
//! Each entry is a file of its own, named by a hash of everything that its content depends on. Files appear by
//! renaming, so that processes can share the folder; a file that cannot be used is made again and replaced.
//! Nothing here fails: without the folder the work is done each time.
//!
//! A checksum tells damage, not malice: whoever can write to the folder decides what runs on the GPU.

#[cfg(any(test, target_vendor = "apple", dacapo_metal_double))]
mod archives;
mod frame;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::scratch_folder;

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use crate::files::{self, TEMPORARY};

/// Bytes of the largest file that is read or written.
const MAX_FILE: u64 = 64 << 20;

/// Files that the folder may have. Sixty kernels are a model; what lies here beyond some of them are old versions.
const MAX_FILES: usize = 2048;

/// Age of a half-written file that nobody will finish.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A hash of everything that an entry depends on. 128 bits, so that two things do not meet by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u128);

/// Collects what an entry depends on.
pub(crate) struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// For entries of this kind, in this version of their content.
    pub(crate) fn new(kind: &str, version: u32) -> KeyBuilder {
        KeyBuilder(Vec::new())
            .bytes(kind.as_bytes())
            .bytes(&version.to_le_bytes())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> KeyBuilder {
        self.0.extend((bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn finish(self) -> Key {
        Key(xxh3_128(&self.0))
    }
}

/// The folder.
#[derive(Debug)]
pub(crate) struct DiskCache {
    folder: Option<PathBuf>,
    prepared: Once,
    complained: AtomicBool,
}

impl DiskCache {
    /// The cache in this folder, which is made when something is first stored; or none, which has and keeps
    /// nothing.
    pub(crate) fn open(folder: Option<&Path>) -> DiskCache {
        DiskCache {
            folder: folder.map(Path::to_owned),
            prepared: Once::new(),
            complained: AtomicBool::new(false),
        }
    }

    pub(crate) fn load(&self, key: Key) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        let ignored = |why: &dyn core::fmt::Display| {
            tracing::debug!(path = %path.display(), %why, "ignoring a cache file");
        };
        let mut file = match files::read(&path, MAX_FILE) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                ignored(&error);
                return None;
            }
        };
        match frame::unseal(key, &file) {
            Ok(_) => Some(file.split_off(frame::HEADER)),
            Err(why) => {
                ignored(&why);
                None
            }
        }
    }

    pub(crate) fn store(&self, key: Key, entry: &[u8]) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(key)) else {
            return;
        };
        if (entry.len() + frame::HEADER) as u64 > MAX_FILE {
            tracing::debug!(bytes = entry.len(), "too large for the kernel cache");
            return;
        }
        self.prepare(folder);
        if let Err(error) = files::replace(&path, &frame::seal(key, entry)) {
            self.complain(folder, &error);
        }
    }

    /// Makes the folder before something is first stored, and removes what is too much. Where that fails, so does the
    /// storing.
    fn prepare(&self, folder: &Path) {
        self.prepared.call_once(|| {
            let _ = fs::create_dir_all(folder);
            sweep(folder, MAX_FILES);
        });
    }

    /// Says once that nothing can be stored.
    fn complain(&self, folder: &Path, error: &io::Error) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                folder = %folder.display(), %error,
                "the kernel cache cannot be written; kernels are compiled afresh by each process"
            );
        }
    }

    fn path(&self, key: Key) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(format!("{:032x}.{EXTENSION}", key.0)))
    }
}

const EXTENSION: &str = "entry";

/// Removes what processes that died left behind, and the older half of more than `most` entries.
fn sweep(folder: &Path, most: usize) {
    let Ok(found) = fs::read_dir(folder) else {
        return;
    };
    let mut entries = Vec::new();
    for file in found.flatten() {
        let path = file.path();
        let Ok(changed) = file.metadata().and_then(|metadata| metadata.modified()) else {
            continue;
        };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(EXTENSION) => entries.push((changed, path)),
            Some(TEMPORARY) if changed.elapsed().is_ok_and(|age| age > ABANDONED) => {
                // Another process may have been quicker, here and below.
                let _ = fs::remove_file(path);
            }
            _ => {}
        }
    }
    if entries.len() > most {
        entries.sort();
        for (_, path) in &entries[..entries.len() - most / 2] {
            let _ = fs::remove_file(path);
        }
    }
}

/// Any bytes as a file.
#[cfg(fuzzing)]
pub(crate) fn fuzz_file(bytes: &[u8]) {
    let key = KeyBuilder::new("fuzz", 1).finish();
    if let Ok(entry) = frame::unseal(key, bytes) {
        assert_eq!(frame::seal(key, entry), bytes);
    }
    assert_eq!(frame::unseal(key, &frame::seal(key, bytes)), Ok(bytes));
}
