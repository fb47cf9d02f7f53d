//! Files that are damaged, cut short, or made to mislead.

use std::borrow::Cow;

use proptest::prelude::*;

use super::frame::{self, SECTIONS};
use super::*;
use crate::access::Access;
use crate::kernel::{Binding, SharedMemory};
use crate::{Device, DeviceOptions, Error, MemoryKind};

fn view(buffer: u32, start: u64, end: u64) -> FileView {
    let range = ByteRange { start, end };
    FileView { buffer, range }
}

fn buffer(label: &str, size: u64) -> FileBuffer<'_> {
    FileBuffer {
        label,
        size,
        kind: MemoryKind::DeviceLocal,
        read_only: false,
        stored: false,
        extents: Vec::new(),
    }
}

/// A file with everything in it that one can have.
fn rich() -> GraphFile<'static> {
    let binding = |slot, access| Binding {
        slot,
        access,
        align: 4,
    };
    let source = FileSource {
        name: "gather",
        op: "embed",
        interface: Interface {
            bindings: vec![binding(0, Access::Read), binding(3, Access::Write)],
            inline_bytes: 3,
            workgroup: [64, 2, 1],
            shared: SharedMemory::Dynamic { max: 512 },
            touches_anything: true,
            overwritten: vec![3],
            is_transfer: false,
        },
        native: true,
        wgsl: Some(Wgsl {
            text: Cow::Borrowed("@compute fn é() {}"),
            entry: Cow::Borrowed("é"),
            constants: vec![("A".into(), 1.5f64.to_bits()), ("B".into(), u64::MAX)],
            trusted: true,
        }),
    };
    let node = |kernel, grid| FileNode {
        kernel,
        args: vec![(0, view(0, 0, 16)), (3, view(1, 64, 128))],
        inline: Cow::Borrowed(&[1, 2, 3]),
        grid,
        shared_bytes: 128,
        barrier_before: true,
        scope: Some(1),
    };
    let fill = FileNode {
        args: vec![(0, view(1, 0, 64))],
        inline: Cow::Borrowed(&[7, 0, 0, 0]),
        scope: None,
        ..node(2, FileGrid::Groups([1, 1, 1]))
    };
    GraphFile {
        hazards: Hazards::Manual,
        ends_with_barrier: true,
        subgroup_size: Some(32),
        kernels: vec![
            FileKernel::Source(Box::new(source)),
            FileKernel::Copy,
            FileKernel::Fill,
        ],
        buffers: vec![
            FileBuffer {
                read_only: true,
                stored: true,
                kind: MemoryKind::Unified,
                extents: vec![(0, Cow::Borrowed(&[9; 8])), (12, Cow::Borrowed(&[8; 4]))],
                ..buffer("weights", 16)
            },
            buffer("x", 128),
        ],
        scopes: vec![
            FileScope {
                parent: None,
                label: "layer 0",
            },
            FileScope {
                parent: Some(0),
                label: "",
            },
        ],
        nodes: vec![
            node(0, FileGrid::Threads([100, 1, 1])),
            node(0, FileGrid::Indirect(view(0, 0, 12))),
            fill,
        ],
        discards: vec![
            FileDiscard {
                after: 0,
                view: view(1, 0, 128),
            },
            FileDiscard {
                after: 3,
                view: view(1, 1, 2),
            },
        ],
    }
}

/// The sections of a file.
fn sections(bytes: &[u8]) -> [Vec<u8>; SECTIONS.len()] {
    let opened = frame::open(bytes).unwrap();
    opened.map(|mut it| it.take(it.left(), "").unwrap().to_vec())
}

#[test]
fn what_is_written_is_read() {
    let file = rich();
    let bytes = file.to_bytes();
    assert_eq!(GraphFile::read(&bytes).unwrap(), file);
}

/// As docs/capture-file.md describes it.
#[test]
fn the_smallest_file_is_as_the_page_says() {
    let file = GraphFile {
        hazards: Hazards::Serial,
        ends_with_barrier: false,
        subgroup_size: None,
        kernels: Vec::new(),
        buffers: vec![buffer("x", 5)],
        scopes: Vec::new(),
        nodes: Vec::new(),
        discards: Vec::new(),
    };
    let bytes = file.to_bytes();
    assert_eq!(&bytes[..12], b"DACAPOGR\x01\0\0\0");
    let head = 12 + 7 * 20 + 8;
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..head - 8]);
    assert_eq!(bytes[head - 8..head], sum.to_le_bytes());
    let body = [
        &[2, 0, 0, 0, 0, 0][..],
        &[0; 4],
        &[
            1, 0, 0, 0, 1, 0, 0, 0, b'x', 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        &[0; 4],
        &[0; 4],
        &[0; 4],
        &[0; 4],
    ];
    assert_eq!(bytes[head..], body.concat());
    let mut at = 12;
    for (kind, section) in (1u32..).zip(body) {
        let entry = [
            &kind.to_le_bytes()[..],
            &(section.len() as u64).to_le_bytes(),
            &xxhash_rust::xxh3::xxh3_64(section).to_le_bytes(),
        ];
        assert_eq!(bytes[at..at + 20], entry.concat());
        at += 20;
    }
}

#[test]
fn any_flipped_bit_and_any_cut_is_noticed() {
    let bytes = rich().to_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(GraphFile::read(&damaged).is_err(), "bit {bit} of byte {at}");
        }
        assert!(GraphFile::read(&bytes[..at]).is_err(), "{at} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = GraphFile::read(&longer).unwrap_err();
    assert!(
        matches!(error, GraphFileError::Trailing { left: 1, .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_capture_file_is_told_apart() {
    let refused = |bytes: &[u8]| GraphFile::read(bytes).unwrap_err().to_string();
    assert_eq!(
        refused(b"GGUF\x03\0\0\0\0"),
        "no capture file: it starts with \"GGUF\\x03\\x00\\x00\\x00\", a capture file with \"DACAPOGR\""
    );
    assert!(refused(b"").contains("starts with \"\""));
    let mut bytes = rich().to_bytes();
    bytes[8] = 2;
    assert_eq!(
        refused(&bytes),
        "version 2 of the format is not known, only version 1 is"
    );
    let mut bytes = rich().to_bytes();
    bytes[12] = 5;
    assert_eq!(
        refused(&bytes),
        "section 0 is of kind 5; version 1 has kind 1 there"
    );
}

type Change = fn(&mut GraphFile<'static>);

#[test]
fn contradictions_are_named() {
    let cases: [(Change, &str); 16] = [
        (|it| it.nodes[0].kernel = 3, "a node's kernel at byte"),
        (|it| it.nodes[0].scope = Some(2), "a node's scope at byte"),
        (
            |it| it.nodes[0].args[0].1.buffer = 2,
            "is 2; the file has 2",
        ),
        (
            |it| it.nodes[0].args[0].1.range.end = 17,
            "bytes 0..17 at byte",
        ),
        (
            |it| it.nodes[1].grid = FileGrid::Indirect(view(0, 5, 4)),
            "are no part of buffer 0, which has 16",
        ),
        (
            |it| it.nodes[1].args[1].1.range.start = 128,
            "bytes 128..128 at byte",
        ),
        (|it| it.nodes[0].args[1].0 = 0, "an argument's slot at byte"),
        (
            |it| it.scopes[1].parent = Some(1),
            "a scope's parent at byte",
        ),
        (|it| it.scopes[0].parent = Some(0), "is 0; the file has 0"),
        (
            |it| it.discards[0].after = 4,
            "the place of a discard at byte",
        ),
        (|it| it.discards[1].after = 4, "is 4; the file has 4"),
        (
            |it| it.discards.reverse(),
            "is not greater than the one before",
        ),
        (|it| it.buffers[1].size = 0, "a buffer's length at byte"),
        (
            |it| it.buffers[0].extents.reverse(),
            "the place of a stored piece at byte",
        ),
        (
            |it| it.buffers[0].stored = false,
            "allowed: those that say that their contents are stored",
        ),
        (|it| it.buffers[0].extents[1].0 = 13, "bytes 13..17 at byte"),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let mut file = rich();
        change(&mut file);
        let error = GraphFile::read(&file.to_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "case {number}: {error}");
    }
}

#[test]
fn scopes_cannot_be_nested_without_end() {
    let nested = |depth: u32| {
        let scopes = (0..depth).map(|at| FileScope {
            parent: at.checked_sub(1),
            label: "",
        });
        GraphFile {
            scopes: scopes.collect(),
            ..rich()
        }
        .to_bytes()
    };
    assert!(GraphFile::read(&nested(MAX_SCOPE_DEPTH as u32)).is_ok());
    let error = GraphFile::read(&nested(MAX_SCOPE_DEPTH as u32 + 1)).unwrap_err();
    assert!(
        matches!(error, GraphFileError::Nesting { limit: 256 }),
        "{error}"
    );
}

#[test]
fn a_count_cannot_be_larger_than_the_file() {
    let mut parts = sections(&rich().to_bytes());
    parts[4][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = GraphFile::read(&frame::close(&parts)).unwrap_err();
    assert!(
        matches!(
            error,
            GraphFileError::Count {
                found: 0xffff_ffff,
                limit: 0..100,
                ..
            }
        ),
        "{error}"
    );
}

/// More than there is, although the sum of both fits into no number.
#[test]
fn memory_is_counted_before_it_is_allocated() {
    let options = DeviceOptions {
        memory_limit: Some(1 << 20),
        ..DeviceOptions::cpu()
    };
    let device = Device::open(&options).unwrap();
    for sizes in [[1 << 20, 1], [u64::MAX, 3], [u64::MAX, u64::MAX]] {
        let file = GraphFile {
            buffers: sizes.map(|size| buffer("", size)).to_vec(),
            kernels: Vec::new(),
            nodes: Vec::new(),
            discards: Vec::new(),
            ..rich()
        };
        let bytes = file.to_bytes();
        let file = GraphFile::read(&bytes).unwrap();
        let error = file.load(&device, &[]).unwrap_err();
        assert!(
            matches!(error, Error::OverBudget { used: 0, .. }),
            "{error}"
        );
        assert_eq!(device.memory_budget().used, 0);
    }
}

/// Files of copies and fills alone, which the processor runs without trust: whatever else is wrong with them, loading
/// and running them ends, well or with an error.
fn transfers() -> GraphFile<'static> {
    let mut file = rich();
    file.kernels.remove(0);
    file.nodes = vec![
        FileNode {
            kernel: 1,
            scope: None,
            ..file.nodes[2].clone()
        },
        FileNode {
            kernel: 0,
            args: vec![(0, view(1, 0, 64)), (1, view(1, 64, 128))],
            inline: Cow::Borrowed(&[]),
            ..file.nodes[0].clone()
        },
    ];
    file.discards[1].after = 2;
    file
}

#[test]
fn transfers_need_no_trust() {
    let device = Device::open(&DeviceOptions::cpu()).unwrap();
    let bytes = transfers().to_bytes();
    let file = GraphFile::read(&bytes).unwrap();
    let loaded = file.load(&device, &[]).unwrap();
    loaded.graph.replay("").unwrap().wait().unwrap();
    assert_eq!(loaded.buffers[1].read::<u8>().unwrap(), [7; 128]);
    let mut weights = [9; 16];
    weights[8..12].fill(0);
    weights[12..].fill(8);
    assert_eq!(loaded.buffers[0].read::<u8>().unwrap(), weights);
    assert!(loaded.buffers[0].is_read_only());
    assert_eq!(
        loaded.graph.scope_path(&loaded.graph.nodes()[1]),
        ["layer 0", ""]
    );
}

type NodeChange = fn(&mut FileNode<'static>);

#[test]
fn nodes_of_a_file_are_refused_as_in_live_encoding() {
    let device = Device::open(&DeviceOptions::cpu()).unwrap();
    let cases: [(NodeChange, &str); 6] = [
        (
            |it| it.args[1].1 = view(1, 63, 127),
            "node 1: kernel \"copy\": slot 1 is written and overlaps slot 0 at bytes 63..64",
        ),
        (
            |it| it.args[1].1 = view(0, 0, 16),
            "node 1: a copy of 64 bytes meets a buffer view of 16 bytes",
        ),
        (
            |it| it.args[0].1 = view(1, 0, 65),
            "node 1: a copy of 65 bytes",
        ),
        (
            |it| it.args[1].0 = 2,
            "node 1: capture file: a copy binds slots [0, 2] and inline bytes []",
        ),
        (
            |it| it.inline = Cow::Borrowed(&[1]),
            "it takes slots 0 and 1, and no inline bytes",
        ),
        (
            |it| {
                *it = FileNode {
                    kernel: 1,
                    args: vec![(0, view(0, 0, 16))],
                    inline: Cow::Borrowed(&[1, 0, 0, 0]),
                    ..it.clone()
                }
            },
            "buffer \"weights\" is read-only",
        ),
    ];
    for (change, expected) in cases {
        let mut file = transfers();
        change(&mut file.nodes[1]);
        let bytes = file.to_bytes();
        let file = GraphFile::read(&bytes).unwrap();
        let error = file.load(&device, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    /// Behind right checksums.
    #[test]
    fn a_changed_file_is_refused_or_says_what_it_says(
        which in 0..SECTIONS.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        plain in any::<bool>(),
    ) {
        let file = if plain { transfers() } else { rich() };
        let mut parts = sections(&file.to_bytes());
        for (at, value) in changes {
            let at = at.index(parts[which].len());
            parts[which][at] = value;
        }
        if let Some(cut) = cut {
            let len = cut.index(parts[which].len());
            parts[which].truncate(len);
        }
        let bytes = frame::close(&parts);
        if let Ok(file) = GraphFile::read(&bytes) {
            prop_assert_eq!(file.to_bytes(), &bytes[..]);
            let options = DeviceOptions { memory_limit: Some(1 << 20), ..DeviceOptions::cpu() };
            let device = Device::open(&options).unwrap();
            if let Ok(loaded) = file.load(&device, &[]) {
                let submission = loaded.graph.replay("changed").unwrap();
                submission.wait().unwrap();
                prop_assert_eq!(loaded.graph.nodes().len(), file.nodes().len());
            }
        }
    }
}
