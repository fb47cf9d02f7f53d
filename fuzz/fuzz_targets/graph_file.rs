//! Any bytes as a capture file: what can be read is written the same way, and what can be loaded runs to its end. Under
//! a fuzzer checksums count as right.
#![no_main]

use std::sync::LazyLock;

use dacapo::{Contents, Device, DeviceOptions, FileOptions, GraphFile, PlanOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| {
        let options = DeviceOptions {
            memory_limit: Some(16 << 20),
            threads: std::num::NonZeroUsize::new(1),
            ..DeviceOptions::cpu()
        };
        Device::open(&options).expect("the processor")
    });
    let Ok(file) = GraphFile::read(bytes) else {
        return;
    };
    for node in file.nodes() {
        assert!(file.scope_path(node).len() <= 256);
    }
    let Ok(loaded) = file.load(&DEVICE, &[]) else {
        return;
    };
    let graph = loaded.graph;
    let _ = (graph.to_string(), graph.to_svg(), graph.to_dot());
    graph
        .plan(&PlanOptions::default())
        .expect("a plan")
        .to_string();
    graph
        .replay("fuzzed")
        .expect("a replay")
        .wait()
        .expect("copies and fills cannot fail");
    let options = FileOptions {
        contents: Contents::All,
        ..FileOptions::default()
    };
    let again = graph.to_file(&options).expect("a file");
    let again = GraphFile::read(&again).expect("what was written can be read");
    assert_eq!(again.nodes().len(), file.nodes().len());
});
