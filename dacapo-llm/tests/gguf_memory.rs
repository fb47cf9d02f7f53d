//! The memory that reading a GGUF header takes, whatever the file claims: counted by an allocator
//! of this test's own, so the file holds one test.
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dacapo_llm::gguf::GgufHeader;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator with unchanged arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract, and `block` came from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many bytes of memory reading these bytes takes at the most at one time, and whether they
/// are a valid file.
fn peak(bytes: &[u8]) -> (usize, bool) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let valid = GgufHeader::parse(bytes).is_ok();
    (PEAK.load(Relaxed) - before, valid)
}

fn file(tensors: u64, entries: u64, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(tensors.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend(rest);
    bytes
}

/// A file with one array of `count` elements, each of the bytes `element`.
fn array(element_type: u32, count: u64, element: &[u8]) -> Vec<u8> {
    let mut rest = [1u64.to_le_bytes().as_slice(), b"k"].concat();
    rest.extend(9u32.to_le_bytes());
    rest.extend(element_type.to_le_bytes());
    rest.extend(count.to_le_bytes());
    rest.extend(element.repeat(100_000));
    file(0, 1, &rest)
}

#[test]
fn memory_stays_within_a_small_multiple_of_the_file() {
    const COUNT: u64 = 100_000;
    let empty_array = [4u32.to_le_bytes().as_slice(), &[0; 8]].concat();
    let entries: Vec<u8> = (0..COUNT)
        .flat_map(|i| {
            [
                &6u64.to_le_bytes()[..],
                format!("{i:06}").as_bytes(),
                &[0; 5],
            ]
            .concat()
        })
        .collect();
    let tensors: Vec<u8> = (0..COUNT)
        .flat_map(|i| {
            [
                &6u64.to_le_bytes()[..],
                format!("{i:06}").as_bytes(),
                &[0; 16],
            ]
            .concat()
        })
        .collect();
    let files = [
        ("true strings", array(8, COUNT, &[0; 8])),
        ("true arrays", array(9, COUNT, &empty_array)),
        ("true bools", array(7, COUNT, &[1])),
        ("claimed strings", array(8, u64::MAX, &[0; 8])),
        ("claimed arrays", array(9, u64::MAX / 12, &empty_array)),
        ("claimed floats", array(6, 1 << 40, &[0; 4])),
        ("true entries", file(0, COUNT, &entries)),
        ("claimed entries", file(0, u64::MAX, &entries)),
        ("tensors", file(COUNT, 0, &tensors)),
        ("claimed tensors", file(u64::MAX, 0, &tensors)),
    ];
    for (what, bytes) in files {
        let (peak, valid) = peak(&bytes);
        assert_eq!(valid, what.starts_with("true"), "{what}");
        assert!(
            peak <= 12 * bytes.len() + 4096,
            "{what}: {peak} for {} bytes",
            bytes.len()
        );
        if what.starts_with("claimed") {
            assert!(peak <= 4096, "{what}: {peak} bytes");
        }
    }
}
