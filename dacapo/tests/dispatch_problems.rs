//! Every reason to refuse a dispatch, and that its message names kernel, slot, value and limit.

mod common;

use common::{buffer, device};
use dacapo::{
    Access, Arg, Args, Bytes, CommandEncoder, Device, DispatchProblem, Error, Grid, Kernel,
    KernelSource, SharedMemory,
};

fn kernel(device: &Device, shared: SharedMemory) -> Kernel {
    let source = KernelSource::new("axpy")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(3, Access::ReadWrite)
        .inline::<[u32; 2]>()
        .workgroup([64, 2, 1])
        .shared_memory(shared);
    device.kernel(&source.cpu(|_| Ok(()))).unwrap()
}

struct Case {
    device: Device,
    encoder: CommandEncoder,
    kernel: Kernel,
}

impl Case {
    /// The problem with a dispatch, whose message must hold these parts.
    #[track_caller]
    fn refused<'a>(
        &mut self,
        args: impl Args<'a>,
        grid: Grid<'a>,
        parts: &[&str],
    ) -> DispatchProblem {
        let error = self.encoder.dispatch(&self.kernel, args, grid).unwrap_err();
        let message = error.to_string();
        for part in parts.iter().chain(&["\"axpy\""]) {
            assert!(message.contains(part), "{message:?} does not name {part:?}");
        }
        match error {
            Error::Dispatch(error) => error.problem.clone(),
            other => panic!("{other}"),
        }
    }
}

fn case(shared: SharedMemory) -> Case {
    let device = device(1);
    Case {
        encoder: device.encoder("refusals").unwrap(),
        kernel: kernel(&device, shared),
        device,
    }
}

const ONE: [u32; 3] = [1, 1, 1];
const PARAMS: Bytes<'static, [u32; 2]> = Bytes(&[1, 2]);

#[test]
fn arguments_that_do_not_match_the_slots() {
    let mut case = case(SharedMemory::None);
    let (x, y) = (buffer(&case.device, 4), buffer(&case.device, 4));
    let one = || Grid::groups(ONE);
    let problem = case.refused((&x, PARAMS), one(), &["slot 3", "read-write"]);
    assert!(matches!(
        problem,
        DispatchProblem::MissingSlot { slot: 3, .. }
    ));
    let problem = case.refused((PARAMS,), one(), &["slot 0"]);
    assert!(matches!(
        problem,
        DispatchProblem::MissingSlot { slot: 0, .. }
    ));
    let problem = case.refused((Arg::view(&y).slot(3), PARAMS), one(), &["slot 0"]);
    assert!(matches!(
        problem,
        DispatchProblem::MissingSlot { slot: 0, .. }
    ));
    let twice = (Arg::view(&x).slot(3), Arg::view(&y).slot(3), PARAMS);
    let problem = case.refused(twice, one(), &["slot 3", "two"]);
    assert!(matches!(problem, DispatchProblem::DoubledSlot { slot: 3 }));
    let problem = case.refused(
        (&x, Arg::view(&y).slot(1), PARAMS),
        one(),
        &["slot 1", "[0, 3]"],
    );
    assert!(matches!(
        problem,
        DispatchProblem::UnknownSlot { slot: 1, .. }
    ));
    let problem = case.refused((&x, &y, &x, PARAMS), one(), &["3 buffer", "2 slots"]);
    assert!(matches!(
        problem,
        DispatchProblem::TooManyArguments { given: 3, slots: 2 }
    ));
    let problem = case.refused((&x, &y), one(), &["0 inline bytes", "takes 8"]);
    assert!(matches!(
        problem,
        DispatchProblem::InlineBytes {
            given: 0,
            declared: 8
        }
    ));
    let problem = case.refused((&x, &y, Bytes(&7u8)), one(), &["1 inline", "takes 8"]);
    assert!(matches!(
        problem,
        DispatchProblem::InlineBytes { given: 1, .. }
    ));
    let problem = case.refused((&x, &y, PARAMS, PARAMS), one(), &["twice"]);
    assert!(matches!(problem, DispatchProblem::DoubledInline));

    // What is right, in any order, is taken.
    let swapped = (PARAMS, Arg::view(&y).slot(3), Arg::view(&x).slot(0));
    case.encoder.dispatch(&case.kernel, swapped, one()).unwrap();
    assert!(
        format!("{:?}", case.encoder).contains("1 dispatches"),
        "no refusal was recorded"
    );
    case.encoder.commit().unwrap().wait().unwrap();
}

#[test]
fn views_that_cannot_be_bound() {
    let mut case = case(SharedMemory::None);
    let (x, y) = (buffer(&case.device, 4), buffer(&case.device, 4));
    let one = || Grid::groups(ONE);
    let empty = x.slice(8..8).unwrap();
    let problem = case.refused(
        (&empty, &y, PARAMS),
        one(),
        &["slot 0", "offset 0", "0 bytes"],
    );
    assert!(matches!(
        problem,
        DispatchProblem::EmptyView { slot: 0, .. }
    ));
    for offset in [16, 17, u64::MAX] {
        let arg = Arg::view_at(&y, offset);
        let parts = ["slot 3", &offset.to_string(), "16 bytes"];
        let problem = case.refused((&x, arg, PARAMS), one(), &parts);
        assert!(matches!(
            problem,
            DispatchProblem::EmptyView { slot: 3, .. }
        ));
    }
    let odd = x.slice(2..).unwrap();
    let problem = case.refused(
        (&odd, &y, PARAMS),
        one(),
        &["slot 0", "offset 2", "multiple of 4"],
    );
    assert!(matches!(
        problem,
        DispatchProblem::Misaligned { align: 4, .. }
    ));
    let arg = Arg::view_at(&y, 3);
    let problem = case.refused((&x, arg, PARAMS), one(), &["slot 3", "offset 3"]);
    assert!(matches!(
        problem,
        DispatchProblem::Misaligned { slot: 3, .. }
    ));
    let imported = case.device.import("weights", vec![0u8; 16]).unwrap();
    let parts = ["slot 3", "read-write", "\"weights\"", "read-only"];
    let problem = case.refused((&x, &imported, PARAMS), one(), &parts);
    assert!(matches!(
        problem,
        DispatchProblem::ReadOnlyBuffer { slot: 3, .. }
    ));
    let (head, tail) = (y.slice(..12).unwrap(), y.slice(8..).unwrap());
    let problem = case.refused(
        (&head, &tail, PARAMS),
        one(),
        &["slot 3", "slot 0", "8..12"],
    );
    assert!(matches!(
        problem,
        DispatchProblem::Overlap {
            written: 3,
            other: 0,
            ..
        }
    ));
    let touching = (&y.slice(..8).unwrap(), &tail, PARAMS);
    case.encoder
        .dispatch(&case.kernel, touching, one())
        .unwrap();

    let other = case.device.reopen().unwrap();
    let foreign = buffer(&other, 4);
    let problem = case.refused((&foreign, &y, PARAMS), one(), &["slot 0", "another device"]);
    assert!(matches!(
        problem,
        DispatchProblem::ForeignBuffer { slot: 0, .. }
    ));
    case.kernel = kernel(&other, SharedMemory::None);
    let problem = case.refused((&x, &y, PARAMS), one(), &["another device"]);
    assert!(matches!(problem, DispatchProblem::ForeignKernel));
}

#[test]
fn grids_that_cannot_run() {
    let mut case = case(SharedMemory::None);
    let (x, y) = (buffer(&case.device, 4), buffer(&case.device, 4));
    for (grid, found) in [
        (Grid::groups([1, 0, 1]), "[1, 0, 1]"),
        (Grid::threads([200, 1, 0]), "[200, 1, 0]"),
    ] {
        let problem = case.refused((&x, &y, PARAMS), grid, &[found, "empty"]);
        assert!(matches!(problem, DispatchProblem::EmptyGrid { .. }));
    }
    for groups in [[u32::MAX, 2, 1], [u32::MAX; 3]] {
        let grid = Grid::groups(groups);
        let problem = case.refused((&x, &y, PARAMS), grid, &["4294967295", "in all"]);
        assert!(matches!(problem, DispatchProblem::GridTooLarge { .. }));
    }
    let short = x.slice(..8).unwrap();
    let grid = Grid::indirect(&short);
    let problem = case.refused((&x, &y, PARAMS), grid, &["12 bytes", "8 bytes"]);
    assert!(matches!(
        problem,
        DispatchProblem::IndirectView { len: 8, .. }
    ));
    let odd = x.slice(1..14).unwrap();
    let grid = Grid::indirect(&odd);
    let problem = case.refused((&x, &y, PARAMS), grid, &["multiple of 4", "offset 1"]);
    assert!(matches!(
        problem,
        DispatchProblem::IndirectView { offset: 1, .. }
    ));
    let grid = Grid::indirect(&y);
    let problem = case.refused((&x, &y, PARAMS), grid, &["slot 3"]);
    assert!(matches!(
        problem,
        DispatchProblem::IndirectOverlap { slot: 3 }
    ));
    let foreign = buffer(&case.device.reopen().unwrap(), 4);
    let grid = Grid::indirect(&foreign);
    let problem = case.refused((&x, &y, PARAMS), grid, &["grid", "another device"]);
    assert!(matches!(problem, DispatchProblem::ForeignGrid { .. }));
}

#[test]
fn shared_memory_that_was_not_declared() {
    for (shared, asked, limit) in [
        (SharedMemory::None, 1, 0),
        (SharedMemory::Fixed(256), 256, 0),
        (SharedMemory::Dynamic { max: 512 }, 513, 512),
    ] {
        let mut case = case(shared);
        let (x, y) = (buffer(&case.device, 4), buffer(&case.device, 4));
        let grid = Grid::groups(ONE).with_shared_memory(asked);
        let parts = [&format!("{asked} bytes")[..], &format!("at most {limit}")];
        let problem = case.refused((&x, &y, PARAMS), grid, &parts);
        assert_eq!(problem, DispatchProblem::SharedMemory { asked, limit });
    }
}

#[test]
fn declarations_that_contradict_themselves_or_the_device() {
    let device = device(1);
    let named = || KernelSource::new("bad").cpu(|_| Ok(()));
    let many = (0..32).fold(named(), |source, slot| {
        source.binding::<u32>(slot, Access::Read)
    });
    let limits = *device.limits();
    let too_much = SharedMemory::Fixed(limits.max_shared_bytes + 1);
    for (source, parts) in [
        (many, ["32 bindings", "takes 31"]),
        (
            named()
                .binding::<u8>(2, Access::Read)
                .binding::<u8>(2, Access::Read),
            ["slot 2", "twice"],
        ),
        (named().inline::<[u8; 257]>(), ["257 inline", "256"]),
        (named().workgroup([0, 1, 1]), ["[0, 1, 1]", "1 to 1024"]),
        (
            named().workgroup([1025, 1, 1]),
            ["[1025, 1, 1]", "1 to 1024"],
        ),
        (
            named().workgroup([u32::MAX; 3]),
            ["4294967295", "1 to 1024"],
        ),
        (named().shared_memory(too_much), ["16777217", "16777216"]),
    ] {
        let message = device.kernel(&source).unwrap_err().to_string();
        for part in parts.iter().chain(&["\"bad\""]) {
            assert!(message.contains(part), "{message:?} does not name {part:?}");
        }
    }
    let message = device
        .kernel(&KernelSource::new("nothing"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no form at all") && message.contains("native CPU"),
        "{message}"
    );
}
