//! What every version of the format has: magic bytes, version, and sections with lengths and checksums.

use xxhash_rust::xxh3::xxh3_64;

use crate::graph::file::GraphFileError;
use crate::graph::file::cursor::Cursor;

pub(super) const MAGIC: [u8; 8] = *b"DACAPOGR";
const VERSION: u32 = 1;

/// The sections in their order; their kinds count from 1.
pub(super) const SECTIONS: [&str; 7] = [
    "the graph's section",
    "the kernels' section",
    "the buffers' section",
    "the scopes' section",
    "the nodes' section",
    "the discards' section",
    "the contents' section",
];

/// A section for each of [`SECTIONS`].
pub(super) type Sections<T> = [T; SECTIONS.len()];

/// Takes a file apart.
pub(super) fn open(bytes: &[u8]) -> Result<Sections<Cursor<'_>>, GraphFileError> {
    let mut cursor = Cursor::new(bytes, 0);
    let found = cursor.take(cursor.left().min(MAGIC.len() as u64), "the magic bytes")?;
    if found != MAGIC {
        let found = found.to_vec();
        return Err(GraphFileError::NotAGraph { found });
    }
    let found = cursor.u32("the version")?;
    if found != VERSION {
        let known = VERSION;
        return Err(GraphFileError::Version { found, known });
    }
    let mut table = [(0, 0); SECTIONS.len()];
    for (index, entry) in table.iter_mut().enumerate() {
        let (found, expected) = (cursor.u32("a section's kind")?, index as u32 + 1);
        if found != expected {
            return Err(GraphFileError::Section {
                index,
                found,
                expected,
            });
        }
        *entry = (
            cursor.u64("a section's length")?,
            cursor.u64("a section's checksum")?,
        );
    }
    let head = &bytes[..cursor.at() as usize];
    check(head, cursor.u64("the header's checksum")?, "the header")?;
    let mut sections = SECTIONS.map(|_| Cursor::new(&[], 0));
    for ((section, (len, checksum)), what) in sections.iter_mut().zip(table).zip(SECTIONS) {
        let at = cursor.at();
        let content = cursor.take(len, what)?;
        check(content, checksum, what)?;
        *section = Cursor::new(content, at);
    }
    cursor.finish("the file")?;
    Ok(sections)
}

fn check(bytes: &[u8], checksum: u64, what: &'static str) -> Result<(), GraphFileError> {
    // A fuzzer would find no way past checksums.
    match xxh3_64(bytes) == checksum || cfg!(fuzzing) {
        true => Ok(()),
        false => Err(GraphFileError::Checksum { what }),
    }
}

/// Puts a file together.
pub(super) fn close(sections: &Sections<Vec<u8>>) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    for (kind, content) in (1u32..).zip(sections) {
        file.extend(kind.to_le_bytes());
        file.extend((content.len() as u64).to_le_bytes());
        file.extend(xxh3_64(content).to_le_bytes());
    }
    file.extend(xxh3_64(&file).to_le_bytes());
    sections.iter().for_each(|content| file.extend(content));
    file
}
