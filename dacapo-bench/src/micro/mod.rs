//! What the runtime costs the host, piece by piece.

mod encode;
mod hazards;
mod launch;
mod memory;
mod pipelines;
mod planning;
mod submit;

use std::time::{Duration, Instant};

use dacapo::Device;

use crate::report::Report;
use crate::work::Result;

/// How much is measured.
pub struct Effort {
    pub rounds: usize,
    /// Dispatches and nodes at most.
    pub most: u32,
}

impl Effort {
    /// Powers of ten from `least` to the most.
    fn sizes(&self, least: u32) -> impl Iterator<Item = u32> {
        let next = |size: &u32| size.checked_mul(10);
        std::iter::successors(Some(least), next).take_while(|size| *size <= self.most)
    }

    /// Rounds for work of a size: fewer of the largest, which take seconds.
    fn rounds(&self, size: u32) -> usize {
        match size {
            0..=1_000 => self.rounds,
            1_001..=10_000 => self.rounds.div_ceil(2),
            _ => self.rounds.div_ceil(6),
        }
    }
}

/// Runs all of them.
pub fn measure(device: &Device, effort: &Effort) -> Result<Report> {
    let mut report = Report::new(device.info());
    report.settings = vec![
        "by hand: push descriptors, push constants, synchronization2, one command buffer".to_owned(),
        match cfg!(feature = "wgpu") {
            true => "wgpu: bind groups made beforehand, immediates, one pass".to_owned(),
            false => "wgpu: not in this build".to_owned(),
        },
        "encoding is timed from opening the encoder to its end; every round runs and its result is checked".to_owned(),
    ];
    report.charts = encode::measure(device, effort)?;
    report.charts.push(hazards::measure(effort)?);
    report.charts.push(planning::measure(effort)?);
    report.charts.push(launch::measure(device, effort)?);
    report.charts.push(submit::measure(device, effort)?);
    report.charts.push(memory::measure(device, effort)?);
    report.charts.push(pipelines::measure(device, effort)?);
    Ok(report)
}

/// Samples of `work`, which gives its own time; one more beforehand warms up.
fn samples(rounds: usize, mut work: impl FnMut() -> Result<Duration>) -> Result<Vec<Duration>> {
    work()?;
    (0..rounds).map(|_| work()).collect()
}

/// How long `work` takes.
fn timed<T, E>(work: impl FnOnce() -> std::result::Result<T, E>) -> Result<Duration>
where
    Box<dyn std::error::Error>: From<E>,
{
    let started = Instant::now();
    let made = work()?;
    let time = started.elapsed();
    drop(made);
    Ok(time)
}

/// In units of which there are so many in a second, for each of `count`.
fn each(times: Vec<Duration>, units: f64, count: f64) -> Vec<f64> {
    let each = |time: Duration| time.as_secs_f64() * units / count;
    times.into_iter().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_end_at_the_most() {
        let effort = |most| Effort { rounds: 12, most };
        let sizes: Vec<u32> = effort(1_000).sizes(10).collect();
        assert_eq!(sizes, [10, 100, 1_000]);
        let sizes: Vec<u32> = effort(u32::MAX).sizes(1).collect();
        assert_eq!(sizes.last(), Some(&1_000_000_000));
        assert_eq!(effort(1).rounds(100_000), 2);
    }

    #[test]
    fn times_are_shared_out() {
        let times = vec![Duration::from_micros(10)];
        assert_eq!(each(times, 1e9, 10.0), [1000.0]);
    }

    #[test]
    fn everything_is_measured_on_the_processor() {
        let device = crate::work::open("cpu").expect("the processor");
        let effort = Effort {
            rounds: 1,
            most: 100,
        };
        let report = measure(&device, &effort).expect("a report");
        for chart in &report.charts {
            assert!(!chart.lines.is_empty(), "{}", chart.name);
        }
        let live = report.median("encode-dependent", "dacapo, live", 100.0);
        assert!(live.is_some_and(|ns| ns > 0.0), "{live:?}");
    }
}
