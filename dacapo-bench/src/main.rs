//! What it costs the host to encode one dispatch: calls to Vulkan by hand, dacapo, and wgpu, side by side.
//!
//! Every contender records the same work, rounds interleaved: a kernel with two buffers and 16 bytes of constants
//! that change with each dispatch, in one command buffer. Dispatches either all are independent, or each reads
//! what the one before wrote. Only recording is timed, from opening the encoder to its end; the work then runs, and
//! its result is checked, before the next round.
//!
//! Then what dacapo takes to launch 800 of these dispatches that were recorded before.
//!
//! Usage: `cargo run --release -- [DEVICE] [DISPATCHES] [ROUNDS]`

mod by_dacapo;
mod by_hand;
mod by_wgpu;
mod launches;
mod work;

use std::time::Duration;

use by_hand::Descriptors;
use dacapo::{Device, DeviceOptions, DeviceSelector};
use work::{Contender, Order};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let selector = arguments.next().unwrap_or_else(|| "vulkan".to_owned());
    let dispatches = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let rounds = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let device = Device::open(&DeviceOptions {
        device: selector.parse::<DeviceSelector>()?,
        ..DeviceOptions::default()
    })?;
    println!(
        "{}, {dispatches} dispatches, median of {rounds} rounds",
        device.info().name
    );

    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(by_hand::ByHand::new(&device, Descriptors::Push)?),
        Box::new(by_dacapo::ByDacapo::new(&device)?),
        Box::new(by_wgpu::ByWgpu::new(&device.info().name)?),
        Box::new(by_hand::ByHand::new(&device, Descriptors::PushShared)?),
        Box::new(by_hand::ByHand::new(&device, Descriptors::Template)?),
    ];
    println!(
        "{:<12} {:>16} {:>16} {:>16} {:>16} {:>16}",
        "ns/dispatch", "by hand", "dacapo", "wgpu", "shared layout", "template"
    );
    for order in [Order::Independent, Order::Dependent] {
        let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
        // The first round warms up.
        for round in 0..=rounds {
            for (contender, times) in contenders.iter_mut().zip(&mut times) {
                let time = contender.round(order, dispatches)?;
                if round > 0 {
                    times.push(time);
                }
            }
        }
        let medians: Vec<f64> = times
            .iter_mut()
            .map(|times| nanoseconds(times, dispatches))
            .collect();
        print!("{:<12}", order.name());
        for median in &medians {
            print!(" {median:>9.0} {:>5.2}x", median / medians[0]);
        }
        println!();
    }
    launches::print(&device, rounds)
}

/// The median for one dispatch.
fn nanoseconds(times: &mut [Duration], dispatches: u32) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64 / f64::from(dispatches)
}
