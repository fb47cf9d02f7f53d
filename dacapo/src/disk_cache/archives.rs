//! Files of the cache that drivers write and read by themselves, so that nothing of ours can stand in front of their
//! content: its hash is in the file's name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xxhash_rust::xxh3::xxh3_128;

use super::{DiskCache, Key, MAX_FILE};
use crate::files;

const EXTENSION: &str = "archive";

/// Archives of one key, and of all; the oldest go when there are more.
const MAX_OF_KEY: usize = 16;
const MAX_OF_ALL: usize = 64;

impl DiskCache {
    /// Whether there is a folder at all.
    pub(crate) fn is_kept(&self) -> bool {
        self.folder.is_some()
    }

    /// The archives of this key that are as they were written, oldest first. Those that are not are removed.
    pub(crate) fn archives(&self, key: Key) -> Vec<PathBuf> {
        let Some(folder) = &self.folder else {
            return Vec::new();
        };
        let mut found = listed(folder);
        found.retain(|(_, path)| belongs_to(path, key));
        let (sound, damaged): (Vec<_>, Vec<_>) = found
            .into_iter()
            .map(|(_, path)| path)
            .partition(|path| is_sound(path, key));
        for path in damaged {
            tracing::debug!(path = %path.display(), "removing a cache file: it is damaged");
            remove(&path);
        }
        sound
    }

    /// Has an archive of this key written at a path, and gives it its name. `None` where that fails.
    pub(crate) fn store_archive(
        &self,
        key: Key,
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        self.prepare(folder);
        let temporary = folder.join(files::temporary_name());
        let stored = write(&temporary)
            .and_then(|()| files::read(&temporary, MAX_FILE))
            .and_then(|bytes| {
                let path = folder.join(name(key, &bytes));
                fs::rename(&temporary, &path).map(|()| path)
            });
        match stored {
            Ok(path) => {
                thin_out(folder, key);
                Some(path)
            }
            Err(error) => {
                // It may not exist.
                remove(&temporary);
                self.complain(folder, &error);
                None
            }
        }
    }
}

fn name(key: Key, bytes: &[u8]) -> String {
    format!("{:032x}-{:032x}.{EXTENSION}", key.0, xxh3_128(bytes))
}

fn belongs_to(path: &Path, key: Key) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(&format!("{:032x}-", key.0)))
}

fn is_sound(path: &Path, key: Key) -> bool {
    files::read(path, MAX_FILE).is_ok_and(|bytes| path.ends_with(name(key, &bytes)))
}

/// All archives in the folder and when they were written, oldest first.
fn listed(folder: &Path) -> Vec<(SystemTime, PathBuf)> {
    let Ok(found) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut archives: Vec<_> = found
        .flatten()
        .filter_map(|file| {
            let path = file.path();
            let is_archive = path.extension().is_some_and(|found| found == EXTENSION);
            let written = file.metadata().and_then(|found| found.modified()).ok()?;
            is_archive.then_some((written, path))
        })
        .collect();
    archives.sort();
    archives
}

fn thin_out(folder: &Path, key: Key) {
    let all = listed(folder);
    let of_key: Vec<_> = all
        .iter()
        .filter(|(_, path)| belongs_to(path, key))
        .collect();
    for (_, path) in &of_key[..of_key.len().saturating_sub(MAX_OF_KEY)] {
        remove(path);
    }
    for (_, path) in &all[..all.len().saturating_sub(MAX_OF_ALL)] {
        remove(path);
    }
}

/// Another process may have been quicker, and what cannot be removed does no harm.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::disk_cache::{KeyBuilder, scratch_folder};

    fn key(name: &str) -> Key {
        KeyBuilder::new(name, 1).finish()
    }

    fn store(cache: &DiskCache, name: &str, content: &str) -> PathBuf {
        let path = cache.store_archive(key(name), |path| fs::write(path, content));
        path.unwrap()
    }

    fn contents(cache: &DiskCache, name: &str) -> Vec<String> {
        let paths = cache.archives(key(name)).into_iter();
        paths
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    }

    #[test]
    fn archives_come_back_by_key() {
        let folder = scratch_folder();
        let cache = DiskCache::open(Some(&folder));
        assert!(cache.is_kept());
        assert!(cache.archives(key("a")).is_empty());
        let first = store(&cache, "a", "one");
        store(&cache, "b", "other");
        store(&cache, "a", "two");
        assert_eq!(store(&cache, "a", "one"), first);
        let mut found = contents(&cache, "a");
        found.sort();
        assert_eq!(found, ["one", "two"]);
        assert_eq!(contents(&DiskCache::open(Some(&folder)), "b"), ["other"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn damaged_archives_are_removed() {
        let folder = scratch_folder();
        let cache = DiskCache::open(Some(&folder));
        let path = store(&cache, "a", "one");
        for damage in ["", "on", "one!", "xne"] {
            fs::write(&path, damage).unwrap();
            assert!(cache.archives(key("a")).is_empty());
            assert!(!path.exists());
            store(&cache, "a", "one");
            assert_eq!(contents(&cache, "a"), ["one"]);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn old_archives_make_room() {
        let folder = scratch_folder();
        let cache = DiskCache::open(Some(&folder));
        for number in 0..MAX_OF_KEY {
            let path = store(&cache, "a", &number.to_string());
            let age = Duration::from_secs(1000 - number as u64);
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        store(&cache, "a", "new");
        let mut left: Vec<_> = (1..MAX_OF_KEY).map(|number| number.to_string()).collect();
        left.push("new".to_owned());
        assert_eq!(contents(&cache, "a"), left);
        for number in 0..MAX_OF_ALL {
            store(&cache, &format!("b{number}"), "other");
        }
        assert_eq!(listed(&folder).len(), MAX_OF_ALL);
        assert!(contents(&cache, "a").is_empty());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = scratch_folder();
        let cache = DiskCache::open(Some(&folder));
        let failed = cache.store_archive(key("a"), |path| {
            fs::write(path, "half")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed, None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        let off = DiskCache::open(None);
        assert!(!off.is_kept());
        let stored = off.store_archive(key("a"), |_| panic!("there is no folder"));
        assert_eq!(stored, None);
        fs::remove_dir_all(folder).unwrap();
    }
}
