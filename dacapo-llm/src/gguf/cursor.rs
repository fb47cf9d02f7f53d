//! A bounds-checked reader of little-endian values.

use super::GgufError;

/// Reads a byte slice from front to back.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, rest: bytes }
    }

    /// The offset of the next byte.
    pub(super) fn at(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes; `what` names them in the error.
    pub(super) fn take(&mut self, count: u64, what: &'static str) -> Result<&'a [u8], GgufError> {
        let split = usize::try_from(count)
            .ok()
            .and_then(|count| self.rest.split_at_checked(count));
        let Some((taken, rest)) = split else {
            return Err(GgufError::Truncated {
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
    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], GgufError> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(GgufError::Truncated {
                what,
                at: self.at(),
                needed: N as u64,
                left: self.left(),
            });
        };
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A string with its length in front.
    pub(super) fn string(&mut self, what: &'static str) -> Result<&'a str, GgufError> {
        let at = self.at();
        let len = self.u64(what)?;
        let bytes = self.take(len, what)?;
        str::from_utf8(bytes).map_err(|_| GgufError::Utf8 { what, at })
    }

    /// A non-empty string of at most `limit` bytes.
    pub(super) fn name(&mut self, what: &'static str, limit: usize) -> Result<&'a str, GgufError> {
        let at = self.at();
        let name = self.string(what)?;
        if name.is_empty() || name.len() > limit {
            return Err(GgufError::NameLength {
                what,
                at,
                found: name.len(),
                limit,
            });
        }
        Ok(name)
    }

    /// A count of things of which each takes at least `min_bytes` of what follows.
    pub(super) fn count(
        &mut self,
        what: &'static str,
        min_bytes: usize,
        limit: u64,
    ) -> Result<u64, GgufError> {
        let found = self.u64(what)?;
        let limit = limit.min((self.left() / min_bytes) as u64);
        if found > limit {
            return Err(GgufError::Count { what, found, limit });
        }
        Ok(found)
    }
}
