//! What programs are made ready for, and what they should give.

use super::Op;
use super::meaning::Memory;

pub fn without_splits(program: &[Op]) -> Vec<Op> {
    let ops = program.iter().filter(|op| !matches!(op, Op::Split));
    ops.cloned().collect()
}

/// What the spaces that outlive a program hold after so many runs of it.
pub fn expected(program: &[Op], times: usize) -> Vec<Vec<u8>> {
    let mut memory = Memory::initial();
    for _ in 0..times {
        memory.run(program);
    }
    memory.kept().into_iter().map(<[u8]>::to_vec).collect()
}
