//! What must be refused or reported, and never bring anything down.

use dacapo::{
    Access, Backend, BufferOptions, Bytes, Device, DeviceKind, DeviceOptions, DeviceSelector,
    EncoderOptions, Error, Fault, GraphFile, Hazards, KernelFault, KernelSource, MemoryKind,
    SharedMemory, Wgsl,
};

use tracing::subscriber::{NoSubscriber, with_default};

use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Faults, name, run);
    vec![
        check(
            "kernel text that does not compile is refused with its place",
            bad_text,
        ),
        check("kernels without a form for the device are refused", no_form),
        check("declarations that pass limits are refused", declarations),
        check("more memory than there is is refused", memory),
        check("accesses outside of buffers do no harm", outside),
        check(
            "a kernel that fails is an error of its submission alone",
            failing,
        ),
        check("missing barriers are counted or put", missing_barriers),
        check("a device that is not there is refused", no_device),
        check("a damaged capture file is refused", capture_file),
    ]
}

fn bad_text(bench: &Bench) -> Verdict {
    let device = &bench.device;
    if bench.is_cpu() {
        return Err(Flaw::skipped("the processor compiles no kernel text"));
    }
    for (what, text) in [
        ("no WGSL at all", "this is no WGSL"),
        (
            "an unknown name",
            "@compute @workgroup_size(1) fn main() { nowhere[0] = 1u; }",
        ),
        (
            "a wrong type",
            "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(1) fn main() { x[0] = 1.5; }",
        ),
        ("no entry point", "fn helper() {}"),
        (
            "a write to what is read",
            "@group(0) @binding(0) var<storage, read> x: array<u32>;
@compute @workgroup_size(1) fn main() { x[0] = 1u; }",
        ),
    ] {
        match device.kernel(&KernelSource::new("broken").wgsl(Wgsl::new(text))) {
            Ok(_) => return Err(Flaw::failed(format!("{what}: compiled"))),
            Err(error) => {
                let message = error.to_string();
                ensure!(
                    message.contains("broken"),
                    "{what}: the kernel is not named in {message:?}"
                );
            }
        }
    }
    // Nothing of that is in the way of others.
    let target = buffer(device, 4);
    let mut encoder = device.encoder("after")?;
    encoder.dispatch(&step_kernel(device), (&target, Bytes(&5u32)), one())?;
    encoder.commit()?.wait()?;
    same("the target", &target.read::<u32>()?, &[5; 4])
}

fn no_form(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let nothing = device.kernel(&KernelSource::new("nothing"));
    ensure_refused!(
        nothing,
        Error::UnsupportedKernel { .. },
        "a kernel without any form"
    );
    let source = KernelSource::new("other").binding::<u32>(0, Access::Write);
    let source = match bench.is_cpu() {
        true => source.wgsl(Wgsl::new(
            "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(1) fn main() { x[0] = 1u; }",
        )),
        false => source.cpu(|_| Ok(())),
    };
    ensure_refused!(
        device.kernel(&source),
        Error::UnsupportedKernel { .. },
        "a kernel in a form for other devices"
    );
    Ok(())
}

fn declarations(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let limits = *device.limits();
    let text = "@compute @workgroup_size(1) fn main() {}";
    let named = || {
        KernelSource::new("bad")
            .cpu(|_| Ok(()))
            .wgsl(Wgsl::new(text))
    };
    let many = (0..=limits.max_bindings).fold(named(), |source, slot| {
        source.binding::<u32>(slot, Access::Read)
    });
    let shared = SharedMemory::Fixed(limits.max_shared_bytes.saturating_add(1));
    let mut bad = vec![
        ("too many bindings", many),
        (
            "a slot twice",
            named()
                .binding::<u8>(2, Access::Read)
                .binding::<u8>(2, Access::Read),
        ),
    ];
    // Otherwise the text says how large workgroups and their memory are.
    if bench.is_cpu() {
        bad.push(("too much shared memory", named().shared_memory(shared)));
        bad.push(("a workgroup of no threads", named().workgroup([0, 1, 1])));
        bad.push((
            "a workgroup of 2^96 threads",
            named().workgroup([u32::MAX; 3]),
        ));
    }
    for (what, source) in bad {
        match device.kernel(&source) {
            Ok(_) => return Err(Flaw::failed(format!("{what}: taken"))),
            Err(error) => ensure!(
                error.to_string().contains("\"bad\""),
                "{what}: the kernel is not named in {:?}",
                error.to_string()
            ),
        }
    }
    Ok(())
}

fn memory(bench: &Bench) -> Verdict {
    let device = &bench.device;
    for len in [u64::MAX, u64::MAX / 2, 1 << 50] {
        let options = BufferOptions {
            len,
            kind: MemoryKind::DeviceLocal,
            label: "huge",
        };
        match device.buffer_with(&options) {
            Err(Error::OverBudget { .. } | Error::OutOfMemory { .. } | Error::TooLong { .. }) => {}
            Err(error) => {
                return Err(Flaw::failed(format!(
                    "{len} bytes: refused otherwise: {error}"
                )));
            }
            Ok(_) => return Err(Flaw::failed(format!("{len} bytes: not refused"))),
        }
    }
    let target = buffer(device, 4);
    let mut encoder = device.encoder("after")?;
    encoder.fill(&target, 1)?;
    encoder.commit()?.wait()?;
    same("the target", &target.read::<u8>()?, &[1; 16])
}

/// A device that checks kernels reports this; the others, and their neighbours' memory, come to no harm.
fn outside(bench: &Bench) -> Verdict {
    let device = &bench.device;
    if bench.is_cpu() {
        return Err(Flaw::skipped("native kernels have slices, which end"));
    }
    let text = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
    y[i * 1000u] = 7u;
    y[i] = x[i + 1000000u];
}";
    let kernel = device.kernel(&KernelSource::new("wild").wgsl(Wgsl::new(text)))?;
    let align = u64::from(device.limits().min_binding_alignment).max(64);
    let (x, all) = (buffer(device, 16), buffer(device, 3 * align / 4 + 64));
    x.write(&[9u32; 16])?;
    all.write(&vec![0xa5u8; 3 * align as usize + 256])?;
    let middle = all.slice(align..align + 64)?;
    let mut encoder = device.encoder("wild")?;
    encoder.dispatch(&kernel, (&x, &middle), one())?;
    match (bench.is_interpreted(), encoder.commit()?.wait()) {
        (true, Err(Error::Submission(failure))) => {
            let is_report = matches!(failure.fault, Fault::Check { .. });
            ensure!(is_report, "failed otherwise: {failure}");
            return Ok(());
        }
        (true, Ok(())) => return Err(Flaw::failed("nothing was reported")),
        (_, outcome) => outcome?,
    }
    let (head, tail) = (all.slice(..align)?, all.slice(align + 64..)?);
    same(
        "bytes before",
        &head.read::<u8>()?,
        &vec![0xa5; align as usize],
    )?;
    let rest = tail.len() as usize;
    same("bytes behind", &tail.read::<u8>()?, &vec![0xa5; rest])
}

fn failing(bench: &Bench) -> Verdict {
    let device = &bench.device;
    if !bench.is_cpu() {
        return Err(Flaw::skipped(
            "only kernels of the processor can say that they failed",
        ));
    }
    let source = KernelSource::new("fails")
        .binding::<u32>(0, Access::Write)
        .cpu(|_| Err(KernelFault::new("on purpose")));
    let (kernel, target) = (device.kernel(&source)?, buffer(device, 4));
    let mut encoder = device.encoder("bad")?;
    encoder.scope("here").dispatch(&kernel, (&target,), one())?;
    let failed = encoder.commit()?;
    for _ in 0..2 {
        let Err(Error::Submission(failure)) = failed.wait() else {
            return Err(Flaw::failed("a wait does not tell"));
        };
        ensure_eq!(
            (&*failure.label, &*failure.scope, &*failure.kernel),
            ("bad", "here", "fails"),
            "what failed"
        );
    }
    ensure_refused!(
        target.read::<u32>(),
        Error::Submission(_),
        "reading what was not written"
    );
    let mut encoder = device.encoder("good")?;
    encoder.fill(&target, 1)?;
    encoder.commit()?.wait()?;
    same("the target", &target.read::<u8>()?, &[1; 16])
}

fn missing_barriers(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (backend, kind) = (device.info().backend, device.info().kind);
    if (backend, kind) == (Backend::Metal, DeviceKind::SoftwareGpu) {
        return Err(Flaw::skipped("Metal's double ends the program at a race"));
    }
    let (step, target) = (step_kernel(device), buffer(device, 4));
    let before = device.counters();
    let mut encoder = device.encoder_with(EncoderOptions {
        label: "racing",
        hazards: Some(Hazards::Manual),
        ..EncoderOptions::default()
    })?;
    // Debug builds warn, which is what is wanted here, and would alarm whoever reads it.
    with_default(NoSubscriber::new(), || {
        (0..4u32).try_for_each(|value| encoder.dispatch(&step, (&target, Bytes(&value)), one()))
    })?;
    let outcome = encoder.commit()?.wait();
    let missing = (device.counters() - before).barriers_missing;
    match backend {
        Backend::Cpu => {
            outcome?;
            ensure_eq!(missing, 3, "barriers that were counted as missing");
            same(
                "the target",
                &target.read::<u32>()?,
                &[crate::kit::stepped(0, 0..4); 4],
            )
        }
        Backend::Reference => {
            ensure_refused!(
                outcome,
                Error::Submission(_),
                "a race under the interpreter"
            );
            Ok(())
        }
        // Debug builds count; the bytes may be any.
        _ => {
            let counted = if cfg!(debug_assertions) { 3 } else { missing };
            ensure_eq!(missing, counted, "barriers that were counted as missing");
            Ok(())
        }
    }
}

fn no_device(bench: &Bench) -> Verdict {
    let name = "a device of this name is nowhere";
    let options = DeviceOptions {
        device: DeviceSelector::Name(name.to_owned()),
        ..bench.options.clone()
    };
    match Device::open(&options) {
        Err(error @ Error::NoDevice { .. }) => {
            let text = error.to_string();
            let own = &bench.device.info().name;
            ensure!(text.contains(name), "what was asked for is not in {text:?}");
            ensure!(
                text.contains(own.as_str()),
                "{own:?}, which is there, is not in {text:?}"
            );
            Ok(())
        }
        Err(error) => Err(Flaw::failed(format!("refused otherwise: {error}"))),
        Ok(_) => Err(Flaw::failed("there is such a device")),
    }
}

fn capture_file(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let target = buffer(device, 4);
    let graph = dacapo::Graph::capture(device, |encoder| encoder.fill(&target, 3))?;
    let bytes = graph.to_file(&dacapo::FileOptions::default())?;
    GraphFile::read(&bytes)?;
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        // Whatever comes out, nothing must break.
        let _ = GraphFile::read(&damaged);
        ensure!(
            GraphFile::read(&bytes[..at]).is_err(),
            "the first {at} bytes of a file are taken"
        );
    }
    Ok(())
}
