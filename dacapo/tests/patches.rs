//! Patches of executables: what they change, when, and what they must not.
#![allow(unsafe_code, reason = "kernels write their part of a buffer")]

mod common;

use common::{Gate, buffer, device, on_devices, one, step_kernel};
use dacapo::{
    Access, Buffer, BufferPool, BufferView, Bytes, Device, DispatchProblem, Error, Executable,
    Graph, Grid, Kernel, KernelSource, MemoryKind, PatchError, PatchProblem, Place, PlanOptions,
    PoolOptions, Reorder, Result, Split, TopologyChange, Wgsl, hazard::HazardKind,
};

/// Every wave is a part.
const SHORT: Split = Split { first: 1, rest: 1 };

const ADD: &str = "
var<immediate> value: u32;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&y) { y[id.x] = x[id.x] + value; }
}";

/// `y = x + value`, in workgroups of 4 elements.
fn add(device: &Device) -> Kernel {
    let source = KernelSource::new("add")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Write)
        .inline::<u32>()
        .workgroup([4, 1, 1])
        .cpu(|group| {
            let (first, x) = (group.id()[0] as usize * 4, group.read::<u32>(0));
            let range = first.min(x.len())..(first + 4).min(x.len());
            // SAFETY: workgroup `n` alone writes elements `4 n..4 n + 4`.
            let y = unsafe { group.write::<u32>(1, range.clone()) };
            let value = group.inline::<u32>();
            y.iter_mut()
                .zip(&x[range])
                .for_each(|(y, x)| *y = x + value);
            Ok(())
        })
        .wgsl(Wgsl::new(ADD));
    device.kernel(&source).unwrap()
}

const LEN: u64 = 64;

fn filled(device: &Device, value: u32) -> Buffer {
    let buffer = buffer(device, LEN);
    buffer.write(&[value; LEN as usize]).unwrap();
    buffer
}

fn all() -> Grid<'static> {
    Grid::threads([LEN as u32, 1, 1])
}

/// `b = a + 1`, then `c = b + 10` and `d = b + 100` at the same time.
struct Diamond {
    buffers: [Buffer; 4],
    executable: Executable,
}

impl Diamond {
    fn new(device: &Device) -> Diamond {
        let add = add(device);
        let buffers = [5, 0, 0, 0].map(|value| filled(device, value));
        let [a, b, c, d] = &buffers;
        let graph = Graph::capture(device, |encoder| {
            encoder.dispatch(&add, (a, b, Bytes(&1u32)), all())?;
            encoder.dispatch(&add, (b, c, Bytes(&10u32)), all())?;
            encoder.dispatch(&add, (b, d, Bytes(&100u32)), all())
        })
        .unwrap();
        let executable = graph
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate_with(SHORT)
            .unwrap();
        Diamond {
            buffers,
            executable,
        }
    }

    /// Launches, and looks at `c` and `d`.
    fn run(&self) -> (u32, u32) {
        self.executable.launch("diamond").unwrap();
        (first(&self.buffers[2]), first(&self.buffers[3]))
    }
}

fn first(view: &BufferView) -> u32 {
    view.read::<u32>().unwrap()[0]
}

fn problem(result: Result<impl Sized>) -> PatchError {
    match result {
        Err(Error::Patch(error)) => (*error).clone(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the patch was taken"),
    }
}

fn change(result: Result<()>) -> TopologyChange {
    match result {
        Err(Error::TopologyChanged(change)) => (*change).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_buffers_and_grids_change_from_one_launch_to_the_next() {
    on_devices(2, |device| {
        let Diamond {
            buffers: [a, b, c, d],
            executable,
        } = &mut Diamond::new(&device);
        let run = |executable: &Executable| {
            executable.launch("diamond").unwrap();
            [&*c, &*d].map(|buffer| buffer.read::<u32>().unwrap())
        };
        let n = LEN as usize;
        assert_eq!(run(executable), [vec![16; n], vec![106; n]]);
        executable.set_inline(0, &2u32.to_ne_bytes()).unwrap();
        assert_eq!(run(executable), [vec![17; n], vec![107; n]]);

        let other = filled(&device, 1000);
        executable.rebind(0, 0, &other).unwrap();
        assert_eq!(run(executable), [vec![1012; n], vec![1102; n]]);
        executable.rebind(0, 0, a).unwrap();

        executable.set_grid(2, Grid::groups([1, 1, 1])).unwrap();
        d.write(&vec![0u32; n]).unwrap();
        let mut few = vec![0; n];
        few[..4].fill(107);
        assert_eq!(run(executable), [vec![17; n], few]);

        let grid = buffer(&device, 3);
        grid.write(&[2u32, 1, 1]).unwrap();
        executable.set_grid(2, Grid::indirect(&grid)).unwrap();
        d.write(&vec![0u32; n]).unwrap();
        let mut some = vec![0; n];
        some[..8].fill(107);
        assert_eq!(run(executable), [vec![17; n], some]);
        assert_eq!(executable.graph().nodes().len(), 3);
        assert_eq!(first(b), 7);
    });
}

#[test]
fn launches_in_flight_run_as_they_were() {
    on_devices(2, |device| {
        let (target, held, gate) = (buffer(&device, 4), buffer(&device, 1), Gate::new());
        let others = [(); 8].map(|()| buffer(&device, 4));
        let step = step_kernel(&device);
        let graph = Graph::capture(&device, |encoder| {
            (0..6u32).try_for_each(|value| encoder.dispatch(&step, (&target, Bytes(&value)), one()))
        });
        let mut executable = graph
            .unwrap()
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate_with(SHORT)
            .unwrap();
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &held, 1).unwrap();
        encoder.commit().unwrap();
        let mut x = 0u32;
        let mut seen = Vec::new();
        for (round, other) in others.iter().enumerate() {
            let node = round % 6;
            let value = 100 + round as u32;
            executable.set_inline(node, &value.to_ne_bytes()).unwrap();
            // The last node works on another buffer each time, so what it does shows later.
            executable.rebind(5, 0, other).unwrap();
            let launch = executable.launch("patched").unwrap();
            let inlines: Vec<u32> = executable
                .graph()
                .nodes()
                .iter()
                .map(|node| bytemuck::pod_read_unaligned(node.inline()))
                .collect();
            x = inlines[..5]
                .iter()
                .fold(x, |x, value| x.wrapping_mul(3).wrapping_add(*value));
            seen.push((launch, inlines[5]));
        }
        gate.open();
        assert_eq!(target.read::<u32>().unwrap(), [x; 4]);
        for ((launch, value), other) in seen.iter().zip(&others) {
            launch.wait().unwrap();
            assert_eq!(other.read::<u32>().unwrap(), [*value; 4]);
        }
    });
}

#[test]
fn what_is_bound_no_more_is_let_go_and_what_is_bound_is_kept() {
    let device = device(1);
    let options = PoolOptions {
        slab_bytes: 4096,
        ..PoolOptions::default()
    };
    let pool = BufferPool::new(&device, options);
    let [old, new] = [(); 2].map(|()| pool.allocate(256).unwrap());
    let place = |view: &BufferView| (view.allocation(), view.offset());
    let graph = Graph::capture(&device, |encoder| encoder.fill(&old, 1)).unwrap();
    let mut executable = graph
        .plan(&PlanOptions::default())
        .unwrap()
        .instantiate()
        .unwrap();
    pool.reset();
    let next = pool.allocate(256).unwrap();
    assert!(![place(&old), place(&new)].contains(&place(&next)));
    let (first, last) = (place(&old), place(&next));
    executable.rebind(0, 0, &next).unwrap();
    drop((graph, old, new, next));
    let issued = || {
        let views = [(); 14].map(|()| pool.allocate(256).unwrap());
        views.map(|view| place(&view))
    };
    executable.launch("bound anew").unwrap().wait().unwrap();
    device.wait_idle().unwrap();
    assert!(issued().contains(&first), "the old generation is let go");
    pool.reset();
    assert!(!issued().contains(&last), "the new one is kept");
    drop(executable);
    assert!(issued().contains(&last));
}

#[test]
fn patches_that_cannot_be_say_why_and_change_nothing() {
    on_devices(2, |device| {
        let mut diamond = Diamond::new(&device);
        assert_eq!(diamond.run(), (16, 106));
        let short = buffer(&device, LEN - 1);
        let long = buffer(&device, LEN + 1);
        let other_device = common::device(1);
        let foreign = buffer(&other_device, LEN);
        let read_only = device
            .import("weights", vec![0u8; 4 * LEN as usize])
            .unwrap();
        let executable = &mut diamond.executable;

        let none = problem(executable.set_inline(3, &[0; 4]));
        assert_eq!(none.problem, PatchProblem::NoSuchNode { nodes: 3 });
        assert!(none.to_string().contains("node 3") && none.to_string().contains("has 3"));
        let bytes = problem(executable.set_inline(1, &[0; 5]));
        let expected = DispatchProblem::InlineBytes {
            given: 5,
            declared: 4,
        };
        assert_eq!((bytes.node, &*bytes.kernel), (1, "add"));
        assert_eq!(bytes.problem, PatchProblem::Dispatch(expected));
        for wrong in [&short, &long] {
            let length = problem(executable.rebind(2, 1, wrong));
            let text = length.to_string();
            for part in [
                "node 2",
                "\"add\"",
                "slot 1",
                "256",
                &wrong.len().to_string(),
            ] {
                assert!(text.contains(part), "{text} lacks {part}");
            }
        }
        let refused = |result: Result<()>, part: &str| {
            let text = problem(result).to_string();
            assert!(text.contains(part), "{text} lacks {part}");
        };
        refused(executable.rebind(0, 7, &long), "there is no slot 7");
        refused(executable.rebind(0, 0, &foreign), "another device");
        refused(executable.rebind(0, 1, &read_only), "read-only");
        executable.rebind(0, 0, &read_only).unwrap();
        let a = diamond.buffers[0].clone();
        executable.rebind(0, 0, &a).unwrap();
        let align = device.limits().min_binding_alignment.max(4);
        let odd = device.buffer(4 * LEN + 2, MemoryKind::DeviceLocal).unwrap();
        let odd = odd.slice(2..).unwrap();
        refused(
            executable.rebind(0, 0, &odd),
            &format!("no multiple of {align}"),
        );
        let b = diamond.buffers[1].clone();
        refused(executable.rebind(0, 0, &b), "overlaps slot 0");
        refused(executable.set_grid(0, Grid::groups([0, 1, 1])), "is empty");
        refused(
            executable.set_grid(0, Grid::groups([u32::MAX; 3])),
            "device takes",
        );
        let shared = Grid::groups([1, 1, 1]).with_shared_memory(64);
        refused(executable.set_grid(0, shared), "shared memory");
        refused(
            executable.set_grid(0, Grid::indirect(&odd)),
            "indirect grid needs 12 bytes",
        );
        refused(
            executable.set_grid(0, Grid::indirect(&foreign)),
            "another device",
        );

        // Of a patch of several changes all are taken or none.
        let half = executable.patch(|patch| {
            patch.set_inline(0, &50u32.to_ne_bytes())?;
            patch.rebind(2, 1, &short)
        });
        problem(half);
        assert_eq!(diamond.run(), (16, 106));
    });
}

#[test]
fn a_conflict_that_the_plan_does_not_cover_needs_a_new_plan() {
    on_devices(2, |device| {
        let mut diamond = Diamond::new(&device);
        let [_, b, c, d] = diamond.buffers.clone();
        let executable = &mut diamond.executable;
        // Nodes 1 and 2 run at the same time.
        let both_write = change(executable.rebind(2, 1, &c));
        assert_eq!(
            (both_write.node, both_write.slot, both_write.other),
            (2, Some(1), 1)
        );
        assert_eq!(both_write.kind, HazardKind::WriteAfterWrite);
        assert_eq!(
            (both_write.place, both_write.overlap),
            (Place::SameWave, c.range())
        );
        let text = both_write.to_string();
        for part in [
            "node 2",
            "slot 1",
            "node 1",
            "write after write",
            "same wave",
            "made anew",
        ] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        let reads = change(executable.rebind(2, 0, &c));
        assert_eq!((reads.kind, reads.other), (HazardKind::ReadAfterWrite, 1));
        let written = change(executable.rebind(1, 0, &d));
        assert_eq!(
            (written.kind, written.other),
            (HazardKind::WriteAfterRead, 2)
        );
        let grid = change(executable.set_grid(2, Grid::indirect(&c)));
        assert_eq!((grid.slot, grid.kind), (None, HazardKind::ReadAfterWrite));
        assert!(grid.to_string().contains("indirect grid"), "{grid}");
        assert_eq!(diamond.run(), (16, 106), "nothing has changed");

        // What the order of the plan covers is taken, and so is what nodes exchange in one patch.
        let executable = &mut diamond.executable;
        executable.rebind(2, 1, &b).unwrap_err();
        executable
            .patch(|patch| {
                patch.rebind(1, 1, &d)?;
                patch.rebind(2, 1, &c)
            })
            .unwrap();
        assert_eq!(diamond.run(), (106, 16));
        let fresh = filled(&device, 40);
        diamond.executable.rebind(1, 0, &fresh).unwrap();
        assert_eq!(diamond.run(), (106, 50));
    });
}

#[test]
fn a_node_that_was_moved_forward_does_not_meet_what_it_overtook() {
    on_devices(2, |device| {
        let add = add(&device);
        let [a, b, c, d, e] = [1, 0, 0, 1, 0].map(|value| filled(&device, value));
        let graph = Graph::capture(&device, |encoder| {
            encoder.dispatch(&add, (&a, &b, Bytes(&1u32)), all())?;
            encoder.dispatch(&add, (&b, &c, Bytes(&1u32)), all())?;
            encoder.dispatch(&add, (&d, &e, Bytes(&5u32)), all())
        });
        let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
        let mut executable = plan.instantiate().unwrap();
        let order: Vec<u8> = (executable.graph().nodes().iter())
            .map(|node| node.inline()[0])
            .collect();
        assert_eq!(order, [1, 5, 1], "the last one runs beside the first");
        let late = change(executable.rebind(1, 0, &c));
        assert_eq!(
            (late.place, late.kind),
            (Place::Overtaken, HazardKind::ReadAfterWrite)
        );
        assert!(late.to_string().contains("moved past"), "{late}");
        let late = change(executable.rebind(1, 1, &c));
        assert_eq!((late.other, late.kind), (2, HazardKind::WriteAfterWrite));
        let late = change(executable.rebind(2, 1, &d));
        assert_eq!((late.other, late.kind), (1, HazardKind::ReadAfterWrite));
        // Without moving nodes the same is covered.
        let options = PlanOptions {
            reorder: Reorder::Serial,
            ..PlanOptions::default()
        };
        let graph = Graph::capture(&device, |encoder| {
            encoder.dispatch(&add, (&a, &b, Bytes(&1u32)), all())?;
            encoder.dispatch(&add, (&b, &c, Bytes(&1u32)), all())?;
            encoder.dispatch(&add, (&d, &e, Bytes(&5u32)), all())
        });
        let mut executable = graph
            .unwrap()
            .plan(&options)
            .unwrap()
            .instantiate()
            .unwrap();
        executable.rebind(2, 0, &c).unwrap();
        executable.launch("in order").unwrap();
        assert_eq!(first(&e), 8);
    });
}

#[test]
fn all_uses_of_a_buffer_are_rebound_at_once() {
    on_devices(2, |device| {
        let mut diamond = Diamond::new(&device);
        assert_eq!(diamond.run(), (16, 106));
        let [a, b, ..] = diamond.buffers.clone();
        let other = filled(&device, 9);
        let mut rebound = 0;
        let patched = diamond.executable.patch(|patch| {
            rebound = patch.rebind_all(&b, &other)?;
            Ok(())
        });
        patched.unwrap();
        assert_eq!(rebound, 3);
        b.write(&[77u32; LEN as usize]).unwrap();
        assert_eq!(diamond.run(), (16, 106));
        assert_eq!((first(&b), first(&other)), (77, 6));

        let executable = &mut diamond.executable;
        assert!(matches!(
            executable.rebind_all(&a, &a.slice(4..).unwrap()),
            Err(Error::LengthMismatch { .. })
        ));
        let (head, part) = (a.slice(..128).unwrap(), b.slice(..128).unwrap());
        let straddles = problem(executable.rebind_all(&head, &part));
        assert!(matches!(straddles.problem, PatchProblem::Straddles { .. }));
        assert_eq!(diamond.run(), (16, 106));
    });
}

#[test]
fn parts_of_a_buffer_move_with_it() {
    on_devices(2, |device| {
        let align = u64::from(device.limits().min_binding_alignment.max(4));
        let len = 4 * align.max(16);
        let [old, new] = [(); 2].map(|()| device.buffer(2 * len, MemoryKind::DeviceLocal).unwrap());
        let target = device.buffer(len, MemoryKind::DeviceLocal).unwrap();
        let graph = Graph::capture(&device, |encoder| {
            encoder.fill(&old.slice(len..)?, 3)?;
            encoder.copy(&old.slice(len..)?, &target)
        });
        let mut executable = graph
            .unwrap()
            .plan(&PlanOptions::default())
            .unwrap()
            .instantiate()
            .unwrap();
        executable.rebind_all(&old, &new).unwrap();
        executable.launch("moved").unwrap();
        let (len, fill) = (len as usize, |value| vec![value; len as usize]);
        assert_eq!(target.read::<u8>().unwrap(), fill(3));
        assert_eq!(old.read::<u8>().unwrap(), vec![0; 2 * len]);
        assert_eq!(new.read::<u8>().unwrap(), [fill(0), fill(3)].concat());
    });
}
