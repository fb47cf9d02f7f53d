//! Whatever extras of a GPU are left unused, kernels get their arguments.

mod common;

use common::{buffer, vulkan};
use dacapo::{
    Arg, Bytes, Device, Error, Executable, GpuWithout, Graph, Grid, Kernel, KernelSource, Launch,
    MemoryKind, PlanOptions, Split, Update, Wgsl,
};

/// The device with all extras, without each of those that change what is recorded, and without all of them.
fn each() -> impl Iterator<Item = Device> {
    let list = "push_descriptors,synchronization2,push_constants,mapped_device_memory";
    let lists = ["", list].into_iter().chain(list.split(','));
    lists.filter_map(|list| {
        let without: GpuWithout = list.parse().unwrap();
        vulkan(|options| options.gpu_without = without)
    })
}

fn kernel(device: &Device, name: &'static str, text: String) -> Kernel {
    let source = KernelSource::new(name).wgsl(Wgsl::new(text));
    device.kernel(&source).unwrap()
}

/// A kernel that writes its inline words, each plus the number of its dispatch.
fn echo(device: &Device, words: usize) -> Kernel {
    let fields: String = (0..words).map(|at| format!("a{at}: u32, ")).collect();
    let stores: String = (0..words)
        .map(|at| format!("    y[{at}] = p.a{at};\n"))
        .collect();
    let text = format!(
        "struct P {{ {fields} }}
var<immediate> p: P;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() {{\n{stores}}}"
    );
    kernel(device, "echo", text)
}

macro_rules! echo_sizes {
    ($device:expr, $($words:literal)*) => {
        $({
            let (device, words) = ($device, $words as u64);
            let kernel = echo(device, $words);
            let y = [(); 2].map(|()| buffer(device, words));
            let mut encoder = device.encoder("echo").unwrap();
            // Longer and shorter ones between: what is bound must not be taken for what is asked.
            let values = |salt: u32| std::array::from_fn::<u32, $words, _>(|at| salt + at as u32);
            let short = echo(device, 1);
            let scratch = buffer(device, 1);
            for (y, salt) in y.iter().zip([1000, 2000]) {
                encoder.dispatch(&kernel, (y, Bytes(&values(salt))), common::one()).unwrap();
                encoder.dispatch(&short, (&scratch, Bytes(&salt)), common::one()).unwrap();
            }
            encoder.commit().unwrap().wait().unwrap();
            for (y, salt) in y.iter().zip([1000, 2000]) {
                assert_eq!(y.read::<u32>().unwrap(), values(salt), "{words} words");
            }
            assert_eq!(scratch.read::<u32>().unwrap(), [2000]);
        })*
    };
}

#[test]
fn inline_constants_of_4_to_256_bytes_arrive() {
    for device in each() {
        echo_sizes!(&device, 1 2 3 4 5 6 7 8 9 12 15 16 17 24 31 32 48 64);
    }
}

#[test]
fn slots_may_have_gaps() {
    for device in each() {
        let last = device.limits().max_slot.unwrap();
        let slots = [1, 2, 5, last];
        let variables: String = slots
            .iter()
            .map(|slot| {
                let access = if *slot == last { "read_write" } else { "read" };
                format!("@group(0) @binding({slot}) var<storage, {access}> b{slot}: array<u32>;\n")
            })
            .collect();
        let body = format!(
            "@compute @workgroup_size(1) fn main() {{
    b{last}[p] = b1[0] + 10u * b2[0] + 100u * b5[0] + 1000u * arrayLength(&b5);
}}"
        );
        let text = format!("{variables}var<immediate> p: u32;\n{body}");
        let gaps = kernel(&device, "gaps", text);
        let align = u64::from(device.limits().min_binding_alignment);
        let inputs = device.buffer(align * 16, MemoryKind::DeviceLocal).unwrap();
        let mut words = vec![0u32; align as usize * 4];
        let place = |at: u64| align as usize / 4 * at as usize;
        (0..16).for_each(|at| words[place(at)] = at as u32);
        inputs.write(&words).unwrap();
        let output = buffer(&device, 300);
        let mut encoder = device.encoder("gaps").unwrap();
        let mut expected = vec![0; 300];
        for at in 0..300u32 {
            let input = |which: u32, len: u64| {
                let start = u64::from(which) * align;
                inputs.slice(start..start + len).unwrap()
            };
            let [x, y, z] = [at % 4, at % 5, at % 7];
            // Two by name, the others in order, and the last one with an offset of its own.
            let (b1, b2, b5) = (input(x, 4), input(y, 4), input(z, 8));
            let args = [
                Arg::view(&b5).slot(5),
                Arg::view(&output).slot(last),
                Arg::view(&b1).slot(1),
                Arg::view(&b2).slot(2),
                Arg::bytes(&at),
            ];
            encoder.dispatch(&gaps, &args[..], common::one()).unwrap();
            expected[at as usize] = x + 10 * y + 100 * z + 2000;
        }
        encoder.commit().unwrap().wait().unwrap();
        assert_eq!(output.read::<u32>().unwrap(), expected);
    }
}

#[test]
fn grids_come_from_buffers_that_kernels_write() {
    for device in each() {
        let set = kernel(
            &device,
            "set",
            "var<immediate> n: u32;
@group(0) @binding(0) var<storage, read_write> grid: array<u32>;
@compute @workgroup_size(1) fn main() { grid[0] = n; grid[1] = 2u; grid[2] = 1u; }"
                .into(),
        );
        let count = kernel(
            &device,
            "count",
            "@group(0) @binding(0) var<storage, read_write> y: array<atomic<u32>>;
@compute @workgroup_size(4) fn main(@builtin(workgroup_id) group: vec3<u32>) { atomicAdd(&y[group.x], 1u); }"
                .into(),
        );
        let align = u64::from(device.limits().min_binding_alignment);
        let grids = device.buffer(align * 8, MemoryKind::DeviceLocal).unwrap();
        let y = buffer(&device, 8);
        let mut encoder = device.encoder("indirect").unwrap();
        for at in 0..8u32 {
            let start = u64::from(at) * align;
            let grid = grids.slice(start..start + 12).unwrap();
            encoder
                .dispatch(&set, (&grid, Bytes(&at)), common::one())
                .unwrap();
            encoder
                .dispatch(&count, (&y,), Grid::indirect(&grid))
                .unwrap();
        }
        encoder.commit().unwrap().wait().unwrap();
        assert_eq!(
            y.read::<u32>().unwrap(),
            [56, 48, 40, 32, 24, 16, 8, 0],
            "grids of 0 to 7 by 2, four threads each"
        );
    }
}

/// What a byte-wise model says of copies and fills.
#[test]
fn copies_and_fills_work_at_every_alignment() {
    const LEN: usize = 48;
    for device in each() {
        let initial: Vec<u8> = (0..LEN as u8).collect();
        let (a, b) = (buffer(&device, 12), buffer(&device, 12));
        let (mut model_a, mut model_b) = (initial.clone(), initial.clone());
        a.write(&initial).unwrap();
        b.write(&initial).unwrap();
        for start in 0..9usize {
            let mut encoder = device.encoder("alignments").unwrap();
            for len in 1..=13usize {
                let to = (start * 5 + len * 3) % (LEN - 13);
                let value = (start * 16 + len) as u8;
                let range = |first: usize| first as u64..(first + len) as u64;
                encoder
                    .fill(&a.slice(range(start)).unwrap(), value)
                    .unwrap();
                model_a[start..start + len].fill(value);
                let (from, into) = (a.slice(range(start)).unwrap(), b.slice(range(to)).unwrap());
                encoder.copy(&from, &into).unwrap();
                model_b[to..to + len].copy_from_slice(&model_a[start..start + len]);
                // And back, from where the fill was not.
                let (from, into) = (
                    b.slice(range(to)).unwrap(),
                    a.slice(range(LEN - len)).unwrap(),
                );
                encoder.copy(&from, &into).unwrap();
                model_a[LEN - len..].copy_from_slice(&model_b[to..to + len]);
            }
            encoder.commit().unwrap().wait().unwrap();
            assert_eq!(a.read::<u8>().unwrap(), model_a, "from {start}");
            assert_eq!(b.read::<u8>().unwrap(), model_b, "from {start}");
        }
    }
}

/// Bytes beyond what the largest binding reaches: copied, filled, read and written, and refused as a binding.
#[test]
fn a_buffer_longer_than_the_largest_binding_is_of_use() {
    if let Some(device) = vulkan(|_| ()) {
        let limit = device.limits().max_binding_bytes;
        if limit > 1 << 28 {
            common::say(&format!("not run: the largest binding has {limit} bytes"));
            return;
        }
        let len = limit + (1 << 20);
        let long = device.buffer(len, MemoryKind::DeviceLocal).unwrap();
        let end = long.slice(len - 1000..).unwrap();
        assert_eq!(end.read::<u8>().unwrap(), [0; 1000], "fresh memory is zero");
        let mut encoder = device.encoder("long").unwrap();
        encoder.fill(&long, 7).unwrap();
        let head = long.slice(..500).unwrap();
        let tail = long.slice(len - 500..).unwrap();
        encoder.fill(&tail, 9).unwrap();
        encoder.copy(&tail, &head).unwrap();
        let step = common::step_kernel(&device);
        let refused = encoder.dispatch(&step, (&long, Bytes(&1u32)), common::one());
        match refused {
            Err(Error::Dispatch(error)) => {
                let text = error.to_string();
                assert!(
                    text.contains(&len.to_string()) && text.contains(&limit.to_string()),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
        // A part of it is bound far behind.
        let part = long.slice(limit..limit + 64).unwrap();
        encoder
            .dispatch(&step, (&part, Bytes(&1u32)), common::one())
            .unwrap();
        encoder.commit().unwrap().wait().unwrap();
        assert_eq!(end.read::<u8>().unwrap()[..500], [7; 500]);
        assert_eq!(tail.read::<u8>().unwrap(), [9; 500]);
        assert_eq!(head.read::<u8>().unwrap(), [9; 500]);
        let step = |x: u32| x.wrapping_mul(3).wrapping_add(1);
        assert_eq!(part.read::<u32>().unwrap(), [step(0x0707_0707); 16]);
    }
}

/// Several pieces of staging memory, and an end that fills none.
#[test]
fn long_transfers_through_staging_arrive_whole() {
    let apart = |options: &mut dacapo::DeviceOptions| {
        options.gpu_without = "mapped_device_memory".parse().unwrap();
    };
    if let Some(device) = vulkan(apart) {
        const LEN: usize = (20 << 20) + 12345;
        let bytes: Vec<u8> = (0..LEN).map(|at| (at * 7 + at / 251) as u8).collect();
        let before = device.counters();
        let long = device.buffer(LEN as u64, MemoryKind::DeviceLocal).unwrap();
        long.write(&bytes).unwrap();
        assert!(long.read::<u8>().unwrap() == bytes);
        assert_eq!(
            (device.counters() - before).bytes_staged,
            2 * LEN as u64,
            "host and device memory are apart"
        );
        let part = long.slice(9_999_999..10_000_006).unwrap();
        assert_eq!(part.read::<u8>().unwrap(), bytes[9_999_999..10_000_006]);
    }
}

#[test]
fn dispatches_beyond_this_devices_limits_are_refused() {
    if let Some(device) = vulkan(|_| ()) {
        let limits = *device.limits();
        let step = common::step_kernel(&device);
        let y = buffer(&device, 256);
        let mut encoder = device.encoder("refusals").unwrap();
        let mut refused = |args: Arg<'_>, grid: Grid<'_>, parts: &[&str]| {
            let args = [args, Arg::bytes(&1u32)];
            let text = encoder.dispatch(&step, &args[..], grid).unwrap_err();
            let text = text.to_string();
            for part in parts.iter().chain(&["\"step\""]) {
                assert!(text.contains(part), "{text:?} does not name {part:?}");
            }
        };
        for axis in 0..3 {
            let mut groups = [1; 3];
            if let Some(more) = limits.max_groups[axis].checked_add(1) {
                groups[axis] = more;
                refused(
                    Arg::view(&y),
                    Grid::groups(groups),
                    &[&more.to_string(), &format!("{:?}", limits.max_groups)],
                );
            }
        }
        let align = limits.min_binding_alignment;
        let offset = u64::from(align / 2).max(2);
        refused(
            Arg::view_at(&y, offset),
            common::one(),
            &[
                "slot 0",
                &format!("offset {offset}"),
                &format!("multiple of {align}"),
            ],
        );
        let odd = y.slice(offset..).unwrap();
        refused(Arg::view(&odd), common::one(), &["slot 0", "multiple of"]);
        let shared = common::one().with_shared_memory(16);
        refused(Arg::view(&y), shared, &["16 bytes", "at most 0"]);
        drop(encoder);
        let native = KernelSource::new("native").cpu(|_| Ok(()));
        let text = device.kernel(&native).unwrap_err().to_string();
        assert!(
            text.contains("native CPU") && text.contains("WGSL"),
            "{text}"
        );
    }
}

#[test]
fn executables_are_launched_and_patched() {
    for device in each() {
        let kernel = echo(&device, 3);
        let [x, y, z] = [(); 3].map(|()| buffer(&device, 3));
        let graph = Graph::capture(&device, |encoder| {
            encoder.dispatch(&kernel, (&x, Bytes(&[1u32, 2, 3])), common::one())?;
            encoder.copy(&x, &y)?;
            encoder.dispatch(&kernel, (&x, Bytes(&[4u32, 5, 6])), common::one())
        });
        let plan = graph.unwrap().plan(&PlanOptions::default()).unwrap();
        let mut executable = plan.instantiate_with(Split { first: 1, rest: 1 }).unwrap();
        let launch = |executable: &Executable, value: u32| {
            let values = [value; 3];
            let updates = [Update::new(&z, &values)];
            let launch = Launch {
                label: "fallback",
                updates: &updates,
                fetch: Some(&y),
                ..Launch::default()
            };
            let other = Launch {
                fetch: Some(&z),
                ..launch
            };
            [launch, other].map(|launch| executable.launch_with(&launch).unwrap())
        };
        let before = [launch(&executable, 7), launch(&executable, 8)];
        executable
            .set_inline(0, bytemuck::bytes_of(&[9u32, 9, 9]))
            .unwrap();
        let after = launch(&executable, 9);
        for ([y, z], (first, second)) in [
            (&before[0], ([1, 2, 3], 7)),
            (&before[1], ([1, 2, 3], 8)),
            (&after, ([9, 9, 9], 9)),
        ] {
            assert_eq!(y.fetched::<u32>().unwrap(), first);
            assert_eq!(z.fetched::<u32>().unwrap(), [second; 3]);
        }
        assert_eq!(x.read::<u32>().unwrap(), [4, 5, 6]);
        plan.replay_with("parts", Split { first: 1, rest: 1 })
            .unwrap();
        assert_eq!(y.read::<u32>().unwrap(), [1, 2, 3]);
    }
}
