//! A profile in the trace event format, which Perfetto and Chrome's own viewer load.
//!
//! One process is the host: a track for each thread with what it did, and tracks on which each submission lies from
//! being opened to being seen complete. The other is the device: tracks for submissions, waves and dispatches, and
//! counters. Events of one track must nest; where they overlap otherwise there are more tracks of the same name. An
//! arrow leads from what committed each submission to where the device began it. Times are microseconds with three
//! decimals, since the device was opened.
//!
//! The format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

mod counters;
mod device;
mod event;
mod host;

use std::io::{self, Write};

use crate::Profile;
use event::{Events, Names, Other};

/// The processes, which the format wants to have numbers.
const HOST: u32 = 1;
const DEVICE: u32 = 2;

/// Writes `profile` as JSON, event by event: nothing is kept but the order of what overlaps.
///
/// # Errors
/// Those of `out`.
pub fn write_trace_events(profile: &Profile, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"displayTimeUnit\":\"ns\",\"otherData\":")?;
    serde_json::to_writer(&mut *out, &Other::of(profile))?;
    out.write_all(b",\"traceEvents\":[")?;
    let mut events = Events::new(out);
    let mut names = Names::default();
    events.process(HOST, "host")?;
    let device = &profile.device;
    events.process(DEVICE, &format!("{} ({})", device.name, device.backend))?;
    host::write(profile, &mut names, &mut events)?;
    device::write(profile, &mut names, &mut events)?;
    counters::write(profile, &mut events)?;
    out.write_all(b"\n]}\n")
}
