//! Read-only memory maps of model files.
#![allow(
    unsafe_code,
    reason = "a memory map is sound only while nobody else changes the file, which Rust cannot check"
)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file mapped read-only into memory.
///
/// The map starts at a page boundary, so a tensor's address is as aligned as its offset in the
/// file, up to the page size. It is shared through an [`Arc`](std::sync::Arc), so that a buffer
/// that uses the bytes in place can keep them alive.
///
/// The file must not change while it is mapped: if another process shortens it, the operating
/// system ends this process at the next access behind the new end (as for every program that maps
/// files), and if one overwrites it, the contents change.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    map: memmap2::Mmap,
    /// Whether the bytes are in a file, too.
    in_file: bool,
}

impl MappedFile {
    /// Maps the regular file at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around [`Error::Io`] if the path is not a regular file (opening a pipe
    /// could wait for ever) or cannot be opened or mapped.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = map(path).map_err(|error| Error::from(error).in_file(path))?;
        Ok(Self {
            path: path.to_owned(),
            map,
            in_file: true,
        })
    }

    /// Memory of `len` bytes that `fill` writes once and that is read like a file's from then on. `name` stands for the
    /// path.
    ///
    /// # Errors
    ///
    /// [`Error::InFile`] around [`Error::Io`] if the system has no such memory.
    pub fn in_memory(
        name: impl Into<PathBuf>,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Self> {
        let path = name.into();
        let made = memmap2::MmapMut::map_anon(len).and_then(|mut map| {
            fill(&mut map);
            map.make_read_only()
        });
        match made {
            Ok(map) => Ok(Self {
                path,
                map,
                in_file: false,
            }),
            Err(error) => Err(Error::from(error).in_file(&path)),
        }
    }

    /// The path that was opened, or the name of what is in memory alone.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Tells the system that these bytes are not needed for now: they need not stay in memory, and come from the file
    /// again when somebody reads them. Does nothing for what is in memory alone, for a range outside the file, and where
    /// the system takes no such hint.
    pub fn release(&self, range: Range<usize>) {
        if !self.in_file || self.map.get(range.clone()).is_none_or(<[u8]>::is_empty) {
            return;
        }
        // SAFETY: pages of a shared map of a file that nobody writes hold the same bytes when they are read again.
        #[cfg(unix)]
        let hint = unsafe {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            self.map
                .unchecked_advise_range(advice, range.start, range.len())
        };
        // A hint that is not taken changes nothing.
        #[cfg(unix)]
        drop(hint);
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

fn map(path: &Path) -> io::Result<memmap2::Mmap> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let file = File::open(path)?;
    // SAFETY: the map is private to this type and only ever read. That nobody else changes the
    // file meanwhile is the documented condition of `MappedFile`; no reader in this crate relies
    // on two reads of the same bytes agreeing for its memory safety, since all are bounds-checked
    // against the length of the map, which is fixed.
    unsafe { memmap2::Mmap::map(&file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_folder_are_errors_with_the_path() {
        for path in [Path::new("no/such/file.gguf"), Path::new(".")] {
            let error = MappedFile::open(path).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{}: ", path.display())),
                "{error}"
            );
        }
    }

    #[test]
    fn memory_reads_as_it_was_filled() {
        let made = MappedFile::in_memory("made", 3, |bytes| bytes.copy_from_slice(b"abc")).unwrap();
        assert_eq!(
            (made.path(), made.bytes()),
            (Path::new("made"), &b"abc"[..])
        );
        let error = MappedFile::in_memory("much", usize::MAX, |_| {}).unwrap_err();
        assert!(error.to_string().starts_with("much: "), "{error}");
    }

    #[test]
    fn what_is_released_can_be_read_again() {
        let content: Vec<u8> = (0..100_000u32).map(|i| i as u8 ^ (i >> 8) as u8).collect();
        let path = std::env::temp_dir().join(format!("dacapo-release-{}", std::process::id()));
        std::fs::write(&path, &content).unwrap();
        let mapped = MappedFile::open(&path).unwrap();
        let made = MappedFile::in_memory("made", content.len(), |bytes| {
            bytes.copy_from_slice(&content);
        });
        for file in [&mapped, &made.unwrap()] {
            for range in [0..content.len(), 5000..70_001, 9..9, 99_999..100_001] {
                assert_eq!(file.bytes(), content);
                file.release(range);
                assert_eq!(file.bytes(), content);
            }
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_empty_file_maps_to_no_bytes() {
        let path = std::env::temp_dir().join(format!("dacapo-empty-{}", std::process::id()));
        std::fs::write(&path, []).unwrap();
        let mapped = MappedFile::open(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(mapped.unwrap().bytes().is_empty());
    }
}
