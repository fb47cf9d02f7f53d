//! Waiting for submissions, in every way there is, and the order in which they run.

mod common;

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use common::{Gate, buffer, device, on_devices, one, step_kernel};
use dacapo::{Bytes, Submission};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn wait_timeout_gives_up_and_then_succeeds() {
    on_devices(2, |device| {
        let (gate, target) = (Gate::new(), buffer(&device, 4));
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &target, 1).unwrap();
        let submission = encoder.commit().unwrap();
        gate.wait_entered();
        let began = Instant::now();
        assert!(!submission.wait_timeout(Duration::from_millis(30)).unwrap());
        assert!(began.elapsed() >= Duration::from_millis(30));
        assert!(!submission.wait_timeout(Duration::ZERO).unwrap());
        assert!(!submission.is_complete());
        assert_eq!(
            (submission.gpu_time(), submission.gpu_times()),
            (None, None)
        );
        gate.open();
        assert!(submission.wait_timeout(Duration::MAX).unwrap());
        let times = submission.gpu_times().unwrap();
        // What a GPU's queue waits for does not count as running.
        let waited = Duration::from_millis(25);
        assert!(device.gpu().is_some() || times.end - times.start >= waited);
        assert_eq!(submission.gpu_time(), Some(times.end - times.start));
    });
}

#[test]
fn a_future_wakes_the_waker_of_its_last_poll_once() {
    on_devices(2, |device| {
        let (gate, target) = (Gate::new(), buffer(&device, 4));
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &target, 1).unwrap();
        let mut future = Box::pin(encoder.commit().unwrap().into_future());
        let wakers: Vec<Arc<Count>> = (0..3).map(|_| Arc::default()).collect();
        for count in &wakers {
            let waker = Waker::from(count.clone());
            for _ in 0..3 {
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
            }
        }
        assert_eq!(
            Arc::strong_count(&wakers[0]),
            1,
            "a replaced waker is let go"
        );
        gate.open();
        device.wait_idle().unwrap();
        while wakers[2].get() == 0 {
            std::thread::yield_now();
        }
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(()))));
        let counts: Vec<usize> = wakers.iter().map(|count| count.get()).collect();
        assert_eq!(counts, [0, 0, 1]);
    });
}

#[test]
fn a_dropped_future_lets_its_waker_go() {
    on_devices(1, |device| {
        let (gate, target) = (Gate::new(), buffer(&device, 4));
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &target, 1).unwrap();
        let mut future = Box::pin(encoder.commit().unwrap().into_future());
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop((future, waker));
        assert_eq!(Arc::strong_count(&count), 1);
        gate.open();
        device.wait_idle().unwrap();
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn a_waker_may_panic_and_may_come_back() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker of poor quality");
        }
    }
    struct Commits(dacapo::Device, std::sync::mpsc::SyncSender<Submission>);
    impl Wake for Commits {
        fn wake(self: Arc<Self>) {
            let next = self.0.encoder("from a waker").unwrap().commit().unwrap();
            self.1.send(next).unwrap();
        }
    }
    on_devices(2, |device| {
        let (gate, target) = (Gate::new(), buffer(&device, 4));
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let wakers = [
            Waker::from(Arc::new(Panics)),
            Waker::from(Arc::new(Commits(device.clone(), sender))),
        ];
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &target, 1).unwrap();
        let submissions = [
            encoder.commit().unwrap(),
            device.encoder("").unwrap().commit().unwrap(),
        ];
        let mut futures = submissions.map(|submission| Box::pin(submission.into_future()));
        for (future, waker) in futures.iter_mut().zip(&wakers) {
            assert!(
                future
                    .as_mut()
                    .poll(&mut Context::from_waker(waker))
                    .is_pending()
            );
        }
        gate.open();
        receiver.recv().unwrap().wait().unwrap();
    });
}

#[test]
fn futures_complete_on_an_executor() {
    on_devices(2, |device| {
        let (target, step) = (buffer(&device, 4), step_kernel(&device));
        for round in 0..200u32 {
            let mut encoder = device.encoder("async").unwrap();
            encoder
                .dispatch(&step, (&target, Bytes(&round)), one())
                .unwrap();
            block_on(encoder.commit().unwrap().into_future()).unwrap();
        }
    });
}

#[test]
fn submissions_in_flight_run_in_the_order_of_their_commits() {
    for threads in [1, 3] {
        let device = device(threads);
        let (gate, target) = (Gate::new(), buffer(&device, 4));
        let step = step_kernel(&device);
        let mut encoder = device.encoder("held").unwrap();
        gate.hold(&mut encoder, &target, 1).unwrap();
        let first = encoder.commit().unwrap();
        let mut expected = 1u32;
        let mut submissions = Vec::new();
        for value in 0..100u32 {
            let mut encoder = device.encoder("queued").unwrap();
            encoder
                .dispatch(&step, (&target, Bytes(&value)), one())
                .unwrap();
            submissions.push(encoder.commit().unwrap());
            expected = expected.wrapping_mul(3).wrapping_add(value);
        }
        let numbers: Vec<u64> = submissions.iter().map(Submission::number).collect();
        assert_eq!(
            numbers,
            (first.number() + 1..).take(100).collect::<Vec<_>>()
        );
        gate.open();
        assert_eq!(target.read::<u32>().unwrap(), [expected; 4]);
        assert!(submissions.iter().all(Submission::is_complete));
        let times: Vec<_> = submissions.iter().map(|s| s.gpu_times().unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}

#[test]
fn eight_threads_encode_at_once_and_commit_in_a_fixed_order() {
    on_devices(2, |device| {
        let step = step_kernel(&device);
        let target = buffer(&device, 16);
        let mut expected = 0u32;
        for round in 0..20u32 {
            let encoders: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8u32)
                    .map(|thread| {
                        let (device, step, target) = (&device, &step, &target);
                        scope.spawn(move || {
                            let mut encoder = device.encoder("part").unwrap();
                            for at in 0..50 {
                                let value = round * 1000 + thread * 50 + at;
                                encoder
                                    .dispatch(step, (target, Bytes(&value)), one())
                                    .unwrap();
                            }
                            encoder
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            for encoder in encoders {
                encoder.commit().unwrap();
            }
            for value in round * 1000..round * 1000 + 400 {
                expected = expected.wrapping_mul(3).wrapping_add(value);
            }
        }
        assert_eq!(target.read::<u32>().unwrap(), [expected; 16]);
    });
}

#[test]
fn handles_may_go_while_work_runs() {
    let gate = Gate::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    struct Tells(Vec<u8>, std::sync::mpsc::Sender<()>);
    impl AsRef<[u8]> for Tells {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Tells {
        fn drop(&mut self) {
            self.1.send(()).unwrap();
        }
    }
    let device = device(2);
    let source = device.import("file", Tells(vec![1; 64], sender)).unwrap();
    let target = buffer(&device, 16);
    let mut encoder = device.encoder("held").unwrap();
    gate.hold(&mut encoder, &target, 1).unwrap();
    encoder.copy(&source, &target).unwrap();
    drop(encoder.commit().unwrap());
    drop((source, target, device));
    assert!(
        receiver.recv_timeout(Duration::from_millis(20)).is_err(),
        "still in use"
    );
    gate.open();
    // The owner goes with the last user, and the queue ends after it.
    receiver.recv_timeout(Duration::from_secs(20)).unwrap();
}
