//! Random programs: what they are, and what they mean.

pub mod cases;
pub mod fusing;
mod kernels;
pub mod meaning;
pub mod oracle;
pub mod patched;
pub mod patches;
pub mod planned;
pub mod play;
pub mod random;

use std::ops::Range;

/// Buffers that programs write anything to; the space after them holds indirect grids, those after it are
/// blocks of a pool.
pub const DATA_SPACES: usize = 3;
pub const GRID_SPACE: usize = DATA_SPACES;
pub const DATA_BYTES: usize = 160;
pub const GRIDS: usize = 3;
/// Bytes of each output that one workgroup writes.
pub const CHUNK: usize = 16;

/// What a dispatch computes; its arguments are in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two inputs, one output.
    Mix,
    /// One input, one output.
    Map,
    /// One input, one updated in place.
    Blend,
    /// One updated in place.
    InPlace,
    /// One input, two outputs.
    Two,
    /// As `Map`, declared as touching anything.
    Wild,
    /// One input, one indirect grid written.
    SetGrid,
    Copy,
    Fill,
}

/// How an argument is used: (reads, writes).
pub type Use = (bool, bool);
const R: Use = (true, false);
const W: Use = (false, true);
const RW: Use = (true, true);

impl Kind {
    pub fn uses(self) -> &'static [Use] {
        match self {
            Kind::Mix => &[R, R, W],
            Kind::Map | Kind::Wild | Kind::SetGrid | Kind::Copy => &[R, W],
            Kind::Blend => &[R, RW],
            Kind::InPlace => &[RW],
            Kind::Two => &[R, W, W],
            Kind::Fill => &[W],
        }
    }
}

/// Bytes of a space, and by which detour the view of them is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub space: usize,
    pub bytes: Range<usize>,
    pub detour: Detour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detour {
    Straight,
    /// A view of a view of a view, each one byte longer at both ends where there is room.
    Nested,
    /// A view that begins up to this many bytes earlier, bound with an extra offset.
    Offset(usize),
}

#[derive(Clone, Debug)]
pub enum Size {
    /// As many threads as the longest output has bytes.
    Threads,
    Groups(u32),
    /// The grid at this place of the grid space.
    Indirect(usize),
}

#[derive(Clone, Debug)]
pub struct Call {
    pub kind: Kind,
    pub args: Vec<Span>,
    pub seed: u32,
    pub size: Size,
}

#[derive(Clone, Debug)]
pub enum Op {
    Call(Call),
    /// A dispatch that must be refused because a written argument overlaps another.
    Refused(Call),
    Barrier,
    Push(u8),
    Pop,
    /// Takes a block from the pool and fills all of it with a byte.
    Allocate {
        space: usize,
        len: usize,
        fill: u8,
    },
    Release(usize),
    Reset,
    /// The encoder is committed and another one opened.
    Split,
}

pub fn overlap(a: &Span, b: &Span) -> bool {
    a.space == b.space && a.bytes.start < b.bytes.end && b.bytes.start < a.bytes.end
}

/// What both the kernels and their meaning are made of.
pub fn digest(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

pub fn mixed(seed: u32, at: usize, inputs: u32, old: u8) -> u8 {
    let x = seed ^ inputs.rotate_left(at as u32 % 31) ^ (u32::from(old) << 8) ^ at as u32;
    (x.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

pub fn grid_from(inputs: u32) -> [u32; 3] {
    [inputs % 7, 1 + inputs / 7 % 2, 1]
}
