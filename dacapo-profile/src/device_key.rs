//! What tells a device from others between processes.

use dacapo::DeviceInfo;
use serde::{Deserialize, Serialize};

/// What measured figures and found settings are of. Another driver, or another number of threads, is another device.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceKey {
    name: String,
    backend: String,
    driver: String,
    compute_units: u32,
}

impl DeviceKey {
    /// What `info` tells.
    pub fn new(info: &DeviceInfo) -> DeviceKey {
        DeviceKey {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            driver: info.driver.clone(),
            compute_units: info.compute_units,
        }
    }

    /// The name of its file: of what can be read of it, and a number that tells it from others.
    pub fn file_name(&self) -> String {
        let DeviceKey {
            name,
            backend,
            driver,
            compute_units,
        } = self;
        // FNV-1a, which is the same everywhere and in every version.
        let text = format!("{name}\0{backend}\0{driver}\0{compute_units}");
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let safe = |char: char| match char.is_ascii_alphanumeric() {
            true => char.to_ascii_lowercase(),
            false => '-',
        };
        let name: String = name.chars().take(40).map(safe).collect();
        format!("{name}-{backend}-{hash:016x}.json")
    }
}
