//! The memory that reading a GGUF header takes, whatever the file claims.

#[path = "common/peak_memory.rs"]
mod peak_memory;

use dacapo_llm::gguf::GgufHeader;
use peak_memory::peak_of;

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
        let (peak, valid) = peak_of(|| GgufHeader::parse(&bytes).is_ok());
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
