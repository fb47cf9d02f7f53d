//! What buffers begin with.

use std::path::{Path, PathBuf};

use dacapo::BufferView;

use super::layout::{Layout, Number};
use super::scalar::Scalar;
use crate::error::{Error, Result};

/// About how many bytes are written at a time.
const PIECE: u64 = 1 << 20;

/// What a buffer begins with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fill {
    /// Zeros.
    Zero,
    /// Nothing that a kernel may read.
    Unwritten,
    /// Numbers from -1 to 1, or whole ones below 256, from a seed.
    Random(u64),
    /// 0, 1, 2, ...
    Iota,
    /// This word again and again.
    Word([u8; 4]),
    /// The bytes of a file.
    File(PathBuf),
}

const FILLS: &str = "zero, unwritten, random, random:SEED, iota, f32:VALUE, u32:VALUE, file:PATH";

impl Fill {
    /// Reads what the user wrote; paths count from `folder`.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Fill, String> {
        let (word, value) = match text.split_once(':') {
            Some((word, value)) => (word, Some(value)),
            None => (text, None),
        };
        let bad = |_: &dyn core::fmt::Debug| format!("fill {text:?}; allowed: {FILLS}");
        Ok(match (word, value) {
            ("zero", None) => Fill::Zero,
            ("unwritten", None) => Fill::Unwritten,
            ("random", None) => Fill::Random(0),
            ("random", Some(seed)) => Fill::Random(seed.parse().map_err(|e| bad(&e))?),
            ("iota", None) => Fill::Iota,
            ("f32", Some(value)) => {
                let value: f32 = value.parse().map_err(|e| bad(&e))?;
                Fill::Word(value.to_le_bytes())
            }
            ("u32", Some(value)) => {
                let value: u32 = value.parse().map_err(|e| bad(&e))?;
                Fill::Word(value.to_le_bytes())
            }
            ("file", Some(path)) if !path.is_empty() => Fill::File(folder.join(path)),
            _ => return Err(bad(&())),
        })
    }

    /// The length of the file behind it.
    pub(super) fn file_bytes(&self) -> Result<Option<u64>> {
        let Fill::File(path) = self else {
            return Ok(None);
        };
        match std::fs::metadata(path) {
            Ok(file) => Ok(Some(file.len())),
            Err(source) => Err(Error::Read {
                name: path.display().to_string(),
                source,
            }),
        }
    }

    /// Writes it into a buffer.
    pub(super) fn write(&self, view: &BufferView, layout: &Layout) -> Result<()> {
        match self {
            Fill::Unwritten => Ok(()),
            Fill::Zero => in_pieces(view, 1, |_, bytes| bytes.fill(0)),
            Fill::Word(word) => in_pieces(view, 4, |at, bytes| {
                for (byte, at) in bytes.iter_mut().zip(at..) {
                    *byte = word[(at % 4) as usize];
                }
            }),
            Fill::File(path) => {
                let bytes = std::fs::read(path).map_err(|source| Error::Read {
                    name: path.display().to_string(),
                    source,
                })?;
                let len = bytes.len().min(view.len() as usize);
                match len {
                    0 => Ok(()),
                    _ => Ok(view.slice(..len as u64)?.write(&bytes[..len])?),
                }
            }
            Fill::Iota => numbers(view, layout, Scalar::whole),
            Fill::Random(seed) => numbers(view, layout, |scalar, index| {
                let random = mixed(*seed ^ u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                match scalar.is_float() {
                    // All of it fits into f16, too.
                    true => fraction((random >> 53) as f32 / 1024.0 - 1.0, scalar),
                    false => scalar.whole((random >> 56) as u32),
                }
            }),
        }
    }
}

fn fraction(value: f32, scalar: Scalar) -> Vec<u8> {
    match scalar {
        Scalar::F16 => half::f16::from_f32(value).to_le_bytes().into(),
        _ => value.to_le_bytes().into(),
    }
}

/// SplitMix64's last step.
fn mixed(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Writes numbers by their index: first those of the head, then those of the elements. Gaps between them are zeros.
fn numbers(
    view: &BufferView,
    layout: &Layout,
    mut make: impl FnMut(Scalar, u32) -> Vec<u8>,
) -> Result<()> {
    let head_bytes = layout.head_bytes.min(view.len());
    let mut index = 0;
    let mut put = |bytes: &mut [u8], base: u64, numbers: &[Number]| {
        for number in numbers {
            let value = make(number.scalar, index);
            index = index.wrapping_add(1);
            let at = (base + number.at) as usize;
            if let Some(place) = bytes.get_mut(at..at + value.len()) {
                place.copy_from_slice(&value);
            }
        }
    };
    if head_bytes > 0 {
        let mut head = vec![0; head_bytes as usize];
        put(&mut head, 0, &layout.head);
        view.slice(..head_bytes)?.write(&head)?;
    }
    if head_bytes == view.len() {
        return Ok(());
    }
    let words = [Number {
        at: 0,
        scalar: Scalar::U32,
    }];
    let (stride, element) = match layout.stride {
        0 => (4, &words[..]),
        stride => (stride, &layout.element[..]),
    };
    in_pieces(&view.slice(head_bytes..)?, stride, |_, bytes| {
        for at in (0..bytes.len() as u64).step_by(stride as usize) {
            put(bytes, at, element);
        }
    })
}

/// Writes a buffer in pieces that are made of whole elements, but for the last one.
fn in_pieces(view: &BufferView, stride: u64, mut make: impl FnMut(u64, &mut [u8])) -> Result<()> {
    let piece = (PIECE / stride).max(1) * stride;
    let mut at = 0;
    while at < view.len() {
        let len = piece.min(view.len() - at);
        let mut bytes = vec![0; len as usize];
        make(at, &mut bytes);
        view.slice(at..at + len)?.write(&bytes)?;
        at += len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_have_names() {
        let parse = |text| Fill::parse(text, Path::new("/a"));
        assert_eq!(parse("zero"), Ok(Fill::Zero));
        assert_eq!(parse("random"), Ok(Fill::Random(0)));
        assert_eq!(parse("random:7"), Ok(Fill::Random(7)));
        assert_eq!(parse("f32:1"), Ok(Fill::Word([0, 0, 0x80, 0x3f])));
        assert_eq!(parse("u32:258"), Ok(Fill::Word([2, 1, 0, 0])));
        assert_eq!(parse("file:b.bin"), Ok(Fill::File("/a/b.bin".into())));
        for bad in ["", "zeros", "random:x", "u32:-1", "f32", "iota:3", "file:"] {
            let message = parse(bad).unwrap_err();
            assert!(message.contains("file:PATH"), "{message}");
        }
    }
}
