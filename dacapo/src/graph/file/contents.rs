//! Contents of buffers, without long runs of zeros.

use std::borrow::Cow;

/// Bytes that are stored or left out together.
const BLOCK: usize = 4096;

/// The blocks of `bytes` that are not all zero, neighbours joined, each with its offset.
pub(super) fn extents(bytes: &[u8]) -> Vec<(u64, Cow<'static, [u8]>)> {
    let mut extents: Vec<(u64, Vec<u8>)> = Vec::new();
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        let start = (index * BLOCK) as u64;
        match extents.last_mut() {
            Some((first, joined)) if *first + joined.len() as u64 == start => joined.extend(block),
            _ => extents.push((start, block.to_vec())),
        }
    }
    let extents = extents.into_iter();
    extents
        .map(|(start, bytes)| (start, Cow::Owned(bytes)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_left_out_and_the_rest_comes_back() {
        let mut bytes = vec![0; 10 * BLOCK + 5];
        for at in [BLOCK + 7, 2 * BLOCK, 9 * BLOCK - 1, 10 * BLOCK + 4] {
            bytes[at] = at as u8 | 1;
        }
        let extents = extents(&bytes);
        let places: Vec<(u64, usize)> = extents.iter().map(|(at, it)| (*at, it.len())).collect();
        let block = BLOCK as u64;
        assert_eq!(
            places,
            [(block, 2 * BLOCK), (8 * block, BLOCK), (10 * block, 5)]
        );
        let mut back = vec![0; bytes.len()];
        for (at, piece) in &extents {
            back[*at as usize..][..piece.len()].copy_from_slice(piece);
        }
        assert_eq!(back, bytes);
    }
}
