//! Files that several processes share. For the crates of this project only.

use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

/// The ending of files that [`replace`] has not finished.
pub const TEMPORARY: &str = "new";

/// The bytes of a file that has at most so many.
///
/// # Errors
/// Those of the file system, and for what is no file or is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for somebody to write to it.
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::with_capacity(found.len().min(most) as usize);
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other("it is larger than any of ours")),
        false => Ok(bytes),
    }
}

/// Puts a file with these bytes at `path`, whole or not at all.
///
/// # Errors
/// Those of the file system.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_file_name(temporary_name());
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // It may not exist.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A name that no other file has, with the ending of those that are not finished.
pub(crate) fn temporary_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    // Processes of different containers may have the same number.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{process}-{count}-{}.{TEMPORARY}", now.as_nanos())
}
