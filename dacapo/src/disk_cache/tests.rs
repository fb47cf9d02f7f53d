use core::sync::atomic::AtomicU64;
use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;

/// A folder of this test alone, which does not exist yet.
pub(crate) fn scratch_folder() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        "dacapo-disk-cache-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    std::env::temp_dir().join(name)
}

fn key(text: &str) -> Key {
    KeyBuilder::new("test", 1).bytes(text.as_bytes()).finish()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    all.sort();
    all
}

#[test]
fn entries_come_back_in_another_process() {
    let folder = scratch_folder();
    let first = DiskCache::open(Some(&folder));
    assert_eq!(first.load(key("a")), None);
    assert!(!folder.exists(), "made before it is needed");
    first.store(key("a"), b"hello");
    first.store(key("b"), b"");
    let second = DiskCache::open(Some(&folder));
    assert_eq!(second.load(key("a")).as_deref(), Some(&b"hello"[..]));
    assert_eq!(second.load(key("b")).as_deref(), Some(&b""[..]));
    assert_eq!(second.load(key("c")), None);
    second.store(key("a"), b"changed");
    assert_eq!(first.load(key("a")).as_deref(), Some(&b"changed"[..]));
    assert_eq!(files(&folder).len(), 2);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn no_folder_keeps_nothing() {
    let cache = DiskCache::open(None);
    cache.store(key("a"), b"hello");
    assert_eq!(cache.load(key("a")), None);
}

#[test]
fn keys_keep_their_parts_apart() {
    let two = |a: &str, b: &str| {
        KeyBuilder::new("test", 1)
            .bytes(a.as_bytes())
            .bytes(b.as_bytes())
            .finish()
    };
    assert_ne!(two("ab", "c"), two("a", "bc"));
    assert_ne!(key("a"), KeyBuilder::new("test", 2).bytes(b"a").finish());
    assert_ne!(key("a"), KeyBuilder::new("tests", 1).bytes(b"a").finish());
}

/// Every way to damage a file makes it unusable, and the next store repairs it.
#[test]
fn damaged_files_are_replaced() {
    let folder = scratch_folder();
    let cache = DiskCache::open(Some(&folder));
    cache.store(key("a"), b"the entry");
    let path = files(&folder).remove(0);
    let good = fs::read(&path).unwrap();
    let other = frame::seal(key("b"), b"the entry");
    let mut newer = good.clone();
    newer[8] += 1;
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let damaged = [
        Vec::new(),
        b"something else altogether, which is longer than a header is".to_vec(),
        good[..frame::HEADER - 1].to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good[..], b"x"].concat(),
        other,
        newer,
        flipped,
    ];
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(cache.load(key("a")), None, "{bytes:?}");
        cache.store(key("a"), b"the entry");
        assert_eq!(cache.load(key("a")).as_deref(), Some(&b"the entry"[..]));
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn oversized_files_and_folders_in_the_way_are_ignored() {
    let folder = scratch_folder();
    let cache = DiskCache::open(Some(&folder));
    cache.store(key("a"), b"hello");
    let path = files(&folder).remove(0);
    // Sparse: takes no space.
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    assert_eq!(cache.load(key("a")), None);
    cache.store(key("a"), b"hello");
    assert!(cache.load(key("a")).is_some());

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(cache.load(key("a")), None);
    cache.store(key("a"), b"hello");
    assert_eq!(cache.load(key("a")), None);
    assert!(cache.complained.load(Ordering::Relaxed));
    assert_eq!(files(&folder), [path], "a half-written file stays");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_costs_the_cache_alone() {
    let blocked = scratch_folder();
    fs::write(&blocked, "a file where the folder should be").unwrap();
    let cache = DiskCache::open(Some(&blocked.join("kernels")));
    for _ in 0..2 {
        cache.store(key("a"), b"hello");
        assert_eq!(cache.load(key("a")), None);
    }
    assert!(cache.complained.load(Ordering::Relaxed));
    fs::remove_file(blocked).unwrap();
}

#[test]
fn the_folder_does_not_grow_without_end() {
    let folder = scratch_folder();
    let cache = DiskCache::open(Some(&folder));
    for n in 0..9 {
        cache.store(key(&n.to_string()), b"hello");
    }
    let dead = folder.join("1-2-3.new");
    let fresh = folder.join("1-2-4.new");
    fs::write(&fresh, "").unwrap();
    let file = File::create(&dead).unwrap();
    file.set_modified(SystemTime::now() - 2 * ABANDONED)
        .unwrap();
    let oldest = cache.path(key("5")).unwrap();
    let file = File::options().write(true).open(&oldest).unwrap();
    file.set_modified(SystemTime::now() - ABANDONED).unwrap();
    fs::write(folder.join("README"), "not ours").unwrap();

    sweep(&folder, 9);
    assert_eq!(files(&folder).len(), 9 + 2, "only the abandoned file goes");
    assert!(!dead.exists() && fresh.exists());
    sweep(&folder, 8);
    assert_eq!(files(&folder).len(), 4 + 2);
    assert!(!oldest.exists());
    fs::remove_dir_all(folder).unwrap();
}

/// Readers see one of the entries that writers store, whole, however many there are.
#[test]
fn threads_share_the_folder() {
    let folder = scratch_folder();
    let caches: Vec<_> = (0..4)
        .map(|_| Arc::new(DiskCache::open(Some(&folder))))
        .collect();
    let entry = |writer: u8| vec![writer; 20_000 + usize::from(writer)];
    caches[0].store(key("shared"), &entry(0));
    let threads: Vec<_> = (0..8u8)
        .map(|n| {
            let cache = caches[usize::from(n) % 4].clone();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    cache.store(key("shared"), &entry(n));
                    let found = cache.load(key("shared")).expect("there is always an entry");
                    assert_eq!(found, entry(found[0]));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(files(&folder).len(), 1);
    assert!(
        !caches
            .iter()
            .any(|cache| cache.complained.load(Ordering::Relaxed))
    );
    fs::remove_dir_all(folder).unwrap();
}

proptest! {
    #[test]
    fn no_other_file_passes_for_an_entry(
        entry in prop::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        change in 1u8..,
        cut in any::<prop::sample::Index>(),
    ) {
        let file = frame::seal(key("a"), &entry);
        prop_assert_eq!(frame::unseal(key("a"), &file), Ok(&entry[..]));
        let mut changed = file.clone();
        changed[at.index(file.len())] ^= change;
        prop_assert!(frame::unseal(key("a"), &changed).is_err());
        prop_assert!(frame::unseal(key("a"), &file[..cut.index(file.len())]).is_err());
        prop_assert!(frame::unseal(key("a"), &entry).is_err());
    }
}
