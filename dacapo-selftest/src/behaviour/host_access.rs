//! The host and the device never touch the same bytes at the same time.

use core::time::Duration;

use dacapo::{Bytes, Error, MemoryKind, WhenBusy};

use super::kernels::Slow;
use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::HostAccess, name, run);
    vec![
        check("what the host writes it reads", round_trip),
        check("views stay inside their buffers", inside),
        check("guards exclude each other by bytes", guards),
        check(
            "a commit of mapped memory is refused and nothing runs",
            mapped_commit,
        ),
        check(
            "a guard of memory in flight is refused, and granted afterwards",
            busy,
        ),
        check("a read waits for what writes", waits),
        check("imported memory is read and never written", imported),
    ]
}

fn round_trip(bench: &Bench) -> Verdict {
    let device = &bench.device;
    for kind in [MemoryKind::DeviceLocal, MemoryKind::Unified] {
        for len in [1, 3, 4, 255, 4096, 65_537, 5 << 20] {
            let buffer = device.buffer(len, kind)?;
            let bytes: Vec<u8> = (0..len).map(|at| (at * 31 + len) as u8).collect();
            buffer.write(&bytes)?;
            same(
                &format!("{len} bytes of {kind} memory"),
                &buffer.read::<u8>()?,
                &bytes,
            )?;
            let (from, to) = (len / 3, len - len / 3);
            let part = &bytes[from as usize..to as usize];
            same("a part", &buffer.slice(from..to)?.read::<u8>()?, part)?;
            let mut guard = buffer.map_write(WhenBusy::Wait)?;
            guard[0] = 77;
            guard.finish()?;
            let guard = buffer.map_read(WhenBusy::Wait)?;
            ensure_eq!(guard[0], 77, "a byte that was written through a guard");
            same("the others", &guard[1..], &bytes[1..])?;
        }
    }
    Ok(())
}

fn inside(bench: &Bench) -> Verdict {
    let buffer = bench.device.buffer(100, MemoryKind::Unified)?;
    let view = buffer.slice(10..60)?.slice(5..=14)?;
    ensure_eq!((view.offset(), view.len()), (15, 10), "a view of a view");
    for (start, end) in [(0, 11), (11, 11), (u64::MAX - 5, u64::MAX), (4, 3)] {
        let result = view.slice(start..end);
        ensure_refused!(
            result,
            Error::OutOfRange { len: 10, .. },
            "bytes {start}..{end} of 10"
        );
    }
    ensure_refused!(
        view.write(&[0u8; 9]),
        Error::LengthMismatch {
            given: 9,
            len: 10,
            ..
        },
        "9 bytes into 10"
    );
    ensure_refused!(view.read::<u32>(), Error::Element { .. }, "10 bytes as u32");
    ensure_refused!(
        bench.device.buffer(0, MemoryKind::DeviceLocal),
        Error::EmptyBuffer,
        "a buffer of no bytes"
    );
    Ok(())
}

fn guards(bench: &Bench) -> Verdict {
    let buffer = bench.device.buffer(64, MemoryKind::DeviceLocal)?;
    let (left, right, across) = (
        buffer.slice(..32)?,
        buffer.slice(32..)?,
        buffer.slice(31..33)?,
    );
    let mut writing = left.map_write(WhenBusy::Wait)?;
    let mut beside = right.map_write(WhenBusy::Wait)?;
    writing.fill(1);
    beside.fill(2);
    for busy in [WhenBusy::Wait, WhenBusy::Refuse] {
        ensure_refused!(
            across.map_read(busy),
            Error::Mapped { .. },
            "reading what is written"
        );
        ensure_refused!(
            across.map_write(busy),
            Error::Mapped { .. },
            "writing what is written"
        );
    }
    writing.finish()?;
    beside.finish()?;
    let readers = [
        across.map_read(WhenBusy::Wait)?,
        buffer.map_read(WhenBusy::Wait)?,
    ];
    same("two bytes of two writers", &readers[0][..], &[1, 2])?;
    ensure_refused!(
        left.map_write(WhenBusy::Wait),
        Error::Mapped { .. },
        "writing what is read"
    );
    drop(readers);
    left.map_write(WhenBusy::Refuse)?;
    Ok(())
}

fn mapped_commit(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, mapped, other) = (step_kernel(device), buffer(device, 4), buffer(device, 4));
    let encode = || {
        let mut encoder = device.encoder("either")?;
        encoder.dispatch(&step, (&other, Bytes(&1u32)), one())?;
        encoder.dispatch(&step, (&mapped, Bytes(&2u32)), one())?;
        Ok::<_, Error>(encoder)
    };
    let before = device.counters();
    for round in 0..20 {
        if round % 2 == 0 {
            let guard = mapped.slice(4..8)?.map_read(WhenBusy::Wait)?;
            ensure_refused!(
                encode()?.commit(),
                Error::Mapped { .. },
                "a commit beside a reader"
            );
            drop(guard);
        } else {
            let guard = mapped.map_write(WhenBusy::Wait)?;
            ensure_refused!(
                encode()?.commit(),
                Error::Mapped { .. },
                "a commit beside a writer"
            );
            drop(guard);
        }
    }
    device.wait_idle()?;
    let counted = device.counters() - before;
    ensure_eq!(
        (counted.submissions, counted.dispatches),
        (0, 0),
        "what was submitted"
    );
    same(
        "a target of what was refused",
        &other.read::<u32>()?,
        &[0; 4],
    )?;
    encode()?.commit()?.wait()?;
    same("a target", &mapped.read::<u32>()?, &[2; 4])?;
    same("the other", &other.read::<u32>()?, &[1; 4])
}

fn busy(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let mut slow = Slow::new(device, Duration::from_millis(15))?;
    let (step, target, source) = (step_kernel(device), buffer(device, 4), buffer(device, 4));
    let copy = buffer(device, 4);
    source.write(&[5u32; 4])?;
    loop {
        target.write(&[0u32; 4])?;
        let mut encoder = device.encoder("held")?;
        slow.encode(&mut encoder)?;
        encoder.dispatch(&step, (&target, Bytes(&7u32)), one())?;
        encoder.copy(&source, &copy)?;
        let submission = encoder.commit()?;
        let results = [
            (
                "reading what is written",
                target.map_read(WhenBusy::Refuse).map(drop),
            ),
            (
                "writing what is written",
                target.map_write(WhenBusy::Refuse).map(drop),
            ),
            (
                "writing what is read",
                source.map_write(WhenBusy::Refuse).map(drop),
            ),
        ];
        if submission.is_complete() {
            // It may have ended before it was asked.
            if slow.slower() {
                continue;
            }
            return Err(Flaw::skipped(
                "nothing keeps this device busy for long enough",
            ));
        }
        for (what, result) in results {
            ensure_refused!(
                result,
                Error::Busy { .. },
                "{what} of a submission in flight"
            );
        }
        same("the target", &target.read::<u32>()?, &[7; 4])?;
        ensure!(
            submission.is_complete(),
            "a read did not wait for its submission"
        );
        source.map_write(WhenBusy::Refuse)?;
        return same("the copy", &copy.read::<u32>()?, &[5; 4]);
    }
}

fn waits(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let slow = Slow::new(device, Duration::from_millis(5))?;
    let (step, target) = (step_kernel(device), buffer(device, 1024));
    for round in 0..bench.times(20, 3) {
        target.write(&[round; 1024])?;
        let mut encoder = device.encoder("held")?;
        slow.encode(&mut encoder)?;
        encoder.dispatch(&step, (&target, Bytes(&1u32)), one())?;
        encoder.commit()?;
        // Waits, changes the bytes, and reads them back.
        same(
            "what was computed",
            &target.read::<u32>()?,
            &[3 * round + 1; 1024],
        )?;
    }
    Ok(())
}

fn imported(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let bytes: Vec<u8> = (0..100_000u32).map(|at| (at * 7) as u8).collect();
    let memory = device.import("weights", bytes.clone())?;
    ensure!(memory.is_read_only(), "imported memory can be written");
    ensure_refused!(
        memory.write(&bytes),
        Error::ReadOnly { .. },
        "writing imported memory"
    );
    let target = device.buffer(bytes.len() as u64, MemoryKind::DeviceLocal)?;
    let mut encoder = device.encoder("copy")?;
    encoder.copy(&memory, &target)?;
    let submission = encoder.commit()?;
    drop(memory);
    submission.wait()?;
    same("the copy", &target.read::<u8>()?, &bytes)
}
