//! Metal's shading language on the processor: texts are checked and compiled by clang, kernels
//! run one threadgroup at a time with a fiber for every thread that has to wait for others.
#![allow(
    unsafe_code,
    reason = "kernels are machine code that gets raw memory; stacks are switched by hand"
)]

mod abi;
mod arena;
mod compiler;
mod fiber;
mod library;
mod object;
mod order;
mod run;
mod schedule;
mod shim;
mod source;
mod state;
mod watchdog;

pub use library::{Function, FunctionInfo, Library};
pub use source::FunctionConstant;

/// How a text is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompileOptions {
    /// Version of the language, as (3, 1).
    pub language: (u32, u32),
    /// Allowed to be imprecise. The double computes precisely either way.
    pub fast_math: bool,
}

/// A value for a function constant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Constant {
    Bool(bool),
    Char(i8),
    Uchar(u8),
    Short(i16),
    Ushort(u16),
    Int(i32),
    Uint(u32),
    Long(i64),
    Ulong(u64),
    /// Its bits.
    Half(u16),
    /// Its bits.
    Bfloat(u16),
    Float(f32),
}

/// A buffer that a kernel takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferArgument {
    pub index: u32,
    /// Not declared constant or const.
    pub writes: bool,
    /// In the constant address space.
    pub constant: bool,
}

/// Threadgroup memory that a kernel takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadgroupArgument {
    pub index: u32,
    /// What a reference refers to; `None` for a pointer.
    pub bytes: Option<u32>,
}

/// How many threads run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grid {
    pub groups: [u32; 3],
    pub threads_per_group: [u32; 3],
    /// All threads, where threadgroups at the edge may be smaller (`dispatchThreads`).
    pub threads: Option<[u32; 3]>,
}

impl Grid {
    fn threads(&self) -> [u32; 3] {
        let whole = std::array::from_fn(|at| self.groups[at] * self.threads_per_group[at]);
        self.threads.unwrap_or(whole)
    }

    fn threads_of_group(&self, group: [u32; 3]) -> [u32; 3] {
        let threads = self.threads();
        std::array::from_fn(|at| {
            let size = self.threads_per_group[at];
            size.min(threads[at].saturating_sub(group[at] * size))
        })
    }
}

/// What a kernel gets.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    pub buffers: [*mut u8; 31],
    /// Bytes of threadgroup memory by index.
    pub threadgroup: [usize; 31],
}

/// Is told of every access to memory that is not the kernel's own stack or threadgroup memory.
pub trait Watch {
    /// `len` bytes at `address` are about to be read, or written.
    fn access(&mut self, address: usize, len: usize, write: bool, atomic: bool);
}
