//! Memory of pools is never issued twice at the same time.

use core::time::Duration;
use std::collections::HashSet;

use dacapo::{BufferPool, BufferView, Device, Error, PoolOptions};

use super::kernels::Slow;
use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::buffer;

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Pools, name, run);
    vec![
        check("blocks that are out are apart", apart),
        check(
            "a reset in flight issues nothing again until the work is done",
            reset_in_flight,
        ),
        check("blocks are issued again and hold what is written", again),
        check("what is not out cannot be released", not_out),
    ]
}

fn pool(device: &Device, slab_bytes: u64) -> BufferPool {
    let options = PoolOptions {
        slab_bytes,
        ..PoolOptions::default()
    };
    BufferPool::new(device, options)
}

fn place(view: &BufferView) -> (u32, u64) {
    (view.allocation().index(), view.offset())
}

/// Fails if two of the views share a byte.
fn ensure_apart(views: &[BufferView]) -> Verdict {
    for (at, a) in views.iter().enumerate() {
        let mut others = views[..at].iter();
        let both =
            others.find(|b| a.allocation() == b.allocation() && a.range().overlaps(&b.range()));
        if let Some(b) = both {
            return Err(Flaw::failed(format!("{a:?} and {b:?} share bytes")));
        }
    }
    Ok(())
}

fn apart(bench: &Bench) -> Verdict {
    let pool = pool(&bench.device, 1 << 18);
    for round in 0..bench.times(20, 4) as usize {
        let mut live = Vec::new();
        for at in 0..60usize {
            live.push(pool.allocate(100 + 97 * (at as u64 * 31 % 17))?);
            if at % 3 == round % 3 {
                let at = (at * 7) % live.len();
                pool.release(live.swap_remove(at))?;
            }
        }
        ensure_apart(&live)?;
        for view in live.drain(..).step_by(2) {
            pool.release(view)?;
        }
        pool.reset();
    }
    let owned = pool.owned_bytes();
    ensure!(
        owned <= 3 << 18,
        "the pool has grown to {owned} bytes for 60 blocks at a time"
    );
    Ok(())
}

fn reset_in_flight(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let mut slow = Slow::new(device, Duration::from_millis(15))?;
    // Memory may be made behind everything on a queue, and would wait for the work: here it is there beforehand.
    let pool = pool(device, 1 << 16);
    let reserve: Vec<_> = (0..24)
        .map(|_| pool.allocate(4096))
        .collect::<Result<_, _>>()?;
    drop(reserve);
    pool.reset();
    loop {
        let first: Vec<_> = (0..4)
            .map(|_| pool.allocate(4096))
            .collect::<Result<_, _>>()?;
        let old: HashSet<_> = first.iter().map(place).collect();
        let mut encoder = device.encoder("held")?;
        slow.encode(&mut encoder)?;
        // One block of the generation is enough to hold all of it.
        encoder.fill(&first[3], 7)?;
        let submission = encoder.commit()?;
        drop(first);
        pool.reset();
        let second: Vec<_> = (0..4)
            .map(|_| pool.allocate(4096))
            .collect::<Result<_, _>>()?;
        ensure_apart(&second)?;
        let again = second
            .iter()
            .filter(|view| old.contains(&place(view)))
            .count();
        if submission.is_complete() {
            if slow.slower() {
                continue;
            }
            return Err(Flaw::skipped(
                "nothing keeps this device busy for long enough",
            ));
        }
        ensure_eq!(
            again,
            0,
            "blocks that were issued again while they were in use"
        );
        submission.wait()?;
        let third: Vec<_> = (0..24)
            .map(|_| pool.allocate(4096))
            .collect::<Result<_, _>>()?;
        let again = third
            .iter()
            .filter(|view| old.contains(&place(view)))
            .count();
        ensure_eq!(
            again,
            4,
            "blocks that were issued again when nobody used them any more"
        );
        return Ok(());
    }
}

fn again(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (pool, result) = (pool(device, 1 << 16), buffer(device, 256));
    for round in 0..bench.times(200, 20) {
        let block = pool.allocate(1024)?;
        let mut encoder = device.encoder("block")?;
        encoder.fill(&block, round as u8)?;
        encoder.copy(&block, &result)?;
        encoder.commit()?;
        drop(block);
        pool.reset();
        if round % 20 == 19 {
            same("a block", &result.read::<u8>()?, &[round as u8; 1024])?;
        }
    }
    device.wait_idle()?;
    let owned = pool.owned_bytes();
    ensure!(
        owned <= 200 * 1024 + (1 << 16),
        "the pool has grown to {owned} bytes"
    );
    Ok(())
}

fn not_out(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (own, other) = (pool(device, 1 << 16), pool(device, 1 << 16));
    let block = own.allocate(300)?;
    for (what, view) in [
        ("another pool's block", other.allocate(300)?),
        ("a buffer of no pool", buffer(device, 100).slice(..)?),
        ("the middle of a block", block.slice(8..)?),
    ] {
        ensure_refused!(own.release(view), Error::NotInPool { .. }, "{what}");
    }
    own.release(block.clone())?;
    ensure_refused!(
        own.release(block),
        Error::NotInPool { .. },
        "a block for the second time"
    );
    Ok(())
}
