//! The memory that all interval maps of one tracker share and keep across barriers.

use super::chunk::Chunk;

/// The chunks of one map in ascending order, and where each ends.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The end of the last segment of each chunk.
    pub(super) ends: Vec<u64>,
    /// The chunks, by their place in the arena.
    pub(super) chunks: Vec<u32>,
}

/// Chunks and directories, handed out in order and taken back all at once.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    chunks_used: usize,
    freed: Vec<u32>,
    directories: Vec<Directory>,
    directories_used: usize,
}

impl Arena {
    /// Takes everything back, in constant time.
    pub(super) fn reset(&mut self) {
        self.chunks_used = 0;
        self.freed.clear();
        self.directories_used = 0;
    }

    /// An empty directory.
    pub(super) fn new_directory(&mut self) -> u32 {
        let at = self.directories_used;
        self.directories_used += 1;
        match self.directories.get_mut(at) {
            Some(directory) => {
                directory.ends.clear();
                directory.chunks.clear();
            }
            None => self.directories.push(Directory::default()),
        }
        at as u32
    }

    /// An empty chunk.
    pub(super) fn new_chunk(&mut self) -> u32 {
        let at = self.freed.pop().unwrap_or_else(|| {
            self.chunks_used += 1;
            (self.chunks_used - 1) as u32
        });
        match self.chunks.get_mut(at as usize) {
            Some(chunk) => chunk.clear(),
            None => self.chunks.push(Chunk::EMPTY),
        }
        at
    }

    pub(super) fn free_chunk(&mut self, at: u32) {
        self.freed.push(at);
    }

    #[inline]
    pub(super) fn chunk(&self, at: u32) -> &Chunk {
        &self.chunks[at as usize]
    }

    #[inline]
    pub(super) fn chunk_mut(&mut self, at: u32) -> &mut Chunk {
        &mut self.chunks[at as usize]
    }

    /// Moves the upper half of a chunk into a new one, which it returns.
    pub(super) fn split_chunk(&mut self, at: u32) -> u32 {
        let new = self.new_chunk();
        if let Ok([lower, upper]) = self.chunks.get_disjoint_mut([at as usize, new as usize]) {
            lower.split_into(upper);
        }
        new
    }

    #[inline]
    pub(super) fn directory(&self, at: u32) -> &Directory {
        &self.directories[at as usize]
    }

    #[inline]
    pub(super) fn directory_mut(&mut self, at: u32) -> &mut Directory {
        &mut self.directories[at as usize]
    }
}

#[cfg(test)]
impl Arena {
    /// Panics unless every chunk handed out is owned by a map or was given back, and none is both.
    pub(super) fn assert_sound(&self, owned: &std::collections::HashSet<u32>) {
        assert_eq!(owned.len() + self.freed.len(), self.chunks_used);
        assert!(self.freed.iter().all(|chunk| !owned.contains(chunk)));
    }
}
