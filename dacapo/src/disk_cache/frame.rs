//! What surrounds an entry in its file, so that anything else is told from it.

use xxhash_rust::xxh3::xxh3_64;

use super::Key;

const MAGIC: [u8; 8] = *b"dacapo\0c";

/// Changes with the layout of the header. What an entry holds has its version in the entry's key.
pub(super) const FORMAT: u32 = 1;

/// Magic, format, bytes of the entry, its key, and a checksum of it.
pub(super) const HEADER: usize = 8 + 4 + 8 + 16 + 8;

/// The file of an entry.
pub(super) fn seal(key: Key, entry: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER + entry.len());
    file.extend(MAGIC);
    file.extend(FORMAT.to_le_bytes());
    file.extend((entry.len() as u64).to_le_bytes());
    file.extend(key.0.to_le_bytes());
    file.extend(xxh3_64(entry).to_le_bytes());
    file.extend_from_slice(entry);
    file
}

/// The entry in a file, or why the file is not one of `key`.
pub(super) fn unseal(key: Key, file: &[u8]) -> Result<&[u8], &'static str> {
    let (header, entry) = file
        .split_at_checked(HEADER)
        .ok_or("it is shorter than a header")?;
    let mut rest = header;
    let mut field = |bytes: usize| {
        let (field, after) = rest.split_at(bytes);
        rest = after;
        field
    };
    if field(8) != MAGIC {
        return Err("it is no cache file");
    }
    if field(4) != FORMAT.to_le_bytes() {
        return Err("it has another format version");
    }
    if field(8) != (entry.len() as u64).to_le_bytes() {
        return Err("it is cut short, or longer than it says");
    }
    if field(16) != key.0.to_le_bytes() {
        return Err("it belongs to something else");
    }
    if field(8) != xxh3_64(entry).to_le_bytes() {
        return Err("its checksum does not match");
    }
    Ok(entry)
}
