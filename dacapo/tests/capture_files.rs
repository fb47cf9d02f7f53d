//! Graphs that were written to files and loaded on another device do what they did.
#![allow(
    unsafe_code,
    reason = "loads files of this test as it wrote them, native kernels included"
)]

mod common;

use std::sync::LazyLock;

use dacapo::{
    Access, BufferKey, BufferView, Contents, Device, DispatchProblem, Error, FileKernel,
    FileOptions, Graph, GraphFile, GraphFileError, Grid, Hazards, KernelFault, KernelSource,
    LoadedGraph, MemoryKind, Wgsl, Workgroup,
};
use proptest::prelude::*;

use common::config;
use dacapo_selftest::programs::cases::without_splits;
use dacapo_selftest::programs::meaning::Memory;
use dacapo_selftest::programs::play::{Player, Run, label};
use dacapo_selftest::programs::random::programs;
use dacapo_selftest::programs::{GRID_SPACE, Op};

/// Where programs are captured, and where they are loaded.
type Pairs = LazyLock<Vec<[Player; 2]>>;

fn pairs() -> Vec<[Player; 2]> {
    let cpus = [1, 2].map(|threads| Player::new(common::device(threads)));
    let references = [1, 2].map(|threads| Player::new(common::reference(threads)));
    let gpus = common::vulkan(|_| ()).zip(common::vulkan(|_| ()));
    let metals = common::metal(|_| ()).zip(common::metal(|_| ()));
    let gpus = gpus.into_iter().chain(metals);
    let gpus = gpus.map(|(from, to)| [from, to].map(Player::new));
    [cpus, references].into_iter().chain(gpus).collect()
}

fn captured(run: &mut Run<'_>, device: &Device, program: &[Op]) -> Graph {
    Graph::capture_with(device, Some(Hazards::Auto), |encoder| {
        run.encode(program, encoder);
        Ok::<(), Error>(())
    })
    .unwrap()
}

/// Loads a file with the kernels that the device has compiled.
fn load(
    file: &GraphFile<'_>,
    device: &Device,
    given: &[(BufferKey<'_>, &BufferView)],
) -> LoadedGraph {
    // SAFETY: the file holds what this test has captured, and the kernels keep to their chunks.
    unsafe { file.load_trusted(device, given, &device.kernel_sources()) }.unwrap()
}

/// What is in each space after a run, as far as the file has it.
fn spaces(file: &GraphFile<'_>, loaded: &LoadedGraph, player: &Player) -> Vec<Option<Vec<u8>>> {
    let space = |space: usize| {
        let at = file
            .buffers()
            .iter()
            .position(|it| it.label == label(space))?;
        Some(player.bytes(space, &loaded.buffers[at].read::<u8>().unwrap()))
    };
    (0..=GRID_SPACE).map(space).collect()
}

/// Contents that no program starts from.
fn garbage(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 91 + 13) as u8).collect()
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn a_loaded_graph_gives_the_bytes_of_the_interpreter(program in programs()) {
        static PAIRS: Pairs = LazyLock::new(pairs);
        let program = without_splits(&program);
        for [from, to] in PAIRS.iter() {
            let graph = captured(&mut Run::new(from), &from.device, &program);
            let all = FileOptions { contents: Contents::All, ..FileOptions::default() };
            let bytes = graph.to_file(&all).unwrap();
            let file = GraphFile::read(&bytes).unwrap();
            let loaded = load(&file, &to.device, &[]);
            prop_assert_eq!(loaded.graph.barriers().len(), graph.barriers().len());
            for (node, original) in loaded.graph.nodes().iter().zip(graph.nodes()) {
                prop_assert_eq!(loaded.graph.scope_path(node), graph.scope_path(original));
            }
            prop_assert_eq!(&loaded.graph.to_file(&all).unwrap(), &bytes);
            let mut memory = Memory::initial();
            for _ in 0..2 {
                memory.run(&program);
                loaded.graph.replay("loaded").unwrap().wait().unwrap();
                let spaces = spaces(&file, &loaded, to);
                for (found, expected) in spaces.into_iter().zip(memory.kept()) {
                    prop_assert_eq!(found.as_deref().unwrap_or(expected), expected);
                }
            }
        }
    }

    /// What is not stored is not needed: whatever is there instead, the rest comes out the same.
    #[test]
    fn contents_that_are_read_first_suffice(program in programs()) {
        static PAIRS: Pairs = LazyLock::new(pairs);
        let program = without_splits(&program);
        for [from, to] in PAIRS.iter() {
            let graph = captured(&mut Run::new(from), &from.device, &program);
            let options = FileOptions { contents: Contents::ReadFirst, ..FileOptions::default() };
            let bytes = graph.to_file(&options).unwrap();
            let file = GraphFile::read(&bytes).unwrap();
            let mut memory = Memory::initial();
            let mut views = Vec::new();
            for space in 0..=GRID_SPACE {
                let found = file.buffers().iter().position(|it| it.label == label(space));
                if let Some(index) = found.filter(|index| !file.buffers()[*index].stored) {
                    let bytes = garbage(memory.kept()[space].len());
                    let cells = to.cells(space, &bytes);
                    let buffer = to.device.buffer(cells.len() as u64, MemoryKind::DeviceLocal);
                    let buffer = buffer.unwrap();
                    buffer.write(&cells).unwrap();
                    memory.set(space, bytes);
                    views.push((BufferKey::Index(index), (*buffer).clone()));
                }
            }
            let given: Vec<_> = views.iter().map(|(key, view)| (*key, view)).collect();
            let loaded = load(&file, &to.device, &given);
            memory.run(&program);
            loaded.graph.replay("loaded").unwrap().wait().unwrap();
            let spaces = spaces(&file, &loaded, to);
            for (found, expected) in spaces.into_iter().zip(memory.kept()) {
                prop_assert_eq!(found.as_deref().unwrap_or(expected), expected);
            }
        }
    }

    #[test]
    fn joined_graphs_give_the_bytes_of_the_interpreter(program in programs()) {
        static PAIRS: Pairs = LazyLock::new(pairs);
        let mut memory = Memory::initial();
        memory.run(&program);
        for [player, _] in PAIRS.iter() {
            let mut run = Run::new(player);
            let parts = program.split(|op| matches!(op, Op::Split));
            let graphs: Vec<Graph> =
                parts.map(|part| captured(&mut run, &player.device, part)).collect();
            let joined = Graph::concat(&graphs.iter().collect::<Vec<_>>()).unwrap();
            run.oracle.barriers.dedup();
            run.oracle.assert_agrees(&joined.barriers());
            let scopes = |graph: &Graph| -> Vec<Vec<String>> {
                let nodes = graph.nodes().iter();
                let path = |node| graph.scope_path(node).into_iter().map(str::to_owned).collect();
                nodes.map(path).collect()
            };
            let expected: Vec<_> = graphs.iter().flat_map(&scopes).collect();
            prop_assert_eq!(scopes(&joined), expected);
            joined.replay("joined").unwrap().wait().unwrap();
            let expected: Vec<Vec<u8>> = memory.kept().into_iter().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(run.kept(), expected);
        }
    }
}

fn doubled(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
    let len = group.len::<u32>(1);
    let x = group.read::<u32>(0);
    if let Some(at) = x.iter().position(|x| *x > 1 << 30) {
        return Err(KernelFault::new(format!("element {at} is {}", x[at])));
    }
    // SAFETY: there is one workgroup.
    let y = unsafe { group.write::<u32>(1, 0..len) };
    y.iter_mut().zip(x).for_each(|(y, x)| *y = 2 * x);
    Ok(())
}

const DOUBLED: &str = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) first: u32) {
    for (var at = first; at < arrayLength(&y); at += 64) { y[at] = 2 * x[at]; }
}";

fn doubling() -> KernelSource {
    KernelSource::new("doubled")
        .binding::<u32>(0, Access::Read)
        .binding::<u32>(1, Access::Write)
        .overwrites(1)
        .cpu(doubled)
        .wgsl(Wgsl::new(DOUBLED))
}

/// `y = 2 x` and then `x = 2 y`, with 16 elements.
fn doubling_graph(device: &Device, x: &[u32; 16]) -> Graph {
    let kernel = device.kernel(&doubling()).unwrap();
    let [x_buffer, y] = ["x", "y"].map(|label| {
        let kind = MemoryKind::DeviceLocal;
        let options = dacapo::BufferOptions {
            len: 64,
            kind,
            label,
        };
        device.buffer_with(&options).unwrap()
    });
    x_buffer.write(x).unwrap();
    Graph::capture(device, |encoder| {
        let mut scope = encoder.scope("twice");
        scope.dispatch(&kernel, (&x_buffer, &y), common::one())?;
        scope.dispatch(&kernel, (&y, &x_buffer), common::one())
    })
    .unwrap()
}

const X: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

#[test]
fn files_go_from_one_backend_to_another() {
    let read_first = FileOptions {
        contents: Contents::ReadFirst,
        ..FileOptions::default()
    };
    let cpu = common::device(1);
    let Some(gpu) = common::vulkan(|_| ()) else {
        return;
    };
    for (from, to) in [(&cpu, &gpu), (&gpu, &cpu)] {
        let bytes = doubling_graph(from, &X).to_file(&read_first).unwrap();
        let file = GraphFile::read(&bytes).unwrap();
        let stored: Vec<_> = file
            .buffers()
            .iter()
            .map(|it| (it.label, it.stored))
            .collect();
        assert_eq!(stored, [("x", true), ("y", false)]);
        let loaded = match to.gpu() {
            Some(_) => file.load(to, &[]).unwrap(),
            None => {
                to.kernel(&doubling()).unwrap();
                load(&file, to, &[])
            }
        };
        loaded.graph.replay("").unwrap().wait().unwrap();
        assert_eq!(loaded.buffers[0].read::<u32>().unwrap(), X.map(|x| 4 * x));
        assert_eq!(loaded.buffers[1].read::<u32>().unwrap(), X.map(|x| 2 * x));
    }
}

#[test]
fn a_failing_step_fails_again_elsewhere() {
    let mut x = X;
    x[5] = 1 << 29;
    let graph = doubling_graph(&common::device(2), &x);
    let options = FileOptions {
        contents: Contents::ReadFirst,
        ..FileOptions::default()
    };
    let bytes = graph.to_file(&options).unwrap();
    let before = graph.replay("").unwrap().wait();
    before.unwrap();
    let other = common::device(1);
    other.kernel(&doubling()).unwrap();
    let file = GraphFile::read(&bytes).unwrap();
    let loaded = load(&file, &other, &[]);
    loaded.graph.replay("once").unwrap().wait().unwrap();
    let error = loaded.graph.replay("again").unwrap().wait().unwrap_err();
    let error = error.to_string();
    let expected = "in kernel \"doubled\" in scope \"twice\": element 5 is 2147483648";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn what_a_device_cannot_run_is_refused_with_what_it_takes() {
    let cpu = common::device(1);
    let name = &cpu.info().name;
    let graph = doubling_graph(&cpu, &X);
    let bytes = graph.to_file(&FileOptions::default()).unwrap();
    let file = GraphFile::read(&bytes).unwrap();
    let error = file.load(&cpu, &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "kernel \"doubled\" offers WGSL, and a native form that is not in the file; \
             device {name} takes a native CPU form"
        )
    );
    // A kernel of the same name that declares something else is another one.
    let other = doubling().touches_anything();
    // SAFETY: nothing is loaded.
    let error = unsafe { file.load_trusted(&cpu, &[], &[other]) }.unwrap_err();
    assert!(matches!(error, Error::UnsupportedKernel { .. }), "{error}");

    let Some(gpu) = common::vulkan(|_| ()) else {
        return;
    };
    let x = gpu.buffer(64, MemoryKind::DeviceLocal).unwrap();
    let source = KernelSource::new("for gpus").wgsl(Wgsl::new(
        "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
         @compute @workgroup_size(1) fn main() { x[0] = 1; }",
    ));
    let kernel = gpu.kernel(&source).unwrap();
    let graph = Graph::capture(&gpu, |encoder| {
        encoder.dispatch(&kernel, (&x,), Grid::groups([1, 1, 1]))
    });
    let bytes = graph.unwrap_or_else(|error: Error| panic!("{error}"));
    let bytes = bytes.to_file(&FileOptions::default()).unwrap();
    let error = GraphFile::read(&bytes)
        .unwrap()
        .load(&cpu, &[])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("kernel \"for gpus\" offers WGSL; device {name} takes a native CPU form")
    );
}

/// Reads and writes past the ends of its buffers, which without checks would be undefined behaviour.
const WILD: &str = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() {
    for (var at = 0u; at < 64u; at += 1u) { y[at * 1000003u] = x[at * 1000003u] + 1u; }
}";

#[test]
fn wgsl_of_a_file_is_compiled_with_checks_whatever_it_says() {
    let Some(gpu) = common::vulkan(|_| ()) else {
        return;
    };
    // SAFETY: this form is never dispatched.
    let trusted = unsafe { Wgsl::new(WILD).trusted() };
    let kernel = gpu
        .kernel(&KernelSource::new("wild").wgsl(trusted))
        .unwrap();
    let [x, y] = [(); 2].map(|()| gpu.buffer(64, MemoryKind::DeviceLocal).unwrap());
    let graph = Graph::capture(&gpu, |encoder| {
        encoder.dispatch(&kernel, (&x, &y), common::one())
    });
    let graph = graph.unwrap_or_else(|error: Error| panic!("{error}"));
    let bytes = graph.to_file(&FileOptions::default()).unwrap();
    let file = GraphFile::read(&bytes).unwrap();
    let loaded = file.load(&gpu, &[]).unwrap();
    let compiled = loaded.graph.nodes()[0].kernel();
    assert!(compiled != &kernel, "the kernel without checks is not used");
    loaded.graph.replay("").unwrap().wait().unwrap();
    assert_eq!(loaded.buffers[1].read::<u32>().unwrap()[0], 1);
    let FileKernel::Source(source) = &file.kernels()[0] else {
        panic!("{:?}", file.kernels());
    };
    let source = KernelSource::new("wild").wgsl(source.wgsl.clone().unwrap());
    assert!(
        gpu.kernel(&source).unwrap() == kernel,
        "the file says that it is trusted"
    );
}

/// The file of a graph that was captured on a GPU whose subgroups have this many invocations.
fn with_subgroups(bytes: &[u8], size: u32) -> Vec<u8> {
    let (table, head) = (12, 160);
    let mut bytes = bytes.to_vec();
    bytes[head + 2..head + 6].copy_from_slice(&size.to_le_bytes());
    let section = xxhash_rust::xxh3::xxh3_64(&bytes[head..head + 6]);
    bytes[table + 12..table + 20].copy_from_slice(&section.to_le_bytes());
    let header = xxhash_rust::xxh3::xxh3_64(&bytes[..head - 8]);
    bytes[head - 8..head].copy_from_slice(&header.to_le_bytes());
    bytes
}

#[test]
fn work_cut_up_for_other_subgroups_is_refused() {
    let Some(gpu) = common::vulkan(|_| ()) else {
        return;
    };
    let x = gpu.buffer(64, MemoryKind::DeviceLocal).unwrap();
    let found = gpu.gpu().unwrap().subgroup_size;
    for (text, depends) in [("", false), ("override SUBGROUP_SIZE: u32;", true)] {
        let text = format!(
            "{text} @group(0) @binding(0) var<storage, read_write> x: array<u32>;
             @compute @workgroup_size(1) fn main() {{ x[0] = 1; }}"
        );
        let kernel = gpu
            .kernel(&KernelSource::new("cut up").wgsl(Wgsl::new(text)))
            .unwrap();
        let graph = Graph::capture(&gpu, |encoder| {
            encoder.dispatch(&kernel, (&x,), common::one())
        });
        let graph = graph.unwrap_or_else(|error: Error| panic!("{error}"));
        let bytes = graph.to_file(&FileOptions::default()).unwrap();
        for size in [found, 2 * found] {
            let bytes = with_subgroups(&bytes, size);
            let loaded = GraphFile::read(&bytes).unwrap().load(&gpu, &[]);
            assert_eq!(loaded.is_err(), depends && size != found);
            if let Err(error) = loaded {
                let expected = format!(
                    "capture file: kernel \"cut up\" counts on subgroups, and was captured with \
                     {size} invocations to a subgroup; the device has {found}"
                );
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}

#[test]
fn given_buffers_must_fit() {
    let device = common::device(1);
    let graph = doubling_graph(&device, &X);
    let bytes = graph.to_file(&FileOptions::default()).unwrap();
    let file = GraphFile::read(&bytes).unwrap();
    let [fits, long] = [64, 128].map(|len| device.buffer(len, MemoryKind::DeviceLocal).unwrap());
    let foreign = common::device(1)
        .buffer(64, MemoryKind::DeviceLocal)
        .unwrap();
    let weights = device.import("weights", [0u8; 64]).unwrap();
    let (x, y) = (BufferKey::Label("x"), BufferKey::Index(1));
    let refused = |given: &[(BufferKey<'_>, &BufferView)]| {
        // SAFETY: as for `load`.
        let loaded = unsafe { file.load_trusted(&device, given, &device.kernel_sources()) };
        loaded.unwrap_err()
    };
    for (given, expected) in [
        (
            vec![(x, &*long)],
            "capture file: buffer 0 \"x\" has 64 bytes; the given view has 128",
        ),
        (
            vec![(BufferKey::Label("z"), &*fits)],
            "capture file: there is no buffer \"z\"; the file has 2 buffers",
        ),
        (
            vec![(BufferKey::Index(2), &*fits)],
            "capture file: there is no buffer 2; the file has 2 buffers",
        ),
        (
            vec![(x, &*fits), (BufferKey::Index(0), &*fits)],
            "capture file: buffer 0 \"x\" is given twice",
        ),
        (
            vec![(y, &*foreign)],
            "the view given for buffer 1 belongs to another device",
        ),
        // The same memory for both, which one dispatch reads and writes.
        (
            vec![(x, &*fits), (y, &*fits)],
            "capture file: node 0: kernel \"doubled\": slot 1 is written and overlaps slot 0",
        ),
        (
            vec![(y, &*weights)],
            "capture file: node 0: kernel \"doubled\": slot 1 is declared write; buffer \"weights\" is read-only",
        ),
    ] {
        let error = refused(&given).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let Error::GraphFile(error) = refused(&[(x, &*fits), (y, &*fits)]) else {
        panic!("a capture file's error");
    };
    let GraphFileError::Node { index: 0, error } = *error else {
        panic!("{error}");
    };
    let Error::Dispatch(error) = *error else {
        panic!("{error}");
    };
    assert!(matches!(error.problem, DispatchProblem::Overlap { .. }));

    // A part of a larger buffer will do.
    long.slice(64..).unwrap().write(&X).unwrap();
    let part = long.slice(64..).unwrap();
    let loaded = load(&file, &device, &[(x, &part)]);
    loaded.graph.replay("").unwrap().wait().unwrap();
    assert_eq!(part.read::<u32>().unwrap(), X.map(|x| 4 * x));
    assert_eq!(long.slice(..64).unwrap().read::<u32>().unwrap(), [0; 16]);
}

#[test]
fn labels_that_several_buffers_have_name_none() {
    let device = common::device(1);
    let [x, y] = [(); 2].map(|()| device.buffer(64, MemoryKind::DeviceLocal).unwrap());
    let graph = Graph::capture(&device, |encoder| encoder.copy(&x, &y));
    let graph = graph.unwrap_or_else(|error: Error| panic!("{error}"));
    let bytes = graph.to_file(&FileOptions::default()).unwrap();
    let file = GraphFile::read(&bytes).unwrap();
    let error = file
        .load(&device, &[(BufferKey::Label(""), &x)])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "capture file: 2 buffers are labelled \"\"; give them by index, such as 0 and 1"
    );
}

#[test]
fn weights_can_be_left_out_and_given() {
    let device = common::device(1);
    let weights = device.import("weights", [7u8; 64]).unwrap();
    let x = device.buffer(64, MemoryKind::HostCached).unwrap();
    let graph = Graph::capture(&device, |encoder| encoder.copy(&weights, &x));
    let graph = graph.unwrap_or_else(|error: Error| panic!("{error}"));
    let options = FileOptions {
        contents: Contents::All,
        without_read_only: true,
    };
    let bytes = graph.to_file(&options).unwrap();
    let file = GraphFile::read(&bytes).unwrap();
    let about: Vec<_> = (file.buffers().iter())
        .map(|it| (it.label, it.size, it.kind, it.read_only, it.stored))
        .collect();
    assert_eq!(
        about,
        [
            ("weights", 64, MemoryKind::Unified, true, false),
            ("", 64, MemoryKind::HostCached, false, true)
        ]
    );
    let other = common::device(1);
    let weights = other.import("weights", [9u8; 64]).unwrap();
    let loaded = file
        .load(&other, &[(BufferKey::Label("weights"), &weights)])
        .unwrap();
    loaded.graph.replay("").unwrap().wait().unwrap();
    assert_eq!(loaded.buffers[1].read::<u8>().unwrap(), [9; 64]);
}

#[test]
fn graphs_of_two_devices_are_not_joined() {
    let graph = |device: &Device| {
        let x = device.buffer(4, MemoryKind::DeviceLocal).unwrap();
        Graph::capture(device, |encoder| encoder.fill(&x, 1))
            .unwrap_or_else(|error: Error| panic!("{error}"))
    };
    let (one, two) = (common::device(1), common::device(1));
    let error = graph(&one).then(&graph(&two)).unwrap_err();
    assert!(matches!(error, Error::ForeignDevice { .. }), "{error}");
    let error = Graph::concat(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no graph was given; at least 1 is needed"
    );
}

#[test]
fn a_barrier_at_the_end_stays_in_front_of_what_follows() {
    let device = common::device(1);
    let [x, y] = [(); 2].map(|()| device.buffer(4, MemoryKind::DeviceLocal).unwrap());
    let first = Graph::capture(&device, |encoder| {
        encoder.fill(&x, 1)?;
        encoder.barrier();
        Ok::<(), Error>(())
    });
    let second = Graph::capture(&device, |encoder| encoder.fill(&y, 1));
    let nothing = Graph::capture(&device, |_| Ok::<(), Error>(())).unwrap();
    let (first, second) = (
        first.unwrap(),
        second.unwrap_or_else(|error: Error| panic!("{error}")),
    );
    for graphs in [vec![&first, &second], vec![&first, &nothing, &second]] {
        let joined = Graph::concat(&graphs).unwrap();
        let barriers = joined.barriers();
        assert_eq!(barriers.len(), 1);
        assert_eq!(
            barriers[0].to_string(),
            "before dispatch 1: placed by the caller"
        );
    }
}
