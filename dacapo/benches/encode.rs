//! What encoding and submitting cost on the CPU backend: nanoseconds a dispatch while recording, microseconds
//! for a round trip and for a wave boundary, the last beside rayon.
//!
//! `cargo bench -p dacapo --bench encode`

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dacapo::hazard::{HazardTracker, RangeAccess};
use dacapo::{
    Access, Arg, Buffer, BufferView, Bytes, CommandEncoder, Device, DeviceOptions, EncoderOptions,
    Graph, Grid, Hazards, Kernel, KernelSource, MemoryKind,
};
use rayon::prelude::*;

const COUNTS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
const WAVES: u32 = 1_000;

fn open(threads: usize) -> Device {
    Device::open(&DeviceOptions {
        threads: NonZeroUsize::new(threads),
        ..DeviceOptions::default()
    })
    .expect("a CPU device opens")
}

/// Best and median seconds of `work`, run for a while.
fn measure(mut work: impl FnMut() -> Duration) -> (f64, f64) {
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() < 15 || (began.elapsed() < Duration::from_millis(60) && times.len() < 2_000) {
        times.push(work().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

/// Dispatches over views of a few buffers: the last binding is written, the others are read.
struct Pattern {
    kernel: Kernel,
    bindings: usize,
    read: Vec<BufferView>,
    written: Vec<BufferView>,
    /// Each dispatch reads what the one before it wrote.
    dependent: bool,
}

impl Pattern {
    fn new(device: &Device, bindings: usize, dependent: bool) -> Pattern {
        let mut source = KernelSource::new("empty").inline::<[u32; 4]>();
        for slot in 0..bindings as u32 {
            let last = slot as usize + 1 == bindings;
            let access = if last {
                Access::ReadWrite
            } else {
                Access::Read
            };
            source = source.binding::<u32>(slot, access);
        }
        let most = COUNTS[COUNTS.len() - 1];
        let buffer = |len| device.buffer(len, MemoryKind::DeviceLocal).expect("memory");
        let slots = |buffer: &Buffer, count: usize| -> Vec<BufferView> {
            let slot = |at| buffer.slice(at as u64 * 64..at as u64 * 64 + 64);
            (0..count).map(|at| slot(at).expect("inside")).collect()
        };
        Pattern {
            kernel: device.kernel(&source.cpu(|_| Ok(()))).expect("a kernel"),
            bindings,
            read: slots(&buffer(64 * 256), 256),
            written: slots(&buffer(64 * most as u64), most),
            dependent,
        }
    }

    fn views(&self, at: usize) -> impl Iterator<Item = (&BufferView, Access)> {
        let chained = self.dependent && at > 0;
        (0..self.bindings).map(move |slot| {
            if slot + 1 == self.bindings {
                let own = if chained && self.bindings == 1 { 0 } else { at };
                (&self.written[own], Access::ReadWrite)
            } else if slot == 0 && chained {
                (&self.written[at - 1], Access::Read)
            } else {
                (
                    &self.read[(at * 7 + slot * 31) % self.read.len()],
                    Access::Read,
                )
            }
        })
    }

    fn encode(&self, encoder: &mut CommandEncoder, count: usize) {
        for at in 0..count {
            let inline = [at as u32; 4];
            let mut args = [Arg::bytes(&inline); 9];
            for (arg, (view, _)) in args.iter_mut().zip(self.views(at)) {
                *arg = Arg::view(view);
            }
            let args = &args[..self.bindings + 1];
            let encoded = encoder.dispatch(&self.kernel, args, Grid::groups([1, 1, 1]));
            encoded.expect("a valid dispatch");
        }
    }

    /// The tracker's part of it alone.
    fn track(&self, tracker: &mut HazardTracker, count: usize) {
        for at in 0..count {
            let mut accesses = [RangeAccess {
                allocation: self.read[0].allocation(),
                range: self.read[0].range(),
                access: Access::Read,
            }; 8];
            for (entry, (view, access)) in accesses.iter_mut().zip(self.views(at)) {
                *entry = RangeAccess {
                    allocation: view.allocation(),
                    range: view.range(),
                    access,
                };
            }
            let accesses = &accesses[..self.bindings];
            if tracker.check(accesses).is_some() {
                tracker.barrier();
            }
            tracker.record(at as u32, accesses);
        }
        tracker.barrier();
    }
}

fn row(name: &str, pattern: &Pattern, mut cost: impl FnMut(usize) -> Duration) {
    print!(
        "{name:8} {:>2} bindings {:11}",
        pattern.bindings,
        if pattern.dependent {
            "dependent"
        } else {
            "independent"
        }
    );
    for count in COUNTS {
        let (best, median) = measure(|| cost(count));
        let each = 1e9 / count as f64;
        print!("  {:>5.0} ({:>5.0})", best * each, median * each);
    }
    println!();
}

fn encode_costs(device: &Device) {
    println!("encoding, ns a dispatch: best (median), by dispatches to an encoder");
    print!("{:34}", "");
    COUNTS.iter().for_each(|count| print!("  {count:>13}"));
    println!();
    for bindings in [1, 4, 8] {
        for dependent in [false, true] {
            let pattern = Pattern::new(device, bindings, dependent);
            for (name, hazards) in [
                ("auto", Hazards::Auto),
                ("manual", Hazards::Manual),
                ("serial", Hazards::Serial),
            ] {
                row(name, &pattern, |count| {
                    let options = EncoderOptions {
                        label: "bench",
                        hazards: Some(hazards),
                        ..EncoderOptions::default()
                    };
                    let mut encoder = device.encoder_with(options).expect("an encoder");
                    let began = Instant::now();
                    pattern.encode(&mut encoder, count);
                    began.elapsed()
                });
            }
            let mut tracker = HazardTracker::new();
            row("tracker", &pattern, |count| {
                let began = Instant::now();
                pattern.track(&mut tracker, count);
                began.elapsed()
            });
        }
    }
}

fn print_line(what: &str, (best, median): (f64, f64), per: f64, unit: &str) {
    let (best, median) = (best * 1e6 / per, median * 1e6 / per);
    println!("{what:56} {best:>8.2} ({median:>8.2}) {unit}");
}

fn submission_costs() {
    println!("\nbest (median)");
    for threads in [1, 2] {
        let device = open(threads);
        let round_trip = measure(|| {
            let began = Instant::now();
            let submission = device.encoder("").and_then(CommandEncoder::commit);
            submission.and_then(|done| done.wait()).expect("it runs");
            began.elapsed()
        });
        let what = format!("empty submission, commit and wait, {threads} threads");
        print_line(&what, round_trip, 1.0, "us");
        let pattern = Pattern::new(&device, 4, true);
        let graph = Graph::capture(&device, |encoder| {
            pattern.encode(encoder, 800);
            Ok::<(), dacapo::Error>(())
        })
        .expect("a capture");
        let replay = measure(|| {
            let mut encoder = device.encoder("").expect("an encoder");
            let began = Instant::now();
            graph.encode(&mut encoder).expect("a replay");
            began.elapsed()
        });
        print_line("encoding a captured graph of 800 nodes", replay, 1.0, "us");
    }
}

/// Steps of the work of a workgroup that lasts long enough for another worker to take the other one.
const LONG: u64 = 4_000;

/// The work of one of the two workgroups of a wave.
fn work(counter: &AtomicU64, steps: u64) {
    let mut x = counter.load(Ordering::Relaxed);
    for step in 0..steps {
        x = black_box(x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ step);
    }
    counter.store(x, Ordering::Relaxed);
}

fn our_waves(threads: usize, steps: u64) -> (f64, f64) {
    let device = open(threads);
    let source = KernelSource::new("two groups")
        .binding::<u32>(0, Access::ReadWrite)
        .inline::<u64>();
    let kernel = source.cpu(|group| {
        static COUNTERS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
        work(&COUNTERS[group.id()[0] as usize], group.inline());
        Ok(())
    });
    let kernel = device.kernel(&kernel).expect("a kernel");
    let target = device.buffer(64, MemoryKind::DeviceLocal).expect("memory");
    measure(|| {
        let mut encoder = device.encoder("waves").expect("an encoder");
        for _ in 0..WAVES {
            let grid = Grid::groups([2, 1, 1]);
            let encoded = encoder.dispatch(&kernel, (&target, Bytes(&steps)), grid);
            encoded.expect("a valid dispatch");
        }
        let submission = encoder.commit().expect("a submission");
        submission.wait().expect("it runs");
        submission.gpu_time().expect("it is complete")
    })
}

fn rayon_waves(threads: usize, wave: impl Fn(&[AtomicU64; 2]) + Sync) -> (f64, f64) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.expect("a pool");
    let counters = [AtomicU64::new(0), AtomicU64::new(0)];
    measure(|| {
        pool.install(|| {
            let began = Instant::now();
            (0..WAVES).for_each(|_| wave(&counters));
            began.elapsed()
        })
    })
}

fn wave_costs() {
    let one = measure(|| {
        let began = Instant::now();
        work(&AtomicU64::new(1), LONG);
        began.elapsed()
    });
    println!("\na wave of two workgroups, us a wave: best (median)");
    print_line("the longer workgroup alone", one, 1.0, "us");
    for steps in [0, LONG] {
        for threads in [1, 2] {
            let line = |what: &str, times| {
                let length = if steps == 0 { "empty" } else { "longer" };
                let what = format!("{what}, {length} groups, {threads} threads");
                print_line(&what, times, f64::from(WAVES), "us");
            };
            line("dacapo", our_waves(threads, steps));
            let scope = |[first, second]: &[AtomicU64; 2]| {
                rayon::scope(|scope| {
                    scope.spawn(|_| work(first, steps));
                    scope.spawn(|_| work(second, steps));
                });
            };
            line("rayon::scope", rayon_waves(threads, scope));
            let parallel = |counters: &[AtomicU64; 2]| {
                counters.par_iter().for_each(|counter| work(counter, steps));
            };
            line("rayon par_iter", rayon_waves(threads, parallel));
        }
    }
}

fn main() {
    encode_costs(&open(2));
    submission_costs();
    wave_costs();
}
