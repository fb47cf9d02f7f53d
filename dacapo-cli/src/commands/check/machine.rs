//! The device that checks, as flags describe it.

use core::num::NonZeroUsize;

use clap::builder::RangedU64ValueParser;
use dacapo::reference::Order;
use dacapo::{Backend, Device, DeviceOptions, DeviceSelector, ReferenceOptions};

use crate::error::Result;
use crate::options::count;

/// The seed of the shuffled order among all orders.
const SEED: u64 = 1;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Checking")]
pub(super) struct MachineFlags {
    /// Invocations of a subgroup, a power of two from 1 to 128 [default: 32, or as a capture file says]
    #[arg(long, value_name = "N", value_parser = subgroup)]
    subgroup: Option<u32>,
    /// In which order workgroups run: parallel, forward, reverse or shuffled:SEED [default: parallel]
    #[arg(long, value_name = "ORDER", value_parser = order)]
    order: Option<Order>,
    /// Run forward, reverse and shuffled, and compare what the buffers hold
    #[arg(long, conflicts_with = "order")]
    all_orders: bool,
    /// Report the first NaN or infinity of each expression, too
    #[arg(long)]
    finite: bool,
    /// Variables and workgroup memory that nobody has written are zeros, as WGSL says; do not report that they are read
    #[arg(long)]
    zeroed: bool,
    /// Most operations that a workgroup may take before it counts as one that does not end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Most different faults that are kept; more are counted
    #[arg(long, value_name = "N", value_parser = count())]
    max_reports: Option<usize>,
    /// Worker threads of the order parallel, 1 to 1024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..=1024))]
    threads: Option<u64>,
}

impl MachineFlags {
    /// The orders in which to run everything; `None` is what the environment says.
    pub(super) fn orders(&self) -> Vec<Option<Order>> {
        match self.all_orders {
            true => [Order::Forward, Order::Reverse, Order::Shuffled(SEED)]
                .map(Some)
                .into(),
            false => vec![self.order],
        }
    }

    /// Opens the device. `captured` are the invocations of a subgroup that a file counts on.
    pub(super) fn open(
        &self,
        order: Option<Order>,
        captured: Option<u32>,
    ) -> Result<(Device, ReferenceOptions)> {
        let mut options = DeviceOptions::default().with_env()?;
        options.device = DeviceSelector::Backend(Backend::Reference);
        if let Some(threads) = self.threads {
            options.threads = usize::try_from(threads).ok().and_then(NonZeroUsize::new);
        }
        let reference = &mut options.reference;
        reference.subgroup_size = (self.subgroup)
            .or(captured)
            .unwrap_or(reference.subgroup_size);
        reference.order = order.unwrap_or(reference.order);
        reference.finite |= self.finite;
        reference.zeroed |= self.zeroed;
        reference.steps = self.steps.unwrap_or(reference.steps);
        reference.max_reports = self.max_reports.unwrap_or(reference.max_reports);
        reference.collect = true;
        reference.checks = true;
        let reference = *reference;
        Ok((Device::open(&options)?, reference))
    }
}

fn subgroup(text: &str) -> Result<u32, &'static str> {
    let size = text.parse().ok();
    let size = size.filter(|size: &u32| size.is_power_of_two() && *size <= 128);
    size.ok_or("allowed: a power of two from 1 to 128")
}

fn order(text: &str) -> Result<Order, &'static str> {
    match (text, text.split_once(':')) {
        ("parallel", _) => Some(Order::Parallel),
        ("forward", _) => Some(Order::Forward),
        ("reverse", _) => Some(Order::Reverse),
        (_, Some(("shuffled", seed))) => seed.parse().ok().map(Order::Shuffled),
        _ => None,
    }
    .ok_or("allowed: parallel, forward, reverse, shuffled:SEED")
}
