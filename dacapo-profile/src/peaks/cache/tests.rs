use std::path::PathBuf;

use dacapo::{Device, DeviceOptions};

use super::*;

/// An empty folder for one test.
fn scratch(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dacapo-peaks-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn info() -> DeviceInfo {
    Device::open(&DeviceOptions::cpu()).unwrap().info().clone()
}

const PEAKS: Peaks = Peaks {
    read_bytes_per_second: 3.25e10,
    copy_bytes_per_second: 2e10,
    f32_operations_per_second: 2.4e11,
    f16_matrix_operations_per_second: Some(1e12),
    dispatch_ns: 0.1,
    barrier_ns: 0.0,
    launch_ns: 3.0,
    round_trip_ns: 5.5,
};

#[test]
fn peaks_are_kept_for_the_device_they_are_of() {
    let folder = scratch("kept");
    let cache = PeaksCache::new(folder.join("not/there/yet"));
    let info = info();
    assert_eq!(cache.load(&info), None);
    cache.store(&info, &PEAKS).unwrap();
    assert_eq!(cache.load(&info), Some(PEAKS));
    let slower = Peaks {
        f16_matrix_operations_per_second: None,
        ..PEAKS
    };
    cache.store(&info, &slower).unwrap();
    assert_eq!(cache.load(&info), Some(slower));

    let changes: [fn(&mut DeviceInfo); 4] = [
        |info| info.name.push('x'),
        |info| info.driver.push('x'),
        |info| info.compute_units += 1,
        |info| info.backend = dacapo::Backend::Metal,
    ];
    for change in changes {
        let mut other = info.clone();
        change(&mut other);
        assert_eq!(cache.load(&other), None);
    }
    // Where a device is in the list says nothing about it.
    let mut same = info.clone();
    same.index += 1;
    assert_eq!(cache.load(&same), Some(slower));
    // Nothing half-written stays.
    let files = fs::read_dir(&cache.folder).unwrap().count();
    assert_eq!(files, 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_used_counts_as_missing() {
    let folder = scratch("damaged");
    let cache = PeaksCache::new(&folder);
    let info = info();
    cache.store(&info, &PEAKS).unwrap();
    let path = folder.join(DeviceKey::new(&info).file_name());
    let good = fs::read_to_string(&path).unwrap();
    let zeros = "0".repeat(MAX_FILE as usize);
    for bad in [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace(&format!("{:?}", info.name), "\"another\""),
        good.replace("32500000000.0", "-1.0"),
        good.replace("32500000000.0", "1e999"),
        good.replace("32500000000.0", "null"),
        good.replace("32500000000.0", &format!("1{zeros}")),
        "\u{0}".to_owned(),
    ] {
        assert_ne!(bad, good);
        fs::write(&path, &bad).unwrap();
        assert_eq!(cache.load(&info), None, "{bad}");
    }
    // A folder in its place.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(cache.load(&info), None);
    assert!(cache.store(&info, &PEAKS).is_err());
    fs::remove_dir(&path).unwrap();
    cache.store(&info, &PEAKS).unwrap();
    assert_eq!(cache.load(&info), Some(PEAKS));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(folder).unwrap();
}
