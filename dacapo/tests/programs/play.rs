//! Programs through the runtime.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

use std::collections::HashMap;

use dacapo::{
    Access, Arg, BufferPool, BufferView, CommandEncoder, Device, Error, Grid, Kernel, KernelFault,
    KernelSource, MemoryKind, PoolOptions, Workgroup,
};

use super::meaning::Memory;
use super::oracle::{Dispatch, Oracle, Touch};
use super::{CHUNK, Call, Detour, GRID_SPACE, Kind, Op, Size, Span, digest, grid_from, mixed};

/// A device's kernels for programs.
pub(crate) struct Player {
    pub(crate) device: Device,
    kernels: Vec<(Kind, Kernel)>,
}

/// One run: the buffers of the program, and what the oracle saw.
pub(crate) struct Run<'p> {
    player: &'p Player,
    spaces: HashMap<usize, BufferView>,
    pool: BufferPool,
    /// Of the encoder that is being filled.
    pub(crate) oracle: Oracle,
    /// Puts every barrier that the oracle asks for.
    pub(crate) place_barriers: bool,
    /// The operation of each dispatch, over all encoders.
    pub(crate) dispatched: Vec<Op>,
}

fn outputs_and_inputs(group: &mut Workgroup<'_>, kind: Kind) {
    let mut inputs = 0u32;
    for (slot, (_, writes)) in kind.uses().iter().enumerate() {
        if !writes {
            inputs = inputs.rotate_left(5) ^ digest(group.read::<u8>(slot as u32));
        }
    }
    let ([x, y, z], [gx, gy, _]) = (group.id(), group.groups());
    let first = (x + gx * (y + gy * z)) as usize * CHUNK;
    for (slot, (reads, writes)) in kind.uses().iter().enumerate() {
        let slot = slot as u32;
        let len = group.len::<u8>(slot);
        if !writes || first >= len {
            continue;
        }
        let range = first..(first + CHUNK).min(len);
        // SAFETY: workgroup `n` alone touches chunk `n`.
        let output = unsafe { group.write::<u8>(slot, range) };
        for (at, byte) in output.iter_mut().enumerate() {
            let old = if *reads { *byte } else { 0 };
            *byte = mixed(group.inline(), first + at, inputs, old);
        }
    }
}

fn set_grid(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let grid = grid_from(digest(group.read::<u8>(0)) ^ group.inline::<u32>());
    if group.id() == [0; 3] {
        // SAFETY: only the first workgroup writes.
        let output = unsafe { group.write::<u8>(1, 0..12) };
        for (bytes, axis) in output.chunks_mut(4).zip(grid) {
            bytes.copy_from_slice(&axis.to_ne_bytes());
        }
    }
    Ok(())
}

macro_rules! entry {
    ($kind:expr) => {
        |group| {
            outputs_and_inputs(group, $kind);
            Ok(())
        }
    };
}

impl Player {
    pub(crate) fn new(device: Device) -> Player {
        let kernel = |kind: Kind, name: &'static str, entry: dacapo::CpuEntry| {
            let mut source = KernelSource::new(name)
                .inline::<u32>()
                .workgroup([CHUNK as u32, 1, 1])
                .cpu(entry);
            for (slot, access) in kind.uses().iter().enumerate() {
                let access = match access {
                    (true, true) => Access::ReadWrite,
                    (true, false) => Access::Read,
                    _ => Access::Write,
                };
                source = source.binding::<u8>(slot as u32, access);
            }
            if kind == Kind::Wild {
                source = source.touches_anything();
            }
            (kind, device.kernel(&source).unwrap())
        };
        let kernels = vec![
            kernel(Kind::Mix, "mix", entry!(Kind::Mix)),
            kernel(Kind::Map, "map", entry!(Kind::Map)),
            kernel(Kind::Blend, "blend", entry!(Kind::Blend)),
            kernel(Kind::InPlace, "in place", entry!(Kind::InPlace)),
            kernel(Kind::Two, "two", entry!(Kind::Two)),
            kernel(Kind::Wild, "wild", entry!(Kind::Wild)),
            kernel(Kind::SetGrid, "set grid", set_grid),
        ];
        Player { device, kernels }
    }

    fn kernel(&self, kind: Kind) -> &Kernel {
        let found = self.kernels.iter().find(|(known, _)| *known == kind);
        &found.expect("copy and fill have no kernel of their own").1
    }
}

impl<'p> Run<'p> {
    pub(crate) fn new(player: &'p Player) -> Run<'p> {
        let mut spaces = HashMap::new();
        for (space, bytes) in Memory::initial().kept().into_iter().enumerate() {
            let len = bytes.len() as u64;
            let buffer = player.device.buffer(len, MemoryKind::DeviceLocal).unwrap();
            buffer.write(bytes).unwrap();
            spaces.insert(space, buffer.slice(..).unwrap());
        }
        let options = PoolOptions {
            slab_bytes: 4096,
            ..PoolOptions::default()
        };
        Run {
            player,
            spaces,
            pool: BufferPool::new(&player.device, options),
            oracle: Oracle::default(),
            place_barriers: false,
            dispatched: Vec::new(),
        }
    }

    /// The contents of the spaces that outlive the program.
    pub(crate) fn kept(&self) -> Vec<Vec<u8>> {
        let spaces = (0..=GRID_SPACE).map(|space| &self.spaces[&space]);
        spaces.map(|view| view.read::<u8>().unwrap()).collect()
    }

    /// Encodes operations up to the end or to the `Pop` of the scope they are in; gives what follows.
    pub(crate) fn encode<'o>(
        &mut self,
        mut ops: &'o [Op],
        encoder: &mut CommandEncoder,
    ) -> &'o [Op] {
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
                    let view = self.pool.allocate(*len as u64).unwrap();
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
        self.dispatch(call, encoder).unwrap();
        self.oracle.dispatch(next);
        self.dispatched.push(op.clone());
    }

    fn plain(&self, span: &Span) -> BufferView {
        let bytes = span.bytes.start as u64..span.bytes.end as u64;
        self.spaces[&span.space].slice(bytes).unwrap()
    }

    fn grid(&self, place: usize) -> BufferView {
        let first = place as u64 * 12;
        self.spaces[&GRID_SPACE].slice(first..first + 12).unwrap()
    }

    /// The view of a span, and the extra offset to bind it with.
    fn view(&self, span: &Span) -> (BufferView, u64) {
        let base = &self.spaces[&span.space];
        let (start, end) = (span.bytes.start as u64, span.bytes.end as u64);
        match span.detour {
            Detour::Straight => (self.plain(span), 0),
            Detour::Offset(offset) => {
                let earlier = start.saturating_sub(offset as u64);
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

fn is_builtin(kind: Kind) -> bool {
    matches!(kind, Kind::Copy | Kind::Fill | Kind::SetGrid)
}
