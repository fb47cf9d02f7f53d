//! Settings of kernels that `dacapo tune` has found, kept between runs: a file for each device and driver.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dacapo::{DeviceInfo, files};
use dacapo_llm::tuning::Settings;
use dacapo_profile::DeviceKey;
use serde::{Deserialize, Serialize};

use crate::output::tell;

/// Changes with what names and values mean.
const VERSION: u32 = 1;

/// Bytes of the largest file that is read; a model has some 20 settings of 50 bytes.
const MAX_FILE: u64 = 1 << 20;

/// A folder of such files. One that cannot be used is warned of and counts as missing.
pub(crate) struct SettingsFolder(pub(crate) PathBuf);

#[derive(Serialize, Deserialize)]
struct Entry {
    version: u32,
    device: DeviceKey,
    settings: Settings,
}

impl SettingsFolder {
    /// What is known for this device; nothing of it if there is no file.
    pub(crate) fn load(&self, device: &DeviceInfo) -> Settings {
        let key = DeviceKey::new(device);
        let path = self.0.join(key.file_name());
        read(&path, &key).unwrap_or_else(|why| {
            let path = path.display();
            tell(format_args!(
                "warning: ignoring tuned settings in {path}: {why}"
            ));
            Settings::new()
        })
    }

    /// Keeps settings for this device; gives where.
    pub(crate) fn store(&self, device: &DeviceInfo, settings: &Settings) -> io::Result<PathBuf> {
        let entry = Entry {
            version: VERSION,
            device: DeviceKey::new(device),
            settings: settings.clone(),
        };
        let path = self.0.join(entry.device.file_name());
        let mut text = serde_json::to_vec_pretty(&entry)?;
        text.push(b'\n');
        fs::create_dir_all(&self.0)?;
        files::replace(&path, &text)?;
        Ok(path)
    }
}

fn read(path: &Path, key: &DeviceKey) -> io::Result<Settings> {
    let text = match files::read(path, MAX_FILE) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::new()),
        Err(error) => return Err(error),
    };
    let entry: Entry = serde_json::from_slice(&text)?;
    if entry.version != VERSION {
        let found = entry.version;
        let why = format!("it has version {found}; allowed: {VERSION}");
        return Err(io::Error::other(why));
    }
    if entry.device != *key {
        return Err(io::Error::other("it is of another device or driver"));
    }
    Ok(entry.settings)
}

#[cfg(test)]
mod tests {
    use dacapo::{Device, DeviceOptions};

    use super::*;

    fn info() -> DeviceInfo {
        Device::open(&DeviceOptions::cpu()).unwrap().info().clone()
    }

    fn scratch(test: &str) -> SettingsFolder {
        let name = format!("dacapo-settings-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        SettingsFolder(folder)
    }

    fn some() -> Settings {
        Settings::from([("matvec bf16 3072x2048 x1 rows".to_owned(), 4)])
    }

    #[test]
    fn settings_are_kept_for_the_device_they_are_of() {
        let (folder, info) = (scratch("kept"), info());
        assert_eq!(folder.load(&info), Settings::new());
        let path = folder.store(&info, &some()).unwrap();
        assert_eq!(folder.load(&info), some());
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.contains(&info.name) && text.contains("\"driver\""),
            "{text}"
        );
        let mut other = info.clone();
        other.driver.push_str(", newer");
        assert_eq!(folder.load(&other), Settings::new());
        fs::remove_dir_all(folder.0).unwrap();
    }

    #[test]
    fn what_is_damaged_or_does_not_fit_is_ignored() {
        let (folder, info) = (scratch("damaged"), info());
        let path = folder.store(&info, &some()).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        let other_name = whole.replacen("\"name\": \"", "\"name\": \"another ", 1);
        let other_version = whole.replacen("\"version\": 1", "\"version\": 2", 1);
        let negative = whole.replacen("rows\": 4", "rows\": -4", 1);
        for text in [
            "",
            &whole[..whole.len() / 2],
            &other_name,
            &other_version,
            &negative,
        ] {
            assert_ne!(text, whole);
            fs::write(&path, text).unwrap();
            assert_eq!(folder.load(&info), Settings::new(), "{text}");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(folder.load(&info), some());
        fs::remove_dir_all(folder.0).unwrap();
    }
}
