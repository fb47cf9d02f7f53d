//! What a program does, one operation after the other: nothing of the runtime is used here.

use std::collections::HashMap;

use super::{
    CHUNK, Call, DATA_BYTES, DATA_SPACES, GRID_SPACE, GRIDS, Kind, Op, Size, Span, digest,
    grid_from, mixed,
};

/// The contents of every space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory(HashMap<usize, Vec<u8>>);

impl Memory {
    pub fn initial() -> Memory {
        let mut spaces = HashMap::new();
        for space in 0..DATA_SPACES {
            let bytes = (0..DATA_BYTES).map(|at| (at * 37 + space * 101) as u8);
            spaces.insert(space, bytes.collect());
        }
        let grids = (0..GRIDS as u32).flat_map(|grid| [3 + grid, 1, 1]);
        let grids = grids.flat_map(u32::to_ne_bytes).collect();
        spaces.insert(GRID_SPACE, grids);
        Memory(spaces)
    }

    pub fn set(&mut self, space: usize, bytes: Vec<u8>) {
        self.0.insert(space, bytes);
    }

    /// The contents of the spaces that outlive a program.
    pub fn kept(&self) -> Vec<&[u8]> {
        (0..=GRID_SPACE).map(|space| &self.0[&space][..]).collect()
    }

    fn get(&self, span: &Span) -> &[u8] {
        &self.0[&span.space][span.bytes.clone()]
    }

    fn get_mut(&mut self, span: &Span) -> &mut [u8] {
        let space = self.0.get_mut(&span.space).expect("a live space");
        &mut space[span.bytes.clone()]
    }

    pub fn run(&mut self, program: &[Op]) {
        for op in program {
            self.step(op);
        }
    }

    pub fn step(&mut self, op: &Op) {
        match op {
            Op::Call(call) => self.call(call),
            Op::Allocate { space, len, fill } => {
                self.0.insert(*space, vec![*fill; *len]);
            }
            Op::Refused(_)
            | Op::Barrier
            | Op::Push(_)
            | Op::Pop
            | Op::Release(_)
            | Op::Reset
            | Op::Split => {}
        }
    }

    pub fn call(&mut self, call: &Call) {
        let args = &call.args;
        match call.kind {
            Kind::Copy => {
                let bytes = self.get(&args[0]).to_vec();
                self.get_mut(&args[1]).copy_from_slice(&bytes);
            }
            Kind::Fill => self.get_mut(&args[0]).fill(call.seed as u8),
            Kind::SetGrid => {
                let grid = grid_from(digest(self.get(&args[0])) ^ call.seed);
                let bytes: Vec<u8> = grid.into_iter().flat_map(u32::to_ne_bytes).collect();
                self.get_mut(&args[1]).copy_from_slice(&bytes);
            }
            kind => {
                let groups = self.groups(call);
                let mut inputs = 0u32;
                for (arg, (_, writes)) in args.iter().zip(kind.uses()) {
                    if !writes {
                        inputs = inputs.rotate_left(5) ^ digest(self.get(arg));
                    }
                }
                for (arg, (reads, writes)) in args.iter().zip(kind.uses()) {
                    if !writes {
                        continue;
                    }
                    let output = self.get_mut(arg).iter_mut().enumerate();
                    for (at, byte) in output.take(groups.saturating_mul(CHUNK)) {
                        *byte = mixed(call.seed, at, inputs, if *reads { *byte } else { 0 });
                    }
                }
            }
        }
    }

    fn groups(&self, call: &Call) -> usize {
        match call.size {
            Size::Threads => usize::MAX,
            Size::Groups(groups) => groups as usize,
            Size::Indirect(place) => {
                let grid = &self.0[&GRID_SPACE][place * 12..place * 12 + 12];
                let axis = |at: usize| u32::from_ne_bytes(grid[at..at + 4].try_into().unwrap());
                (axis(0) * axis(4) * axis(8)) as usize
            }
        }
    }
}
