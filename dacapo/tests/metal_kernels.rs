//! Kernels on Metal: in its own language, and what WGSL becomes there.
#![allow(unsafe_code, reason = "kernels in Metal's language run without checks")]

mod common;

use common::{device, metal, reference};
use dacapo::{
    Access, Bytes, Device, Error, Grid, KernelCache, KernelSource, MemoryKind, Msl, SharedMemory,
    Wgsl,
};

const TIMES: &str = "
#include <metal_stdlib>
using namespace metal;

constant uint factor [[function_constant(3)]];
constant bool negated [[function_constant(0)]];

kernel void times(device const int *x    [[buffer(0)]],
                  device int *y          [[buffer(1)]],
                  constant int2 &offsets [[buffer(2)]],
                  uint at                [[thread_position_in_grid]]) {
    int value = int(factor) * x[at] + offsets.x - offsets.y;
    y[at] = negated ? -value : value;
}";

fn msl(text: &'static str, entry: &'static str) -> Msl {
    // SAFETY: the kernels here touch one element for each thread, or one for each workgroup.
    unsafe { Msl::new(text, entry) }
}

/// `TIMES` at slots that are far apart.
fn times(msl: Msl) -> KernelSource {
    KernelSource::new("times")
        .binding::<i32>(2, Access::Read)
        .binding::<i32>(9, Access::Write)
        .inline::<[i32; 2]>()
        .workgroup([32, 1, 1])
        .msl(msl)
}

/// What a kernel makes of 0 to 63, with one slot to read and one to write.
fn ran<P: bytemuck::Pod>(device: &Device, source: &KernelSource, inline: &P) -> Vec<i32> {
    let numbers: Vec<i32> = (0..64).collect();
    let [x, y] = [(); 2].map(|()| device.buffer(256, MemoryKind::Unified).unwrap());
    x.write(&numbers).unwrap();
    let kernel = device.kernel(source).unwrap();
    let mut encoder = device.encoder("kernel").unwrap();
    let grid = Grid::threads([64, 1, 1]);
    let done = encoder.dispatch(&kernel, (&x, &y, Bytes(inline)), grid);
    done.unwrap();
    encoder.commit().unwrap().wait().unwrap();
    y.read().unwrap()
}

fn refused(device: &Device, source: &KernelSource) -> String {
    device.kernel(source).unwrap_err().to_string()
}

#[test]
fn buffers_are_numbered_in_the_order_of_slots_and_constants_have_values() {
    let Some(device) = metal(|_| ()) else { return };
    let plain = msl(TIMES, "times").constant(3, 5u32).constant(0, false);
    let found = ran(&device, &times(plain), &[7i32, 2]);
    assert_eq!(found, (0..64).map(|x| 5 * x + 5).collect::<Vec<_>>());
    let named = msl(TIMES, "times")
        .constant("factor", 2u32)
        .constant("negated", true);
    let found = ran(&device, &times(named), &[7i32, 2]);
    assert_eq!(found, (0..64).map(|x| -(2 * x + 5)).collect::<Vec<_>>());
}

const SUMS: &str = "
#include <metal_stdlib>
using namespace metal;

kernel void sums(device const int *x        [[buffer(0)]],
                 device int *y              [[buffer(1)]],
                 threadgroup int *rows      [[threadgroup(1)]],
                 threadgroup int *scratch   [[threadgroup(0)]],
                 uint at                    [[thread_position_in_grid]],
                 uint local                 [[thread_position_in_threadgroup]]) {
    rows[local] = x[at];
    scratch[31 - local] = x[at];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    y[at] = rows[local] + scratch[local];
}";

#[test]
fn threadgroup_memory_is_fixed_or_as_long_as_a_dispatch_says() {
    let Some(device) = metal(|_| ()) else { return };
    let source = KernelSource::new("sums")
        .binding::<i32>(0, Access::Read)
        .binding::<i32>(1, Access::Write)
        .workgroup([32, 1, 1]);
    let wanted: Vec<i32> = (0..64).map(|at| at / 32 * 64 + 31).collect();
    let fixed = msl(SUMS, "sums")
        .threadgroup_memory(0, 128)
        .threadgroup_memory(1, 128);
    let declared = source.clone().shared_memory(SharedMemory::Fixed(256));
    let [x, y] = [(); 2].map(|()| device.buffer(256, MemoryKind::Unified).unwrap());
    x.write(&(0..64).collect::<Vec<i32>>()).unwrap();
    let grid = Grid::threads([64, 1, 1]);
    let dispatched = |source: &KernelSource, grid: Grid<'_>| {
        let kernel = device.kernel(source).unwrap();
        let mut encoder = device.encoder("sums").unwrap();
        encoder.dispatch(&kernel, (&x, &y), grid).unwrap();
        encoder.commit().unwrap().wait().unwrap();
        y.read::<i32>().unwrap()
    };
    assert_eq!(dispatched(&declared.msl(fixed.clone()), grid), wanted);
    let dynamic = msl(SUMS, "sums")
        .threadgroup_memory(1, 128)
        .dynamic_threadgroup_memory(0);
    let shared = SharedMemory::Dynamic { max: 1024 };
    let declared = source.clone().shared_memory(shared);
    let found = dispatched(
        &declared.clone().msl(dynamic.clone()),
        grid.with_shared_memory(128),
    );
    assert_eq!(found, wanted);

    // What is declared and what the form says do not agree.
    let small = source.clone().shared_memory(SharedMemory::Fixed(128));
    let twice = dynamic.clone().dynamic_threadgroup_memory(1);
    let far = fixed.clone().threadgroup_memory(31, 16);
    for (source, part) in [
        (
            small.msl(fixed.clone()),
            "128 bytes of shared memory are declared; the code takes 256",
        ),
        (
            declared.clone().msl(fixed),
            "does not say which argument it is",
        ),
        (
            source.clone().msl(dynamic),
            "argument 0 in threadgroup memory is dynamic",
        ),
        (
            declared.msl(twice),
            "argument 1 in threadgroup memory is both dynamic and of a fixed",
        ),
        (
            source.shared_memory(SharedMemory::Fixed(512)).msl(far),
            "Metal has 0 to 30",
        ),
    ] {
        let message = refused(&device, &source);
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

const PLUS_ONE: &str = "
@group(0) @binding(2) var<storage, read> x: array<i32>;
@group(0) @binding(9) var<storage, read_write> y: array<i32>;
var<immediate> offsets: vec2<i32>;
@compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = x[id.x] + 1 + offsets.x * offsets.y;
}";

#[test]
fn metal_takes_its_own_language_where_it_knows_it() {
    let Some(device) = metal(|_| ()) else { return };
    let own = || msl(TIMES, "times").constant(3, 5u32).constant(0, false);
    let both = |msl| times(msl).wgsl(Wgsl::new(PLUS_ONE));
    assert_eq!(ran(&device, &both(own()), &[0i32, 0])[2], 10);
    assert_eq!(ran(&device, &both(own().needs(99, 0)), &[0i32, 0])[2], 3);
    let message = refused(&device, &times(own().needs(99, 0)));
    assert!(
        message.contains("needs version 99.0 of the Metal Shading Language"),
        "{message}"
    );
}

#[test]
fn what_is_wrong_with_a_kernel_is_said_in_metals_words() {
    let Some(device) = metal(|_| ()) else { return };
    let message = refused(&device, &times(msl(TIMES, "divided")));
    assert!(
        message.contains(r#"no function "divided"; the text has "times""#),
        "{message}"
    );
    let broken = times(msl("kernel void times( {", "times"));
    let message = refused(&device, &broken);
    assert!(
        message.contains("kernel \"times\"") && message.contains("error"),
        "{message}"
    );
    let nothing = KernelSource::new("nothing");
    let message = refused(&device, &nothing);
    assert!(
        message.contains("no form at all") && message.contains("takes WGSL or MSL"),
        "{message}"
    );
}

#[test]
fn other_devices_say_what_they_take() {
    let source = times(msl(TIMES, "times"));
    for (device, takes) in [(device(1), "a native CPU form"), (reference(1), "WGSL")] {
        let error = device.kernel(&source).unwrap_err();
        let name = &device.info().name;
        let said = format!("kernel \"times\" offers MSL; device {name} takes {takes}");
        assert_eq!(error.to_string(), said);
        assert!(matches!(error, Error::UnsupportedKernel { .. }));
    }
    let both = source.wgsl(Wgsl::new(PLUS_ONE));
    let message = refused(&device(1), &both);
    assert!(message.contains("offers WGSL and MSL; "), "{message}");
    assert_eq!(ran(&reference(1), &both, &[0i32, 0])[2], 3);
}

#[test]
fn inline_constants_of_any_length_arrive() {
    let Some(device) = metal(|_| ()) else { return };
    fn with_inline<P: bytemuck::Pod>(
        device: &Device,
        ty: &str,
        value: &str,
        inline: &P,
    ) -> Vec<i32> {
        let text = format!(
            "@group(0) @binding(4) var<storage, read> x: array<i32>;
            @group(0) @binding(5) var<storage, read_write> y: array<i32>;
            var<immediate> p: {ty};
            @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) at: u32) {{
                y[at] = x[at] + {value} + i32(arrayLength(&x));
            }}"
        );
        ran(
            device,
            &KernelSource::new(ty.to_owned()).wgsl(Wgsl::new(text)),
            inline,
        )
    }
    // A vector of three, for which Metal wants the bytes of four.
    let found = with_inline(&device, "vec3<i32>", "p.z", &[1i32, 2, 3]);
    assert_eq!(found[5], 5 + 3 + 64);
    for words in [4usize, 64, 1024, 1028, 4096] {
        let ty = format!("array<vec4<i32>, {}>", words / 4);
        let value = format!("p[{}].w", words / 4 - 1);
        let inline: [i32; 4096] = core::array::from_fn(|at| at as i32);
        let found = match words {
            4 => with_inline(
                &device,
                &ty,
                &value,
                &<[i32; 4]>::try_from(&inline[..4]).unwrap(),
            ),
            64 => with_inline(
                &device,
                &ty,
                &value,
                &<[i32; 64]>::try_from(&inline[..64]).unwrap(),
            ),
            1024 => with_inline(
                &device,
                &ty,
                &value,
                &<[i32; 1024]>::try_from(&inline[..1024]).unwrap(),
            ),
            1028 => with_inline(
                &device,
                &ty,
                &value,
                &<[i32; 1028]>::try_from(&inline[..1028]).unwrap(),
            ),
            _ => with_inline(&device, &ty, &value, &inline),
        };
        assert_eq!(found[5], 5 + (words as i32 - 1) + 64, "{words}");
    }
}

fn archives(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let found = std::fs::read_dir(folder).unwrap().flatten();
    let paths = found.map(|file| file.path());
    let mut archives: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "archive"))
        .collect();
    archives.sort();
    archives
}

#[test]
fn compiled_kernels_are_kept_in_archives() {
    let name = format!("dacapo-metal-archives-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let opened = || metal(|options| options.kernel_cache = KernelCache::Folder(folder.clone()));
    let compile = |factors: core::ops::Range<u32>| {
        let device = opened()?;
        for factor in factors {
            let form = msl(TIMES, "times").constant(3, factor).constant(0, false);
            let found = ran(&device, &times(form), &[1i32, 0]);
            assert_eq!(found[10], 10 * factor as i32 + 1);
        }
        Some(())
    };
    let Some(()) = compile(0..3) else { return };
    let first = archives(&folder);
    assert_eq!(first.len(), 1);
    // A process that finds everything writes nothing; one that does not, an archive of its own.
    compile(0..3);
    assert_eq!(archives(&folder), first);
    compile(2..5);
    assert_eq!(archives(&folder).len(), 2);
    // A damaged one is removed, and what was in it compiled again.
    std::fs::write(&first[0], b"damaged").unwrap();
    compile(0..5);
    let healed = archives(&folder);
    assert_eq!(healed.len(), 2);
    assert!(std::fs::read(&first[0]).is_err() || std::fs::read(&first[0]).unwrap() != b"damaged");
    compile(0..5);
    assert_eq!(archives(&folder), healed);
    std::fs::remove_dir_all(&folder).unwrap();
}
