//! Measured peaks, kept between processes.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use dacapo::{DeviceInfo, files};
use serde::{Deserialize, Serialize};

use super::Peaks;
use crate::device_key::DeviceKey;

/// Changes with what is measured, or how.
const VERSION: u32 = 1;

/// Bytes of the largest file that is read; ours have some 500.
const MAX_FILE: u64 = 64 << 10;

/// A folder with a file for each device that was measured.
///
/// Files are JSON. One that cannot be used is reported as a `tracing` warning and counts as missing; they appear by
/// renaming, so that processes can share the folder.
///
/// ```no_run
/// # use dacapo::{Device, DeviceOptions};
/// use dacapo_profile::{Peaks, PeaksCache};
///
/// let device = Device::open(&DeviceOptions::default())?;
/// let cache = PeaksCache::new("peaks");
/// let peaks = match cache.load(device.info()) {
///     Some(peaks) => peaks,
///     None => Peaks::measure(&device)?,
/// };
/// cache.store(device.info(), &peaks)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PeaksCache {
    folder: PathBuf,
}

/// What is in a file.
#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    device: DeviceKey,
    /// Seconds since 1970.
    measured: u64,
    peaks: Peaks,
}

impl PeaksCache {
    /// The cache in this folder, which is made when something is first stored.
    pub fn new(folder: impl Into<PathBuf>) -> PeaksCache {
        PeaksCache {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is known of this device.
    pub fn load(&self, device: &DeviceInfo) -> Option<Peaks> {
        let key = DeviceKey::new(device);
        let path = self.folder.join(key.file_name());
        match read(&path, &key) {
            Ok(peaks) => peaks,
            Err(why) => {
                tracing::warn!(path = %path.display(), %why, "ignoring measured peaks");
                None
            }
        }
    }

    /// Keeps what was measured of this device.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn store(&self, device: &DeviceInfo, peaks: &Peaks) -> io::Result<()> {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let entry = Entry {
            version: VERSION,
            device: DeviceKey::new(device),
            measured: now.as_secs(),
            peaks: *peaks,
        };
        let mut text = serde_json::to_vec_pretty(&entry)?;
        text.push(b'\n');
        fs::create_dir_all(&self.folder)?;
        files::replace(&self.folder.join(entry.device.file_name()), &text)
    }
}

/// What the file holds, if there is one.
fn read(path: &Path, key: &DeviceKey) -> io::Result<Option<Peaks>> {
    let text = match files::read(path, MAX_FILE) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let entry: Entry = serde_json::from_slice(&text)?;
    if entry.version != VERSION {
        // Of another version of this program: nothing is wrong with it.
        return Ok(None);
    }
    if entry.device != *key {
        return Err(io::Error::other("it is of another device"));
    }
    if !entry.peaks.is_sane() {
        return Err(io::Error::other("nothing that was measured is like that"));
    }
    Ok(Some(entry.peaks))
}
