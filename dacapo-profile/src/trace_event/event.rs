//! The kinds of events, and the tracks that they lie on.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use crate::{Distortion, Profile};

/// A track. Numbers are unique across processes, since viewers mix them up otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) process: u32,
    pub(super) thread: u32,
}

/// Writes events, separated by commas.
pub(super) struct Events<'a, W> {
    out: &'a mut W,
    first: bool,
}

/// What is said of a whole trace.
#[derive(Serialize)]
pub(super) struct Other<'a> {
    title: &'a str,
    device: &'a str,
    level: crate::Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    timed: Option<crate::Timed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_error_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distortion: Option<&'a Distortion>,
}

impl<'a> Other<'a> {
    pub(super) fn of(profile: &'a Profile) -> Other<'a> {
        Other {
            title: &profile.title,
            device: &profile.device.name,
            level: profile.level,
            timed: profile.timed,
            clock_error_ns: profile.clock_error_ns,
            distortion: profile.distortion.as_ref(),
        }
    }
}

#[derive(Serialize)]
struct Metadata<A> {
    ph: &'static str,
    name: &'static str,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<u32>,
    args: A,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct SortIndex {
    sort_index: u32,
}

#[derive(Serialize)]
struct Complete<'a, A> {
    ph: &'static str,
    pid: u32,
    tid: u32,
    ts: f64,
    dur: f64,
    cat: &'a str,
    name: &'a str,
    args: A,
}

#[derive(Serialize)]
struct Flow {
    ph: &'static str,
    pid: u32,
    tid: u32,
    ts: f64,
    cat: &'static str,
    name: &'static str,
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
}

#[derive(Serialize)]
struct Counter<'a> {
    ph: &'static str,
    pid: u32,
    ts: f64,
    name: &'a str,
    args: Series<'a>,
}

/// One line of a counter. Viewers call it by both names.
struct Series<'a> {
    name: &'a str,
    value: f64,
}

impl Serialize for Series<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.name, self.value)])
    }
}

impl<'a, W: Write> Events<'a, W> {
    pub(super) fn new(out: &'a mut W) -> Events<'a, W> {
        Events { out, first: true }
    }

    fn event(&mut self, event: &impl Serialize) -> io::Result<()> {
        self.out
            .write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        Ok(serde_json::to_writer(&mut *self.out, event)?)
    }

    fn metadata(
        &mut self,
        pid: u32,
        tid: Option<u32>,
        name: &'static str,
        args: impl Serialize,
    ) -> io::Result<()> {
        self.event(&Metadata {
            ph: "M",
            name,
            pid,
            tid,
            args,
        })
    }

    pub(super) fn process(&mut self, process: u32, name: &str) -> io::Result<()> {
        self.metadata(process, None, "process_name", Name { name })?;
        self.metadata(
            process,
            None,
            "process_sort_index",
            SortIndex {
                sort_index: process,
            },
        )
    }

    fn thread(&mut self, track: Track, name: &str) -> io::Result<()> {
        let Track { process, thread } = track;
        self.metadata(process, Some(thread), "thread_name", Name { name })?;
        self.metadata(
            process,
            Some(thread),
            "thread_sort_index",
            SortIndex { sort_index: thread },
        )
    }

    /// Something that lasts from `start` to `end`.
    pub(super) fn complete(
        &mut self,
        track: Track,
        (start, end): (u64, u64),
        cat: &str,
        name: &str,
        args: impl Serialize,
    ) -> io::Result<()> {
        let Track {
            process: pid,
            thread: tid,
        } = track;
        let dur = micros(end.saturating_sub(start));
        self.event(&Complete {
            ph: "X",
            pid,
            tid,
            ts: micros(start),
            dur,
            cat,
            name,
            args,
        })
    }

    /// The head or the tail of an arrow. It binds to what lasts at that time on the track.
    pub(super) fn flow(&mut self, end: FlowEnd, track: Track, at: u64, id: u64) -> io::Result<()> {
        let (ph, bp) = match end {
            FlowEnd::From => ("s", None),
            FlowEnd::To => ("f", Some("e")),
        };
        let Track {
            process: pid,
            thread: tid,
        } = track;
        self.event(&Flow {
            ph,
            pid,
            tid,
            ts: micros(at),
            cat: "submission",
            name: "commit",
            id,
            bp,
        })
    }

    pub(super) fn counter(
        &mut self,
        (name, series): (&str, &str),
        at: u64,
        value: f64,
    ) -> io::Result<()> {
        let args = Series {
            name: series,
            value,
        };
        self.event(&Counter {
            ph: "C",
            pid: super::DEVICE,
            ts: micros(at),
            name,
            args,
        })
    }
}

/// Where an arrow begins, and where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum FlowEnd {
    From,
    To,
}

/// Tracks by process, name and row; made and named when first used.
#[derive(Debug, Default)]
pub(super) struct Names {
    tracks: BTreeMap<(u32, String), Vec<u32>>,
    made: u32,
}

impl Names {
    /// The track of the row `lane` of what is called `name`.
    pub(super) fn track<W: Write>(
        &mut self,
        events: &mut Events<'_, W>,
        process: u32,
        name: &str,
        lane: u32,
    ) -> io::Result<Track> {
        let rows = self.tracks.entry((process, name.to_owned())).or_default();
        while rows.len() <= lane as usize {
            self.made += 1;
            // Away from the numbers of processes: a thread of the same number counts as the main thread.
            let thread = 100 + self.made;
            let row = rows.len();
            rows.push(thread);
            let shown = if row == 0 {
                name.to_owned()
            } else {
                format!("{name} ({})", row + 1)
            };
            events.thread(Track { process, thread }, &shown)?;
        }
        Ok(Track {
            process,
            thread: rows[lane as usize],
        })
    }
}

/// Three decimals are enough for rates, and short.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Doubles hold nanoseconds of a hundred days exactly.
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}
