//! Compiled kernels on disk: a GPU opened again, its files damaged, its folder shared by processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dacapo::{
    Backend, Bytes, Device, DeviceOptions, DeviceSelector, Grid, KernelCache, KernelSource,
    MemoryKind, Wgsl,
};

const KERNELS: u32 = 6;

const TEXT: &str = "
override BY: u32;
var<immediate> offset: u32;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&x) { y[id.x] = BY * x[id.x] + offset; }
}";

/// The GPU, unless the tests are to run without: `DACAPO_TEST_VULKAN` is `require` or `off`.
fn open(cache: KernelCache) -> Option<Device> {
    let wish = std::env::var("DACAPO_TEST_VULKAN").unwrap_or_default();
    if wish == "off" {
        return None;
    }
    let found = Device::open(&DeviceOptions {
        device: DeviceSelector::Backend(Backend::Vulkan),
        kernel_cache: cache,
        ..DeviceOptions::default()
    });
    match found {
        Err(error) if wish == "require" => panic!("{error}"),
        found => found.ok(),
    }
}

/// Compiles all kernels on several threads and checks what they compute. `false` without a GPU.
fn use_kernels(cache: KernelCache) -> bool {
    let Some(device) = open(cache) else {
        return false;
    };
    std::thread::scope(|scope| {
        for by in 0..KERNELS {
            let device = &device;
            scope.spawn(move || use_kernel(device, by));
        }
    });
    true
}

fn use_kernel(device: &Device, by: u32) {
    let wgsl = Wgsl::new(TEXT).constant("BY", by);
    let source = KernelSource::new(format!("times {by}")).wgsl(wgsl);
    let kernel = device.kernel(&source).unwrap();
    let numbers: Vec<u32> = (0..1000).collect();
    let x = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    let y = device.buffer(4000, MemoryKind::DeviceLocal).unwrap();
    x.write(&numbers).unwrap();
    let mut encoder = device.encoder("times").unwrap();
    let grid = Grid::threads([1000, 1, 1]);
    encoder
        .dispatch(&kernel, (&x, &y, Bytes(&7u32)), grid)
        .unwrap();
    encoder.commit().unwrap().wait().unwrap();
    let wanted: Vec<u32> = numbers.iter().map(|x| by * x + 7).collect();
    assert_eq!(y.read::<u32>().unwrap(), wanted);
}

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("dacapo-kernel-cache-{name}-{}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    fn cache(&self) -> KernelCache {
        KernelCache::Folder(self.0.clone())
    }

    /// Names and contents.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may not have been made.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn kernels_are_kept() {
    let folder = Scratch::new("kept");
    if !use_kernels(folder.cache()) {
        return;
    }
    let first = folder.files();
    assert_eq!(
        first.len(),
        KERNELS as usize + 1,
        "a file each, and the driver's"
    );
    use_kernels(folder.cache());
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|file| file.0.clone()).collect()
    };
    assert_eq!(names(&folder.files()), names(&first));
}

type Damage = fn(&[u8]) -> Vec<u8>;

#[test]
fn damaged_files_are_made_again() {
    let folder = Scratch::new("damaged");
    if !use_kernels(folder.cache()) {
        return;
    }
    let good = folder.files();
    let damages: [Damage; 4] = [
        |_| Vec::new(),
        |_| vec![0x5a; 5000],
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |bytes| {
            let mut bytes = bytes.to_vec();
            let last = bytes.len() - 1;
            bytes[last] ^= 4;
            bytes
        },
    ];
    for damage in damages {
        let mut damaged = Vec::new();
        for (path, bytes) in &good {
            damaged.push(damage(bytes));
            fs::write(path, damaged.last().unwrap()).unwrap();
        }
        use_kernels(folder.cache());
        let repaired = folder.files();
        assert_eq!(repaired.len(), good.len());
        for ((path, bytes), damaged) in repaired.iter().zip(&damaged) {
            assert_ne!(bytes, damaged, "{}", path.display());
            assert_eq!(bytes[..12], good[0].1[..12], "{}", path.display());
        }
    }
}

#[test]
fn nothing_is_kept_where_the_cache_is_off() {
    if !use_kernels(KernelCache::Off) {
        return;
    }
    // Where the folder cannot be made, the device works without.
    let folder = Scratch::new("file");
    fs::write(&folder.0, "a file").unwrap();
    assert!(use_kernels(KernelCache::Folder(folder.0.join("kernels"))));
    assert_eq!(fs::read(&folder.0).unwrap(), b"a file");
    fs::remove_file(&folder.0).unwrap();
}

const CHILD: &str = "DACAPO_TEST_KERNEL_CACHE";

/// The part of the next test that its processes run.
#[test]
fn child() {
    if let Some(folder) = std::env::var_os(CHILD) {
        assert!(use_kernels(KernelCache::Folder(folder.into())));
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_share_the_folder() {
    if open(KernelCache::Off).is_none() {
        return;
    }
    let folder = Scratch::new("shared");
    for _ in 0..3 {
        let children = [(); 3].map(|()| spawn(&folder.0));
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let files = folder.files();
        assert_eq!(files.len(), KERNELS as usize + 1, "{:?}", files);
    }
    assert!(use_kernels(folder.cache()));
}
