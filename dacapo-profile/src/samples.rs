//! Profiles to test with, small enough to compute their figures by hand.

use std::collections::BTreeMap;

use crate::peaks::Peaks;
use crate::profile::{
    Cause, Device, Dispatch, Fused, Kernel, Level, Profile, Span, Submission, Timed, VERSION,
};

/// Index of the kernel `matvec`, of the kind `matrix vector product`.
pub(crate) const MATVEC: u32 = 0;
/// Index of the kernel `rope`, of the kind `rotary embedding`.
pub(crate) const ROPE: u32 = 1;
/// Index of the kernel `add_norm`, of the kind `residual add, rms norm`.
pub(crate) const ADD_NORM: u32 = 2;

/// A profile of nothing, recorded from 0 to `end_ns`.
pub(crate) fn empty(end_ns: u64) -> Profile {
    let kernel = |name: &str, op: &str| Kernel {
        name: name.to_owned(),
        op: op.to_owned(),
    };
    Profile {
        version: VERSION,
        title: "sample".to_owned(),
        device: Device {
            name: "a device".to_owned(),
            backend: "cpu".to_owned(),
            kind: "CPU".to_owned(),
            compute_units: 2,
        },
        level: Level::Dispatches,
        timed: Some(Timed::InPlace),
        clock_error_ns: Some(7),
        start_ns: 0,
        end_ns,
        peaks: None,
        distortion: None,
        kernels: vec![
            kernel("matvec", "matrix vector product"),
            kernel("rope", "rotary embedding"),
            kernel("add_norm", "residual add, rms norm"),
        ],
        scopes: vec![
            vec![],
            vec!["layer 0".to_owned()],
            vec!["layer 0".to_owned(), "attention".to_owned()],
        ],
        causes: vec![Cause {
            kind: "read_after_write".to_owned(),
            text: "read after write with dispatch 0".to_owned(),
        }],
        fused: vec![Fused {
            rule: "add norm".to_owned(),
            ops: vec!["residual add".to_owned(), "rms norm".to_owned()],
        }],
        submissions: Vec::new(),
        spans: Vec::new(),
        counters: BTreeMap::new(),
    }
}

/// A submission that was opened, committed, begun, ended and seen to be complete at these times.
pub(crate) fn submission(label: &str, times: [u64; 5], dispatches: Vec<Dispatch>) -> Submission {
    let [opened_ns, committed_ns, start_ns, end_ns, completed_ns] = times;
    Submission {
        number: 0,
        label: label.to_owned(),
        opened_ns,
        committed_ns,
        start_ns,
        end_ns,
        completed_ns,
        failed: false,
        counters: BTreeMap::new(),
        dispatches,
    }
}

/// A dispatch of no work, outside of all scopes.
pub(crate) fn dispatch(kernel: u32, wave: u32, start_ns: u64, end_ns: u64) -> Dispatch {
    Dispatch {
        kernel,
        scope: 0,
        node: None,
        fused: None,
        wave,
        barrier: None,
        read: 0,
        written: 0,
        operations: 0,
        start_ns,
        end_ns,
    }
}

pub(crate) fn span(name: &str, thread: &str, start_ns: u64, end_ns: u64) -> Span {
    Span {
        name: name.to_owned(),
        label: "decode".to_owned(),
        thread: thread.to_owned(),
        start_ns,
        end_ns,
    }
}

/// 2 bytes and 10 operations in a nanosecond; a dispatch costs 2 ns and a barrier 3.
pub(crate) const PEAKS: Peaks = Peaks {
    read_bytes_per_second: 2e9,
    copy_bytes_per_second: 1e9,
    f32_operations_per_second: 5e9,
    f16_matrix_operations_per_second: Some(10e9),
    dispatch_ns: 2.0,
    barrier_ns: 3.0,
    launch_ns: 100.0,
    round_trip_ns: 200.0,
};

/// Two decode steps, of which the second begins while the first still runs, a gap, and a prefill without dispatches.
///
/// ```text
/// 0        100  110       170 190       280 300            400 450 460  500       600     700       1000
/// |        |head|wave 0   |   |wave 1   |   |wave 0        |w 1|   |w 1 |         |prefill|         |
/// ```
pub(crate) fn two_steps() -> Profile {
    let mut profile = empty(1000);
    let first = vec![
        dispatch(MATVEC, 0, 110, 150),
        dispatch(ROPE, 0, 130, 170),
        Dispatch {
            barrier: Some(0),
            fused: Some(0),
            scope: 1,
            ..dispatch(ADD_NORM, 1, 190, 250)
        },
        Dispatch {
            scope: 2,
            ..dispatch(MATVEC, 1, 200, 280)
        },
    ];
    let second = vec![
        dispatch(MATVEC, 0, 290, 400),
        Dispatch {
            barrier: Some(0),
            ..dispatch(ROPE, 1, 400, 450)
        },
        dispatch(MATVEC, 1, 460, 500),
    ];
    profile.submissions = vec![
        submission("decode", [10, 50, 100, 300, 320], first),
        submission("decode", [60, 90, 280, 500, 505], second),
        submission("prefill", [520, 560, 600, 700, 730], Vec::new()),
    ];
    profile.spans = vec![
        span("encode", "main", 10, 50),
        span("wait", "main", 480, 550),
        span("encode", "main", 520, 560),
        span("encode", "other", 550, 570),
    ];
    profile
}
