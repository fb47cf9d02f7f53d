//! A profile as a small decoder would give it on a fast GPU, made up so that tests and pictures need no device.

use std::collections::BTreeMap;

use dacapo_profile::{
    Cause, Device, Dispatch, Distortion, Fused, Kernel, Level, Peaks, Profile, Span, Submission,
    Timed, VERSION,
};

const HIDDEN: u64 = 576;
const CACHE_WIDTH: u64 = 192;
const FEED_FORWARD: u64 = 1536;
const VOCABULARY: u64 = 49_152;

const KERNELS: [(&str, &str); 9] = [
    ("rms_norm_f32", "rms_norm"),
    ("matvec_q4_1_subgroup", "matvec_q4_1"),
    ("matvec_q4_1_add_subgroup", "matvec_q4_1"),
    ("rope_append_f32", "rope_append"),
    ("attention_f16_split", "attention"),
    ("silu_mul_f32", "silu_mul"),
    ("matvec_q8_0_subgroup", "matvec_q8_0"),
    ("argmax_f32", "argmax"),
    ("gather_q8_0", "gather"),
];

const NORM: u32 = 0;
const PRODUCT: u32 = 1;
const PRODUCT_ADD: u32 = 2;
const ROTATE: u32 = 3;
const ATTENTION: u32 = 4;
const GATE: u32 = 5;
const HEAD: u32 = 6;
const PICK: u32 = 7;
const EMBED: u32 = 8;

/// A profile of `steps` tokens through `layers` layers.
pub(crate) fn decoder(layers: u32, steps: u32) -> Profile {
    let mut maker = Maker::new(layers);
    for step in 0..steps {
        maker.step(step);
    }
    maker.finish()
}

struct Maker {
    profile: Profile,
    layers: u32,
    host: u64,
    device: u64,
    random: u64,
}

impl Maker {
    fn new(layers: u32) -> Maker {
        let mut scopes = vec![vec!["embed".to_owned()]];
        for layer in 0..layers {
            for part in ["attention", "feed forward"] {
                scopes.push(vec![format!("layer {layer}"), part.to_owned()]);
            }
        }
        scopes.push(vec!["head".to_owned()]);
        let cause = |kind: &str, text: &str| Cause {
            kind: kind.to_owned(),
            text: text.to_owned(),
        };
        let host = 41_250_000;
        let profile = Profile {
            version: VERSION,
            title: "smollm2-135m-instruct-q4_1.gguf, decode, context 256".to_owned(),
            device: Device {
                name: "Example GPU 80GB".to_owned(),
                backend: "vulkan".to_owned(),
                kind: "discrete GPU".to_owned(),
                compute_units: 132,
            },
            level: Level::Dispatches,
            timed: Some(Timed::InPlace),
            clock_error_ns: Some(310),
            start_ns: host,
            end_ns: host,
            peaks: Some(Peaks {
                read_bytes_per_second: 2.91e12,
                copy_bytes_per_second: 1.38e12,
                f32_operations_per_second: 4.83e13,
                f16_matrix_operations_per_second: Some(6.1e14),
                dispatch_ns: 170.0,
                barrier_ns: 2_080.0,
                launch_ns: 9_400.0,
                round_trip_ns: 31_000.0,
            }),
            distortion: Some(Distortion {
                label: "decode".to_owned(),
                profiled_ns: 1_402_000,
                unprofiled_ns: 1_237_000,
            }),
            kernels: KERNELS
                .iter()
                .map(|(name, op)| Kernel {
                    name: (*name).to_owned(),
                    op: (*op).to_owned(),
                })
                .collect(),
            scopes,
            causes: vec![
                cause(
                    "read_after_write",
                    "reads bytes 0..2304 of a pool's allocation that the dispatch in front of it writes",
                ),
                cause(
                    "write_after_read",
                    "writes bytes 2304..4608 of a pool's allocation that an earlier dispatch reads",
                ),
                cause("explicit", "the caller asked for it"),
            ],
            fused: vec![
                Fused {
                    rule: "product and residual".to_owned(),
                    ops: vec!["matvec_q4_1".to_owned(), "add".to_owned()],
                },
                Fused {
                    rule: "rotation and append".to_owned(),
                    ops: vec!["rope".to_owned(), "rope".to_owned(), "copy".to_owned()],
                },
            ],
            submissions: Vec::new(),
            spans: Vec::new(),
            counters: BTreeMap::new(),
        };
        Maker {
            profile,
            layers,
            host: host + 20_000,
            device: 0,
            random: 0x9e37_79b9,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % below
    }

    fn span(&mut self, name: &str, label: &str, thread: &str, start_ns: u64, end_ns: u64) {
        self.profile.spans.push(Span {
            name: name.to_owned(),
            label: label.to_owned(),
            thread: thread.to_owned(),
            start_ns,
            end_ns,
        });
    }

    fn step(&mut self, step: u32) {
        let opened = self.host;
        let first = step == 0;
        if first {
            self.span("plan", "decode", "main", opened + 4_000, opened + 402_000);
            self.span(
                "compile",
                "attention_f16_split",
                "compile 1",
                opened + 9_000,
                opened + 261_000,
            );
            self.span(
                "compile",
                "matvec_q4_1_subgroup",
                "compile 1",
                opened + 270_000,
                opened + 360_000,
            );
        }
        let cost = if first {
            431_000
        } else {
            9_000 + self.random(2_500)
        };
        let committed = opened + cost;
        let name = if first { "encode" } else { "launch" };
        self.span(name, "decode", "main", opened, committed + 600);
        let start = self.device.max(committed + 6_000 + self.random(1_500));
        let dispatches = self.dispatches(start);
        let end = dispatches.last().map_or(start, |last| last.end_ns) + 900;
        let completed = end + 7_000 + self.random(3_000);
        let waves = u64::from(dispatches.last().map_or(0, |last| last.wave + 1));
        let counters = BTreeMap::from([
            ("dispatches".to_owned(), dispatches.len() as u64),
            ("barriers_read_after_write".to_owned(), waves - 1),
        ]);
        for (name, count) in &counters {
            *self.profile.counters.entry(name.clone()).or_default() += count;
        }
        self.span("wait", "decode", "main", committed + 2_000, completed);
        self.span("write", "token", "main", completed + 400, completed + 1_300);
        let text = completed + 1_500;
        let text_end = text + 17_500 + self.random(9_000);
        self.span("decode text", "token", "output", text, text_end);
        self.profile.submissions.push(Submission {
            number: u64::from(step) + 1,
            label: "decode".to_owned(),
            opened_ns: opened,
            committed_ns: committed,
            start_ns: start,
            end_ns: end,
            completed_ns: completed,
            failed: false,
            counters,
            dispatches,
        });
        self.device = end;
        self.host = completed + 2_600;
    }

    fn dispatches(&mut self, start: u64) -> Vec<Dispatch> {
        let mut step = Step {
            now: start + 1_400,
            wave: 0,
            dispatches: Vec::new(),
        };
        let head = self.layers * 2 + 1;
        self.wave(
            &mut step,
            &[(EMBED, 0, HIDDEN * 34 / 32, HIDDEN * 4, HIDDEN)],
        );
        for layer in 0..self.layers {
            let (attention, feed_forward) = (1 + 2 * layer, 2 + 2 * layer);
            let product = |kernel, scope, rows, columns: u64| {
                (
                    kernel,
                    scope,
                    rows * columns * 20 / 32 + columns * 4,
                    rows * 4,
                    rows * columns * 2,
                )
            };
            let norm = |scope| (NORM, scope, HIDDEN * 8, HIDDEN * 4, HIDDEN * 4);
            let cache = 256 * CACHE_WIDTH * 2;
            self.wave(&mut step, &[norm(attention)]);
            self.wave(
                &mut step,
                &[
                    product(PRODUCT, attention, HIDDEN, HIDDEN),
                    product(PRODUCT, attention, CACHE_WIDTH, HIDDEN),
                    product(PRODUCT, attention, CACHE_WIDTH, HIDDEN),
                ],
            );
            self.wave(&mut step, &[(ROTATE, attention, 3_840, 3_456, 3_456)]);
            self.wave(
                &mut step,
                &[(
                    ATTENTION,
                    attention,
                    cache * 2 + HIDDEN * 4,
                    HIDDEN * 4,
                    256 * HIDDEN * 4,
                )],
            );
            self.wave(
                &mut step,
                &[product(PRODUCT_ADD, attention, HIDDEN, HIDDEN)],
            );
            self.wave(&mut step, &[norm(feed_forward)]);
            self.wave(
                &mut step,
                &[
                    product(PRODUCT, feed_forward, FEED_FORWARD, HIDDEN),
                    product(PRODUCT, feed_forward, FEED_FORWARD, HIDDEN),
                ],
            );
            let gate = (
                GATE,
                feed_forward,
                FEED_FORWARD * 8,
                FEED_FORWARD * 4,
                FEED_FORWARD * 6,
            );
            self.wave(&mut step, &[gate]);
            self.wave(
                &mut step,
                &[product(PRODUCT_ADD, feed_forward, HIDDEN, FEED_FORWARD)],
            );
        }
        self.wave(
            &mut step,
            &[(NORM, head, HIDDEN * 8, HIDDEN * 4, HIDDEN * 4)],
        );
        let bytes = VOCABULARY * HIDDEN * 34 / 32;
        self.wave(
            &mut step,
            &[(HEAD, head, bytes, VOCABULARY * 4, VOCABULARY * HIDDEN * 2)],
        );
        self.wave(&mut step, &[(PICK, head, VOCABULARY * 4, 4, VOCABULARY)]);
        step.dispatches
    }

    /// Appends dispatches that may overlap: kernel, scope, bytes read, bytes written, operations.
    fn wave(&mut self, step: &mut Step, works: &[(u32, u32, u64, u64, u64)]) {
        let wave = step.wave;
        let barrier = (wave > 0).then_some(match wave % 9 {
            3 => 1,
            8 if self.layers < 4 => 2,
            _ => 0,
        });
        if wave > 0 {
            step.now += 1_700 + self.random(900);
        }
        let mut end = step.now;
        for (at, &(kernel, scope, read, written, operations)) in works.iter().enumerate() {
            let start_ns = step.now + at as u64 * 170;
            // Two thirds of the bandwidth, and never less than what a dispatch takes at all.
            let end_ns = start_ns + 1_150 + (read + written) / 1_940 + self.random(380);
            end = end.max(end_ns);
            let fused = match kernel {
                PRODUCT_ADD => Some(0),
                ROTATE => Some(1),
                _ => None,
            };
            step.dispatches.push(Dispatch {
                kernel,
                scope,
                node: Some(step.dispatches.len() as u32),
                fused,
                wave,
                barrier: if at == 0 { barrier } else { None },
                read,
                written,
                operations,
                start_ns,
                end_ns,
            });
        }
        step.now = end;
        step.wave += 1;
    }

    fn finish(mut self) -> Profile {
        self.profile.end_ns = self.host + 15_000;
        self.profile
    }
}

struct Step {
    now: u64,
    wave: u32,
    dispatches: Vec<Dispatch>,
}
