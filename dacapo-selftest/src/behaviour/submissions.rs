//! Waiting for submissions, and the order in which they run.

use core::future::{Future, IntoFuture};
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use dacapo::{Bytes, Submission};

use super::kernels::Slow;
use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict, same};
use crate::kit::{buffer, one, step_kernel, stepped};

pub(super) fn checks() -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Submissions, name, run);
    vec![
        check("many in flight run in the order of their commits", order),
        check(
            "a wait gives up when its time is over, and later succeeds",
            timeout,
        ),
        check("futures complete", futures),
        check("handles may go while work runs", handles),
        check("threads encode at the same time", threads),
        check("an empty submission completes", empty),
    ]
}

fn order(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 64));
    let count = bench.times(500, 60);
    let mut submissions = Vec::new();
    for value in 0..count {
        let mut encoder = device.encoder("queued")?;
        encoder.dispatch(&step, (&target, Bytes(&value)), one())?;
        submissions.push(encoder.commit()?);
    }
    same(
        "the target",
        &target.read::<u32>()?,
        &[stepped(0, 0..count); 64],
    )?;
    let done = submissions.iter().filter(|it| it.is_complete()).count();
    ensure_eq!(
        done,
        count as usize,
        "submissions that are complete when the last is"
    );
    let numbers: Vec<u64> = submissions.iter().map(Submission::number).collect();
    ensure!(
        numbers.windows(2).all(|it| it[0] + 1 == it[1]),
        "numbers: {numbers:?}"
    );
    for submission in &submissions {
        submission.wait()?;
    }
    let times: Option<Vec<_>> = submissions.iter().map(Submission::gpu_times).collect();
    let times = times.ok_or_else(|| Flaw::failed("a complete submission has no times"))?;
    let backwards = times.iter().position(|it| it.start > it.end);
    ensure_eq!(
        backwards,
        None,
        "the first submission that ends before it starts"
    );
    Ok(())
}

fn timeout(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let mut slow = Slow::new(device, Duration::from_millis(40))?;
    loop {
        let submission = slow.commit(device)?;
        let began = Instant::now();
        if submission.wait_timeout(Duration::from_millis(2))? {
            if slow.slower() {
                continue;
            }
            return Err(Flaw::skipped(
                "nothing keeps this device busy for long enough",
            ));
        }
        let waited = began.elapsed();
        ensure!(
            waited >= Duration::from_millis(2),
            "gave up after {waited:?}, asked for 2 ms"
        );
        ensure!(
            submission.wait_timeout(Duration::from_secs(30))?,
            "30 seconds were not enough"
        );
        ensure!(submission.is_complete(), "not complete after a wait");
        ensure!(submission.gpu_times().is_some(), "no times after a wait");
        return Ok(());
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn futures(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 4));
    let count = bench.times(200, 30);
    for round in 0..count {
        let mut encoder = device.encoder("async")?;
        encoder.dispatch(&step, (&target, Bytes(&round)), one())?;
        block_on(encoder.commit()?.into_future())?;
    }
    same(
        "the target",
        &target.read::<u32>()?,
        &[stepped(0, 0..count); 4],
    )
}

fn handles(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let slow = Slow::new(device, Duration::from_millis(5))?;
    let result = buffer(device, 64);
    for round in 0..bench.times(20, 3) {
        let (step, temporary) = (step_kernel(device), buffer(device, 64));
        temporary.write(&[round; 64])?;
        let mut encoder = device.encoder("left alone")?;
        slow.encode(&mut encoder)?;
        encoder.dispatch(&step, (&temporary, Bytes(&1u32)), one())?;
        encoder.copy(&temporary, &result)?;
        drop(encoder.commit()?);
        drop((step, temporary));
        same("the result", &result.read::<u32>()?, &[3 * round + 1; 64])?;
    }
    Ok(())
}

fn threads(bench: &Bench) -> Verdict {
    let device = &bench.device;
    let (step, target) = (step_kernel(device), buffer(device, 16));
    let mut expected = 0;
    for round in 0..bench.times(20, 3) {
        let encoded: Result<Vec<_>, Flaw> = thread::scope(|scope| {
            let part = |thread: u32| {
                let (step, target) = (&step, &target);
                move || {
                    let mut encoder = device.encoder("part")?;
                    for at in 0..20 {
                        let value = round * 1000 + thread * 20 + at;
                        encoder.dispatch(step, (target, Bytes(&value)), one())?;
                    }
                    Ok::<_, dacapo::Error>(encoder)
                }
            };
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(part(thread))).collect();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(encoder) => encoder.map_err(Flaw::from),
                Err(_) => Err(Flaw::failed("a thread that encodes panicked")),
            });
            joined.collect()
        });
        for encoder in encoded? {
            encoder.commit()?;
        }
        expected = stepped(expected, round * 1000..round * 1000 + 160);
    }
    same("the target", &target.read::<u32>()?, &[expected; 16])
}

fn empty(bench: &Bench) -> Verdict {
    for _ in 0..10 {
        let submission = bench.device.encoder("empty")?.commit()?;
        submission.wait()?;
        ensure!(submission.is_complete(), "not complete after a wait");
    }
    Ok(bench.device.wait_idle()?)
}
