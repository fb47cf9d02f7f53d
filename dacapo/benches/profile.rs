//! What profiling costs, by its level: nanoseconds a dispatch while recording, microseconds for a launch of 800 nodes, and
//! how long the device takes for them. Levels take turns, so that all meet the same machine.
//!
//! `cargo bench -p dacapo --bench profile [DEVICE]`

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

mod common;

use std::time::Instant;

use dacapo::{
    Buffer, Bytes, CommandEncoder, Device, EncoderOptions, Executable, Graph, Grid, Kernel, Launch,
    MemoryKind, PlanOptions, ProfileLevel,
};

const NODES: usize = 800;
const ROUNDS: usize = 200;
const LEVELS: [ProfileLevel; 3] = [
    ProfileLevel::Off,
    ProfileLevel::Submissions,
    ProfileLevel::Dispatches,
];

/// A chain over two activations, in scopes as a model has them.
struct Chain {
    kernel: Kernel,
    buffers: [Buffer; 3],
}

impl Chain {
    fn new(device: &Device) -> Chain {
        let buffer = || device.buffer(256, MemoryKind::DeviceLocal).expect("memory");
        Chain {
            kernel: common::tiny(device),
            buffers: [(); 3].map(|()| buffer()),
        }
    }

    fn encode(&self, encoder: &mut CommandEncoder) -> dacapo::Result<()> {
        let [w, x, y] = &self.buffers;
        for node in 0..NODES / 8 {
            let mut layer = encoder.scope("layer");
            for within in 0..8 {
                let (x, y) = if within % 2 == 0 { (x, y) } else { (y, x) };
                let inline = [node as u32; 4];
                layer.dispatch(
                    &self.kernel,
                    (w, x, y, Bytes(&inline)),
                    Grid::groups([1, 1, 1]),
                )?;
            }
        }
        Ok(())
    }

    /// Nanoseconds a dispatch for encoding, microseconds on the device.
    fn live(&self, device: &Device, profile: ProfileLevel) -> [f64; 2] {
        let options = EncoderOptions {
            label: "chain",
            profile,
            ..EncoderOptions::default()
        };
        let mut encoder = device.encoder_with(options).expect("an encoder");
        let began = Instant::now();
        self.encode(&mut encoder).expect("valid dispatches");
        let encoding = began.elapsed();
        let submission = encoder.commit().expect("a submission");
        submission.wait().expect("it runs");
        let time = submission.gpu_time().expect("it is complete");
        [
            encoding.as_secs_f64() * 1e9 / NODES as f64,
            time.as_secs_f64() * 1e6,
        ]
    }
}

/// Microseconds of a launch for its caller, and on the device.
fn launched(executable: &Executable, profile: ProfileLevel) -> [f64; 2] {
    let launch = Launch {
        label: "chain",
        profile,
        ..Launch::default()
    };
    let began = Instant::now();
    let submission = executable.launch_with(&launch).expect("a submission");
    let launching = began.elapsed();
    submission.wait().expect("it runs");
    let time = submission.gpu_time().expect("it is complete");
    [launching, time].map(|time| time.as_secs_f64() * 1e6)
}

fn report(what: [&str; 2], mut one: impl FnMut(ProfileLevel) -> [f64; 2]) {
    let mut times = [const { [Vec::new(), Vec::new()] }; LEVELS.len()];
    for _ in 0..ROUNDS {
        for (times, level) in times.iter_mut().zip(LEVELS) {
            for (times, value) in times.iter_mut().zip(one(level)) {
                times.push(value);
            }
        }
    }
    for (at, what) in what.into_iter().enumerate() {
        print!("{what:36}");
        let mut off = 0.0;
        for (times, level) in times.iter_mut().zip(LEVELS) {
            let times = &mut times[at];
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            if level == ProfileLevel::Off {
                off = median;
            }
            print!("  {median:>9.2} ({:>5.2}x)", median / off);
        }
        println!();
    }
}

fn main() {
    let device = common::device();
    println!("{}, medians (beside off)", device.info().name);
    print!("{:36}", "");
    LEVELS
        .iter()
        .for_each(|level| print!("  {:>18}", format!("{level:?}").to_lowercase()));
    println!();
    let chain = Chain::new(&device);
    let live = ["encoding, ns a dispatch", "running 800 waves live, us"];
    report(live, |level| chain.live(&device, level));
    let graph = Graph::capture(&device, |encoder| chain.encode(encoder)).expect("a capture");
    let plan = graph.plan(&PlanOptions::default()).expect("a plan");
    let executable = plan.instantiate().expect("an executable");
    let planned = ["launching 800 nodes, us", "running 800 waves launched, us"];
    report(planned, |level| launched(&executable, level));
}
