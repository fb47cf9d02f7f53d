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
    device: Key,
    /// Seconds since 1970.
    measured: u64,
    peaks: Peaks,
}

/// What peaks are of. Another driver, or another number of threads, is another device.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    name: String,
    backend: String,
    driver: String,
    compute_units: u32,
}

impl Key {
    fn new(info: &DeviceInfo) -> Key {
        Key {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            driver: info.driver.clone(),
            compute_units: info.compute_units,
        }
    }

    /// The name of its file: of what can be read of it, and a number that tells it from others.
    fn file(&self) -> String {
        let Key {
            name,
            backend,
            driver,
            compute_units,
        } = self;
        // FNV-1a, which is the same everywhere and in every version.
        let text = format!("{name}\0{backend}\0{driver}\0{compute_units}");
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let safe = |char: char| match char.is_ascii_alphanumeric() {
            true => char.to_ascii_lowercase(),
            false => '-',
        };
        let name: String = name.chars().take(40).map(safe).collect();
        format!("{name}-{backend}-{hash:016x}.json")
    }
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
        let key = Key::new(device);
        let path = self.folder.join(key.file());
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
            device: Key::new(device),
            measured: now.as_secs(),
            peaks: *peaks,
        };
        let mut text = serde_json::to_vec_pretty(&entry)?;
        text.push(b'\n');
        fs::create_dir_all(&self.folder)?;
        files::replace(&self.folder.join(entry.device.file()), &text)
    }
}

/// What the file holds, if there is one.
fn read(path: &Path, key: &Key) -> io::Result<Option<Peaks>> {
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
