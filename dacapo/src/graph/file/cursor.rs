//! A bounds-checked reader of little-endian values.

use crate::graph::file::GraphFileError;

/// Reads a part of a file from front to back.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    /// Where `rest` ends in the file.
    end: u64,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads `bytes`, which begin at this offset in the file.
    pub(super) fn new(bytes: &'a [u8], offset: u64) -> Cursor<'a> {
        Cursor {
            end: offset + bytes.len() as u64,
            rest: bytes,
        }
    }

    /// The offset of the next byte in the file.
    pub(super) fn at(&self) -> u64 {
        self.end - self.left()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> u64 {
        self.rest.len() as u64
    }

    /// The next `count` bytes; `what` names them in the error.
    pub(super) fn take(
        &mut self,
        count: u64,
        what: &'static str,
    ) -> Result<&'a [u8], GraphFileError> {
        let split = usize::try_from(count)
            .ok()
            .and_then(|count| self.rest.split_at_checked(count));
        let Some((taken, rest)) = split else {
            return Err(GraphFileError::Truncated {
                what,
                at: self.at(),
                needed: count,
                left: self.left(),
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GraphFileError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N as u64, what)?);
        Ok(bytes)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, GraphFileError> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, GraphFileError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, GraphFileError> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(super) fn axes(&mut self, what: &'static str) -> Result<[u32; 3], GraphFileError> {
        Ok([self.u32(what)?, self.u32(what)?, self.u32(what)?])
    }

    /// A byte that is 0 or 1.
    pub(super) fn bool(&mut self, what: &'static str) -> Result<bool, GraphFileError> {
        self.tag(what, &[false, true], "0 and 1")
    }

    /// A byte that stands for one of `values`.
    pub(super) fn tag<T: Copy>(
        &mut self,
        what: &'static str,
        values: &[T],
        allowed: &'static str,
    ) -> Result<T, GraphFileError> {
        let at = self.at();
        let found = self.u8(what)?;
        match values.get(usize::from(found)) {
            Some(value) => Ok(*value),
            None => Err(GraphFileError::Tag {
                what,
                at,
                found: found.into(),
                allowed,
            }),
        }
    }

    /// Bytes with their number in front.
    pub(super) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], GraphFileError> {
        let len = self.u32(what)?;
        self.take(len.into(), what)
    }

    /// Text with its length in bytes in front.
    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, GraphFileError> {
        let at = self.at();
        let bytes = self.bytes(what)?;
        str::from_utf8(bytes).map_err(|_| GraphFileError::Utf8 { what, at })
    }

    /// A number of things of which each takes at least `min_bytes` of what follows.
    pub(super) fn count(
        &mut self,
        what: &'static str,
        min_bytes: u64,
    ) -> Result<usize, GraphFileError> {
        let found = u64::from(self.u32(what)?);
        let limit = self.left() / min_bytes;
        match found <= limit {
            true => Ok(found as usize),
            false => Err(GraphFileError::Count { what, found, limit }),
        }
    }

    /// A number below `count`.
    pub(super) fn index(
        &mut self,
        what: &'static str,
        count: usize,
    ) -> Result<u32, GraphFileError> {
        let at = self.at();
        let found = self.u32(what)?;
        match (found as usize) < count {
            true => Ok(found),
            false => Err(GraphFileError::Index {
                what,
                at,
                found,
                count,
            }),
        }
    }

    /// Makes sure that nothing is left.
    pub(super) fn finish(self, what: &'static str) -> Result<(), GraphFileError> {
        let (at, left) = (self.at(), self.left());
        match left {
            0 => Ok(()),
            left => Err(GraphFileError::Trailing { what, at, left }),
        }
    }
}
