//! Programs through the runtime.
use std::collections::HashMap;

use dacapo::{
    Arg, BufferOptions, BufferPool, BufferView, CommandEncoder, Device, Error, Grid, Kernel,
    MemoryKind, PoolOptions,
};

use super::meaning::Memory;
use super::oracle::{Dispatch, Oracle, Touch};
use super::{Call, Detour, GRID_SPACE, Kind, Op, Size, Span, kernels};

/// A device's kernels for programs.
#[derive(Debug)]
pub struct Player {
    pub device: Device,
    kernels: Vec<(Kind, Kernel)>,
    /// Bytes of memory that stand for one byte of a program.
    cell: usize,
}

/// One run: the buffers of the program, and what the oracle saw.
#[derive(Debug)]
pub struct Run<'p> {
    player: &'p Player,
    spaces: HashMap<usize, BufferView>,
    pool: BufferPool,
    /// Of the encoder that is being filled.
    pub oracle: Oracle,
    /// Puts every barrier that the oracle asks for.
    pub place_barriers: bool,
    /// Puts each dispatch into a scope that is called like its place in `dispatched`.
    pub numbers: bool,
    /// The operation of each dispatch, over all encoders.
    pub dispatched: Vec<Op>,
}

impl Player {
    pub fn new(device: Device) -> Player {
        Player {
            kernels: kernels::compile(&device),
            cell: kernels::cell(&device),
            device,
        }
    }

    pub fn cell(&self) -> usize {
        self.cell
    }

    /// What stands for these bytes of a space in memory.
    pub fn cells(&self, space: usize, bytes: &[u8]) -> Vec<u8> {
        /// What kernels must not look at.
        const REST: u8 = 0xa5;
        let spread = |bytes: &[u8], each: usize| {
            let units = bytes.chunks(each).flat_map(|unit| {
                let rest = self.cell * each - unit.len();
                unit.iter().copied().chain(std::iter::repeat_n(REST, rest))
            });
            units.collect()
        };
        spread(bytes, unit(space))
    }

    /// The bytes of a space that memory stands for.
    pub fn bytes(&self, space: usize, cells: &[u8]) -> Vec<u8> {
        let each = unit(space);
        let units = cells.chunks(self.cell * each);
        units.flat_map(|unit| &unit[..each]).copied().collect()
    }
}

/// The label of a space's buffer.
pub fn label(space: usize) -> String {
    format!("space {space}")
}

/// Bytes that lie next to each other in memory: grids are written and read as they are.
fn unit(space: usize) -> usize {
    match space {
        GRID_SPACE => 12,
        _ => 1,
    }
}

impl Player {
    fn kernel(&self, kind: Kind) -> &Kernel {
        let found = self.kernels.iter().find(|(known, _)| *known == kind);
        &found.expect("copy and fill have no kernel of their own").1
    }
}

impl<'p> Run<'p> {
    pub fn new(player: &'p Player) -> Run<'p> {
        let mut spaces = HashMap::new();
        for (space, bytes) in Memory::initial().kept().into_iter().enumerate() {
            let cells = player.cells(space, bytes);
            let len = cells.len() as u64;
            let (kind, label) = (MemoryKind::DeviceLocal, &*label(space));
            let options = BufferOptions { len, kind, label };
            let buffer = player.device.buffer_with(&options).unwrap();
            buffer.write(&cells).unwrap();
            spaces.insert(space, buffer.slice(..).unwrap());
        }
        let options = PoolOptions {
            slab_bytes: 4096 * player.cell as u64,
            ..PoolOptions::default()
        };
        Run {
            player,
            spaces,
            pool: BufferPool::new(&player.device, options),
            oracle: Oracle::default(),
            place_barriers: false,
            numbers: false,
            dispatched: Vec::new(),
        }
    }

    /// Gives the spaces that outlive the program their first contents again.
    pub fn restart(&self) {
        for (space, bytes) in Memory::initial().kept().into_iter().enumerate() {
            let cells = self.player.cells(space, bytes);
            self.spaces[&space].write(&cells).unwrap();
        }
    }

    /// The contents of the spaces that outlive the program.
    pub fn kept(&self) -> Vec<Vec<u8>> {
        let contents = (0..=GRID_SPACE).map(|space| {
            let cells = self.spaces[&space].read::<u8>().unwrap();
            self.player.bytes(space, &cells)
        });
        contents.collect()
    }

    /// Encodes operations up to the end or to the `Pop` of the scope they are in; gives what follows.
    pub fn encode<'o>(&mut self, mut ops: &'o [Op], encoder: &mut CommandEncoder) -> &'o [Op] {
        while let Some((op, rest)) = ops.split_first() {
            ops = rest;
            match op {
                Op::Call(call) => self.call(op, call, encoder),
                Op::Refused(call) => {
                    let error = self.dispatch(call, encoder).unwrap_err();
                    assert!(error.to_string().contains("overlaps slot"), "{error}");
                }
                Op::Barrier => {
                    encoder.barrier();
                    self.oracle.barrier();
                }
                Op::Push(label) => {
                    let mut scope = encoder.scope(&format!("scope {label}"));
                    ops = self.encode(ops, &mut scope);
                }
                Op::Pop => return ops,
                Op::Allocate { space, len, fill } => {
                    let view = self
                        .pool
                        .allocate((*len * self.player.cell) as u64)
                        .unwrap();
                    self.spaces.insert(*space, view);
                    let call = Call {
                        kind: Kind::Fill,
                        args: vec![Span {
                            space: *space,
                            bytes: 0..*len,
                            detour: Detour::Straight,
                        }],
                        seed: u32::from(*fill),
                        size: Size::Threads,
                    };
                    self.call(op, &call, encoder);
                }
                Op::Release(space) => {
                    let view = self.spaces.remove(space).expect("a live block");
                    self.pool.release(view).unwrap();
                }
                Op::Reset => {
                    self.spaces.retain(|space, _| *space <= GRID_SPACE);
                    self.pool.reset();
                }
                Op::Split => unreachable!("programs are split before they are encoded"),
            }
        }
        ops
    }

    fn call(&mut self, op: &Op, call: &Call, encoder: &mut CommandEncoder) {
        let touches = call.args.iter().zip(call.kind.uses());
        let touches = touches.map(|(span, used)| Touch::new(&self.plain(span), *used));
        let mut touches: Vec<Touch> = touches.collect();
        if let (Size::Indirect(place), false) = (&call.size, is_builtin(call.kind)) {
            touches.push(Touch::new(&self.grid(*place), (true, false)));
        }
        let next = Dispatch {
            touches,
            wild: call.kind == Kind::Wild,
        };
        if self.place_barriers && self.oracle.needs_barrier(&next) {
            encoder.barrier();
        }
        if self.numbers {
            let number = self.dispatched.len().to_string();
            self.dispatch(call, &mut encoder.scope(&number)).unwrap();
        } else {
            self.dispatch(call, encoder).unwrap();
        }
        self.oracle.dispatch(next);
        self.dispatched.push(op.clone());
    }

    pub fn plain(&self, span: &Span) -> BufferView {
        let cell = self.player.cell;
        let (start, end) = (span.bytes.start * cell, span.bytes.end * cell);
        let space = &self.spaces[&span.space];
        space.slice(start as u64..end as u64).unwrap()
    }

    pub fn grid(&self, place: usize) -> BufferView {
        let first = (place * 12 * self.player.cell) as u64;
        self.spaces[&GRID_SPACE].slice(first..first + 12).unwrap()
    }

    /// The view of a span, and the extra offset to bind it with.
    fn view(&self, span: &Span) -> (BufferView, u64) {
        let base = &self.spaces[&span.space];
        let cell = self.player.cell;
        let (start, end) = (span.bytes.start * cell, span.bytes.end * cell);
        let (start, end) = (start as u64, end as u64);
        match span.detour {
            Detour::Straight => (self.plain(span), 0),
            Detour::Offset(offset) => {
                let earlier = start.saturating_sub((offset * cell) as u64);
                (base.slice(earlier..end).unwrap(), start - earlier)
            }
            Detour::Nested => {
                let (outer, outer_end) = (start.saturating_sub(2), (end + 2).min(base.len()));
                let (inner, inner_end) = (start.saturating_sub(1), (end + 1).min(base.len()));
                let view = base.slice(outer..outer_end).unwrap();
                let view = view.slice(inner - outer..inner_end - outer).unwrap();
                (view.slice(start - inner..end - inner).unwrap(), 0)
            }
        }
    }

    fn dispatch(&self, call: &Call, encoder: &mut CommandEncoder) -> Result<(), Error> {
        let views: Vec<(BufferView, u64)> = call.args.iter().map(|span| self.view(span)).collect();
        match call.kind {
            Kind::Copy => {
                return encoder.copy(&self.plain(&call.args[0]), &self.plain(&call.args[1]));
            }
            Kind::Fill => return encoder.fill(&self.plain(&call.args[0]), call.seed as u8),
            _ => {}
        }
        let mut args: Vec<Arg<'_>> = views
            .iter()
            .map(|(view, offset)| Arg::view_at(view, *offset))
            .collect();
        args.push(Arg::bytes(&call.seed));
        if call.seed.is_multiple_of(3) {
            // By name instead of by order.
            for (slot, arg) in args.iter_mut().enumerate() {
                *arg = arg.slot(slot as u32);
            }
            args.reverse();
        }
        let outputs = call.args.iter().zip(call.kind.uses());
        let longest = outputs
            .filter(|(_, (_, writes))| *writes)
            .map(|(span, _)| span.bytes.len() as u32)
            .max();
        let indirect;
        let grid = match call.size {
            Size::Threads => Grid::threads([longest.unwrap_or(1), 1, 1]),
            Size::Groups(groups) => Grid::groups([groups, 1, 1]),
            Size::Indirect(_) if call.kind == Kind::SetGrid => Grid::groups([1, 1, 1]),
            Size::Indirect(place) => {
                indirect = self.grid(place);
                Grid::indirect(&indirect)
            }
        };
        encoder.dispatch(self.player.kernel(call.kind), &args[..], grid)
    }
}

pub fn is_builtin(kind: Kind) -> bool {
    matches!(kind, Kind::Copy | Kind::Fill | Kind::SetGrid)
}
