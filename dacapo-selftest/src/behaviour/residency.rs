//! What stays on the device, and how often it is told.

use dacapo::Error;

use crate::bench::Bench;
use crate::check::{Check, Group, Verdict};
use crate::kit::buffer;

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Residency, name, run);
    vec![
        check("100 added and 50 dropped buffers are one flush", one_flush),
        check("sets of a device share what they hold", shared),
        check("another device's memory is refused", foreign),
    ]
}

fn commit(bench: &Bench) -> Verdict {
    Ok(bench.device.encoder("empty")?.commit()?.wait()?)
}

fn one_flush(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let set = device.residency_set();
    let flushes = || device.counters().residency_flushes;
    let before = flushes();
    commit(bench)?;
    ensure_eq!(flushes(), before, "flushes without a change");
    let mut buffers: Vec<_> = (0..100).map(|_| buffer(device, 16)).collect();
    for buffer in &buffers {
        ensure!(set.add(buffer)?, "a buffer was there before it was added");
        ensure!(!set.add(&buffer.clone())?, "a clone was added");
        ensure!(!set.add(&buffer.slice(4..8)?)?, "a view was added");
    }
    ensure_eq!(
        (set.len(), flushes()),
        (100, before),
        "buffers and flushes before a commit"
    );
    buffers.truncate(50);
    ensure_eq!(set.len(), 50, "buffers of which half are gone");
    commit(bench)?;
    ensure_eq!(device.resident_bytes(), 50 * 64, "bytes that are resident");
    ensure_eq!(flushes(), before + 1, "flushes of 100 buffers");
    commit(bench)?;
    ensure_eq!(
        flushes(),
        before + 1,
        "flushes after a commit without a change"
    );
    Ok(())
}

fn shared(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (first, second) = (device.residency_set(), device.residency_set());
    let memory = buffer(device, 16);
    first.add(&memory)?;
    second.add(&memory)?;
    commit(bench)?;
    ensure!(
        first.remove(&memory.slice(..1)?),
        "a view does not stand for its buffer"
    );
    ensure!(
        !first.remove(&memory) && !first.contains(&memory),
        "it is still in the set"
    );
    commit(bench)?;
    ensure_eq!(
        device.resident_bytes(),
        64,
        "bytes that another set still holds"
    );
    drop(second);
    commit(bench)?;
    ensure_eq!(device.resident_bytes(), 0, "bytes that no set holds");
    Ok(())
}

fn foreign(bench: &Bench) -> Verdict {
    let set = bench.device.residency_set();
    let other = bench.another()?;
    let foreign = buffer(&other, 16);
    ensure_refused!(
        set.add(&foreign),
        Error::ForeignDevice { .. },
        "another device's memory"
    );
    ensure!(!set.contains(&foreign), "it is in the set");
    Ok(())
}
