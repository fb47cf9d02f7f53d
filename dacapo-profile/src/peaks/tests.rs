#![allow(
    clippy::print_stderr,
    reason = "says what is not tested, and figures to whoever looks"
)]

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use dacapo::{Backend, CooperativeMatrix, Device, DeviceOptions, DeviceSelector};

use super::*;

const THREADS: usize = 2;

fn cpu(memory_limit: Option<u64>) -> Device {
    let options = DeviceOptions {
        threads: NonZeroUsize::new(THREADS),
        memory_limit,
        ..DeviceOptions::cpu()
    };
    Device::open(&options).unwrap()
}

/// The Vulkan device, if there is one.
fn vulkan() -> Option<Device> {
    let options = DeviceOptions {
        device: DeviceSelector::Backend(Backend::Vulkan),
        ..DeviceOptions::default().with_env().unwrap()
    };
    dacapo_selftest::kit::gpu(Backend::Vulkan, &options)
}

/// The best of some rounds on all threads, in seconds.
fn on_threads(work: impl Fn(usize) + Sync) -> f64 {
    let rounds = (0..8).map(|_| {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let work = &work;
                scope.spawn(move || work(thread));
            }
        });
        began.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// Bytes that plain loops read in a second.
fn plain_read() -> f64 {
    let buffer: Vec<u64> = (0..32 << 20).collect();
    let seconds = on_threads(|thread| {
        let part = buffer.len() / THREADS;
        let part = &buffer[thread * part..][..part];
        std::hint::black_box(part.iter().fold(0, |sum: u64, x| sum.wrapping_add(*x)));
    });
    (8 * buffer.len()) as f64 / seconds
}

/// Operations that plain loops do in a second.
fn plain_multiply_add() -> f64 {
    const TURNS: usize = 100_000;
    const NUMBERS: usize = 64;
    let seconds = on_threads(|_| {
        let (factor, summand) = std::hint::black_box((0.999_f32, 0.5_f32));
        let mut numbers = [1.0f32; NUMBERS];
        for _ in 0..TURNS {
            for number in &mut numbers {
                *number = *number * factor + summand;
            }
        }
        std::hint::black_box(numbers);
    });
    (2 * THREADS * TURNS * NUMBERS) as f64 / seconds
}

fn assert_sane(peaks: &Peaks) {
    assert!(peaks.is_sane(), "{peaks:?}");
    assert!(
        peaks.dispatch_ns < 1e6 && peaks.round_trip_ns < 1e9,
        "{peaks:?}"
    );
}

#[test]
fn the_cpu_is_as_fast_as_plain_loops_say() {
    let device = cpu(None);
    let began = Instant::now();
    let mut steps = Vec::new();
    let peaks = Peaks::measure_with(&device, |step| steps.push(step)).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "it takes too long"
    );
    assert_eq!(steps.len(), 5);
    assert_sane(&peaks);
    assert_eq!(peaks.f16_matrix_operations_per_second, None);

    // Others may have kept the processor busy during the one or the other.
    let agree = |peaks: &Peaks| {
        let (read, arithmetic) = (plain_read(), plain_multiply_add());
        eprintln!("{peaks:?}; plain loops: {read:e}, {arithmetic:e}");
        (0.4..2.5).contains(&(peaks.read_bytes_per_second / read))
            && peaks.copy_bytes_per_second < 1.5 * peaks.read_bytes_per_second
            && peaks.f32_operations_per_second >= 0.8 * arithmetic
    };
    assert!(agree(&peaks) || (0..8).any(|_| agree(&Peaks::measure(&device).unwrap())));
}

#[test]
fn a_gpu_is_measured() {
    let Some(device) = vulkan() else { return };
    let began = Instant::now();
    let peaks = Peaks::measure(&device).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "it takes too long"
    );
    assert_sane(&peaks);
    let has_matrices = device.gpu().unwrap().cooperative_matrix.is_some();
    assert_eq!(
        peaks.f16_matrix_operations_per_second.is_some(),
        has_matrices
    );
    eprintln!("{:?}: {peaks:?}", began.elapsed());
}

#[test]
fn little_memory_is_measured_and_too_little_refused() {
    assert_sane(&Peaks::measure(&cpu(Some(3 << 20))).unwrap());
    let message = Peaks::measure(&cpu(Some(400 << 10)))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("524288 free bytes; 409600 are free"),
        "{message}"
    );
}

/// Few devices run it; the interpreter does, and the compiler of all others is at hand.
#[test]
fn products_of_matrices_of_each_size() {
    use naga::valid::{Capabilities, ValidationFlags, Validator};

    for size in [CooperativeMatrix::Size8, CooperativeMatrix::Size16] {
        // As the runtime would.
        let text = matrix::text(size);
        let text = text.replace("override SUBGROUP_SIZE: u32;", "const SUBGROUP_SIZE = 32u;");
        let module = naga::front::wgsl::parse_str(&text).unwrap();
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
        let info = validator.validate(&module).unwrap();
        let options = naga::back::spv::Options::default();
        let words = naga::back::spv::write_vec(&module, &info, &options, None).unwrap();
        assert!(words.len() > 100);

        let mut options = DeviceOptions {
            device: DeviceSelector::Backend(Backend::Reference),
            ..DeviceOptions::default()
        };
        options.reference.cooperative_matrix = size;
        let device = Device::open(&options).unwrap();
        // Which compares the sums.
        let rate = matrix::measure(&device).unwrap();
        assert!(rate.unwrap() > 0.0);
    }
}
