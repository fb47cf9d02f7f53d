//! Made-up profiles of all kinds.

#[path = "decoder.rs"]
mod decoder;

use dacapo_profile::{Level, Profile, Timed};
use decoder::decoder;

/// Profiles of all kinds, with names for files.
pub(crate) fn all() -> Vec<(&'static str, Profile)> {
    let without = |change: fn(&mut Profile)| {
        let mut profile = decoder(4, 3);
        change(&mut profile);
        profile
    };
    vec![
        ("decoder", decoder(30, 6)),
        ("large", decoder(30, 275)),
        ("hostile", hostile()),
        (
            "no-peaks",
            without(|it| {
                it.peaks = None;
                it.distortion = None;
                it.clock_error_ns = None;
                it.timed = Some(Timed::OnePassEach);
            }),
        ),
        (
            "submissions",
            without(|it| {
                it.level = Level::Submissions;
                it.timed = None;
                it.distortion = None;
                for submission in &mut it.submissions {
                    submission.dispatches.clear();
                }
            }),
        ),
        (
            "empty",
            without(|it| {
                it.submissions.clear();
                it.spans.clear();
            }),
        ),
    ]
}

/// Names that would do harm if they were taken for anything but text, and indices and times that mean nothing.
fn hostile() -> Profile {
    const NAME: &str = "</script><!--<script>window.owned=1</script><img src=x onerror=window.owned=1>\u{2028}\u{2029}&amp;\"'`${1}";
    let mut profile = decoder(2, 4);
    profile.title = NAME.to_owned();
    profile.device.name = NAME.to_owned();
    for kernel in &mut profile.kernels {
        kernel.name.push_str(NAME);
        kernel.op.push_str(NAME);
    }
    profile
        .scopes
        .iter_mut()
        .flatten()
        .for_each(|label| label.push_str(NAME));
    for cause in &mut profile.causes {
        cause.text = NAME.repeat(20);
    }
    profile.causes[2].kind = NAME.to_owned();
    profile.fused[0].rule = NAME.to_owned();
    for span in &mut profile.spans {
        span.name.push_str(NAME);
        span.label = NAME.to_owned();
        span.thread.push_str(NAME);
    }
    for submission in &mut profile.submissions {
        submission.label = format!("{} {NAME}", submission.number % 2);
        submission.counters.insert(NAME.to_owned(), u64::MAX);
    }
    let odd = &mut profile.submissions[1].dispatches;
    odd[3].kernel = u32::MAX;
    odd[4].scope = 4_000;
    odd[5].barrier = Some(70);
    odd[6].fused = Some(u32::MAX);
    odd[7].read = u64::MAX;
    odd[7].written = u64::MAX;
    odd[8].end_ns = 0;
    profile.submissions[2].completed_ns = 0;
    profile
}
