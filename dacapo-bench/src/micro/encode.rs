use dacapo::{Backend, Device};

use super::{Effort, each};
use crate::by_dacapo::ByDacapo;
use crate::by_hand::{ByHand, Descriptors};
use crate::by_replay::ByReplay;
#[cfg(feature = "wgpu")]
use crate::by_wgpu::ByWgpu;
use crate::report::Chart;
use crate::work::{Contender, Order, Result};

/// What one dispatch costs the host, by the number of dispatches of an encoder: a chart for each order.
pub fn measure(device: &Device, effort: &Effort) -> Result<Vec<Chart>> {
    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(ByDacapo::new(device)?),
        Box::new(ByReplay::new(device)?),
    ];
    if device.info().backend == Backend::Vulkan {
        contenders.push(Box::new(ByHand::new(device, Descriptors::Push)?));
        contenders.push(Box::new(ByHand::new(device, Descriptors::PushShared)?));
        contenders.push(Box::new(ByHand::new(device, Descriptors::Template)?));
        #[cfg(feature = "wgpu")]
        contenders.push(Box::new(ByWgpu::new(&device.info().name)?));
    }
    let mut charts = Vec::new();
    for order in [Order::Independent, Order::Dependent] {
        let mut chart = Chart::new(
            &format!("encode-{}", order.name()),
            &format!("Host time of one dispatch, {}", order.name()),
            "dispatches of one encoder",
            "ns",
        );
        for dispatches in effort.sizes(10) {
            let mut times = vec![Vec::new(); contenders.len()];
            // The first round warms up.
            for round in 0..=effort.rounds(dispatches) {
                for (contender, times) in contenders.iter_mut().zip(&mut times) {
                    let time = contender.round(order, dispatches)?;
                    if round > 0 {
                        times.push(time);
                    }
                }
            }
            let count = f64::from(dispatches);
            for (contender, times) in contenders.iter().zip(times) {
                chart.add(contender.name(), count, each(times, 1e9, count));
            }
        }
        charts.push(chart);
    }
    Ok(charts)
}
