//! How fast a device is: commands, and decode steps of made-up models.

mod commands;
mod steps;

use dacapo_llm::ModelFiles;
use dacapo_ops::dtype::DType;

use crate::bench::Bench;
use crate::check::{Check, Flaw, Group, Verdict};
use crate::decode::gguf::{Shape, TemporaryFile};

pub(crate) fn checks(with_model: bool) -> Vec<Check> {
    let check = |name, run: fn(&Bench) -> Verdict| Check::new(Group::Speed, name, run);
    let mut checks = vec![
        check("encoding, launches and round trips", commands::measure),
        check("what the device can do at most", peaks),
        check("decode steps of a tiny model", |bench| {
            let file = TemporaryFile::new(Shape::TINY, DType::Q4_0, 1)?;
            steps::measure(
                bench,
                "tiny",
                &ModelFiles::open(file.path())?,
                if bench.is_slow() { 6 } else { 64 },
            )
        }),
        check("decode steps of two layers of a model of 1 B", middle),
    ];
    if with_model {
        checks.push(check("decode steps of the model that was given", |bench| {
            let path = bench
                .model()
                .ok_or_else(|| Flaw::skipped("no model was given"))?;
            steps::measure(
                bench,
                "given",
                &ModelFiles::open(path)?,
                bench.times(32, 8) as usize,
            )
        }));
    }
    checks
}

/// Bytes that must be free for the larger model: its weights twice, and what computing with them takes.
const ROOM: u64 = 1 << 30;

fn middle(bench: &Bench) -> Verdict {
    if bench.is_slow() {
        return Err(Flaw::skipped(
            "not with --quick, and not where the processor stands for a GPU",
        ));
    }
    let budget = bench.device.memory_budget();
    if budget.budget < ROOM {
        let reason = format!(
            "the device may use {} bytes, {ROOM} are needed",
            budget.budget
        );
        return Err(Flaw::skipped(reason));
    }
    let file = TemporaryFile::new(Shape::MIDDLE, DType::Q4_0, 2)?;
    steps::measure(
        bench,
        "2 layers of 1 B",
        &ModelFiles::open(file.path())?,
        16,
    )
}

fn peaks(bench: &Bench) -> Verdict {
    if bench.is_interpreted() {
        return Err(Flaw::skipped("the interpreter has no speed worth knowing"));
    }
    let peaks = dacapo_profile::Peaks::measure(&bench.device)?;
    bench.figure("memory, read", peaks.read_bytes_per_second / 1e9, "GB/s", 1);
    bench.figure(
        "memory, copied",
        peaks.copy_bytes_per_second / 1e9,
        "GB/s",
        1,
    );
    bench.figure(
        "f32 arithmetic",
        peaks.f32_operations_per_second / 1e9,
        "GFLOP/s",
        1,
    );
    if let Some(rate) = peaks.f16_matrix_operations_per_second {
        bench.figure("f16 matrices", rate / 1e9, "GFLOP/s", 1);
    }
    bench.figure(
        "one more dispatch on the device",
        peaks.dispatch_ns / 1e3,
        "us",
        1,
    );
    bench.figure(
        "one more barrier on the device",
        peaks.barrier_ns / 1e3,
        "us",
        1,
    );
    Ok(())
}
