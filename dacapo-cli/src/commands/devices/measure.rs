//! `dacapo devices --measure`.

use std::collections::BTreeMap;

use dacapo::{Backend, Device, DeviceInfo, DeviceOptions, DeviceSelector};
use dacapo_profile::Peaks;

use crate::cache;
use crate::error::{Error, Result};
use crate::output;
use crate::progress::Progress;

/// Steps of a measurement.
const STEPS: usize = 5;

/// What was measured, by the devices' places in the list.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) peaks: BTreeMap<usize, Peaks>,
    /// Why the first that could not be measured could not.
    pub(super) failed: Option<Error>,
}

impl Measured {
    /// Of each of these devices, opened with `options`. The interpreter has no speed worth knowing.
    pub(super) fn all(options: &DeviceOptions, devices: &[DeviceInfo]) -> Measured {
        let mut measured = Measured::default();
        for info in devices
            .iter()
            .filter(|info| info.backend != Backend::Reference)
        {
            measured.add(&DeviceOptions {
                device: DeviceSelector::Index(info.index),
                ..options.clone()
            });
        }
        measured
    }

    /// Of the device that the options choose.
    pub(super) fn one(options: &DeviceOptions) -> Measured {
        let mut measured = Measured::default();
        measured.add(options);
        measured
    }

    fn add(&mut self, options: &DeviceOptions) {
        let mut add = || {
            let device = Device::open(options)?;
            let progress = Progress::items("measuring", "steps", STEPS);
            let peaks = Peaks::measure_with(&device, |step| progress.next(step))?;
            self.peaks.insert(device.info().index, peaks);
            keep(device.info(), &peaks)
        };
        if let Err(error) = add() {
            self.failed.get_or_insert(error);
        }
    }
}

fn keep(info: &DeviceInfo, peaks: &Peaks) -> Result<()> {
    let Some(cache) = cache::peaks() else {
        output::tell("warning: there is no cache folder to keep the figures in");
        return Ok(());
    };
    let stored = cache.store(info, peaks);
    stored.map_err(|source| Error::Write {
        name: cache.folder().display().to_string(),
        source,
    })
}
