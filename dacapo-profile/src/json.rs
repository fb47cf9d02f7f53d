//! Profiles as JSON. What is read may come from anywhere.

use serde::Deserialize;

use crate::error::ProfileError;
use crate::peaks::Peaks;
use crate::profile::{Dispatch, Profile, Submission, VERSION};

/// The most bytes of JSON that are read: two million dispatches.
pub const MAX_JSON_BYTES: usize = 512 << 20;

/// The latest time, 104 days after the device was opened: sums of many stay exact, in other languages, too.
const MAX_NS: u64 = 1 << 53;

/// What every version of the schema has.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Profile {
    /// The profile as one line of JSON.
    ///
    /// # Errors
    /// [`ProfileError::Json`] for numbers that JSON does not have, such as an infinite peak.
    pub fn to_json(&self) -> Result<String, ProfileError> {
        if let Some(peaks) = &self.peaks {
            check_peaks(peaks)?;
        }
        Ok(serde_json::to_string(self)?)
    }

    /// A profile from JSON. Whatever the bytes are, this does not panic, and takes at most some sixteen times as much memory
    /// as they do: that of a list of empty lists.
    ///
    /// # Errors
    /// [`ProfileError`] says what is wrong, and where.
    pub fn from_json(bytes: &[u8]) -> Result<Profile, ProfileError> {
        if bytes.len() > MAX_JSON_BYTES {
            return Err(ProfileError::Length {
                found: bytes.len(),
                allowed: MAX_JSON_BYTES,
            });
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != u64::from(VERSION) {
            return Err(ProfileError::Version { found: version });
        }
        let profile: Profile = serde_json::from_slice(bytes)?;
        check(&profile)?;
        Ok(profile)
    }
}

fn check(profile: &Profile) -> Result<(), ProfileError> {
    ordered(
        || "the recording".to_owned(),
        ("start_ns", profile.start_ns),
        ("end_ns", profile.end_ns),
    )?;
    if let Some(peaks) = &profile.peaks {
        check_peaks(peaks)?;
    }
    for (index, submission) in profile.submissions.iter().enumerate() {
        check_submission(profile, index, submission)?;
    }
    for (index, span) in profile.spans.iter().enumerate() {
        ordered(
            || format!("spans[{index}]"),
            ("start_ns", span.start_ns),
            ("end_ns", span.end_ns),
        )?;
    }
    Ok(())
}

fn check_submission(
    profile: &Profile,
    index: usize,
    submission: &Submission,
) -> Result<(), ProfileError> {
    let place = || format!("submissions[{index}]");
    let opened = ("opened_ns", submission.opened_ns);
    ordered(place, opened, ("committed_ns", submission.committed_ns))?;
    let start = ("start_ns", submission.start_ns);
    ordered(place, start, ("end_ns", submission.end_ns))?;
    bounded_time(place, ("completed_ns", submission.completed_ns))?;
    for (at, dispatch) in submission.dispatches.iter().enumerate() {
        let place = || format!("submissions[{index}].dispatches[{at}]");
        ordered(
            place,
            ("start_ns", dispatch.start_ns),
            ("end_ns", dispatch.end_ns),
        )?;
        check_indices(profile, place, dispatch)?;
    }
    Ok(())
}

fn check_indices(
    profile: &Profile,
    place: impl Fn() -> String,
    dispatch: &Dispatch,
) -> Result<(), ProfileError> {
    let indices = [
        ("kernel", Some(dispatch.kernel), profile.kernels.len()),
        ("scope", Some(dispatch.scope), profile.scopes.len()),
        ("fused", dispatch.fused, profile.fused.len()),
        ("barrier", dispatch.barrier, profile.causes.len()),
    ];
    for (field, index, entries) in indices {
        if let Some(found) = index.filter(|&index| index as usize >= entries) {
            return Err(ProfileError::Index {
                place: format!("{}.{field}", place()),
                found,
                entries,
            });
        }
    }
    Ok(())
}

fn check_peaks(peaks: &Peaks) -> Result<(), ProfileError> {
    let rates = [
        ("read_bytes_per_second", peaks.read_bytes_per_second),
        ("copy_bytes_per_second", peaks.copy_bytes_per_second),
        ("f32_operations_per_second", peaks.f32_operations_per_second),
        (
            "f16_matrix_operations_per_second",
            peaks.f16_matrix_operations_per_second.unwrap_or(1.0),
        ),
    ];
    let costs = [
        ("dispatch_ns", peaks.dispatch_ns),
        ("barrier_ns", peaks.barrier_ns),
        ("launch_ns", peaks.launch_ns),
        ("round_trip_ns", peaks.round_trip_ns),
    ];
    let wrong = |field: &str, found: f64, allowed| ProfileError::Number {
        place: format!("peaks.{field}"),
        found: found.to_string(),
        allowed,
    };
    for (field, rate) in rates {
        // A rate below one in a second is a slip, and could make times that no number holds.
        if !(rate.is_finite() && rate >= 1.0) {
            return Err(wrong(field, rate, "finite numbers from 1"));
        }
    }
    for (field, cost) in costs {
        if !(cost.is_finite() && cost >= 0.0) {
            return Err(wrong(field, cost, "finite numbers from 0"));
        }
    }
    Ok(())
}

fn ordered(
    place: impl Fn() -> String,
    earlier: (&'static str, u64),
    later: (&'static str, u64),
) -> Result<(), ProfileError> {
    bounded_time(&place, later)?;
    if later.1 < earlier.1 {
        return Err(ProfileError::Backwards {
            place: place(),
            later: later.0,
            found: later.1,
            earlier: earlier.0,
            at: earlier.1,
        });
    }
    Ok(())
}

fn bounded_time(
    place: impl Fn() -> String,
    (field, time): (&'static str, u64),
) -> Result<(), ProfileError> {
    match time <= MAX_NS {
        true => Ok(()),
        false => Err(ProfileError::Number {
            place: format!("{}.{field}", place()),
            found: time.to_string(),
            allowed: "0 to 2^53",
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Analysis;
    use crate::profile::Distortion;
    use crate::samples::{PEAKS, two_steps};

    /// A profile that has everything that is optional.
    fn whole() -> Profile {
        let mut profile = two_steps();
        profile.peaks = Some(PEAKS);
        profile.distortion = Some(Distortion {
            label: "decode".to_owned(),
            profiled_ns: 210,
            unprofiled_ns: 200,
        });
        profile.counters.insert("submissions".to_owned(), 3);
        profile
    }

    fn refusal(change: impl FnOnce(&mut Profile)) -> String {
        let mut profile = whole();
        change(&mut profile);
        let json = serde_json::to_string(&profile).expect("JSON");
        let error = Profile::from_json(json.as_bytes()).expect_err("it is wrong");
        error.to_string()
    }

    #[test]
    fn a_profile_comes_back_as_it_was() {
        for profile in [whole(), two_steps()] {
            let json = profile.to_json().expect("JSON");
            assert!(!json.contains('\n'));
            let read = Profile::from_json(json.as_bytes()).expect("a profile");
            assert_eq!(read, profile);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = refusal(|it| it.version = 9);
        assert!(
            message.contains("version 9") && message.contains("version 1"),
            "{message}"
        );
        let message = refusal(|it| it.submissions[0].dispatches[3].kernel = 3);
        assert_eq!(
            message,
            "submissions[0].dispatches[3].kernel is 3, and there are 3"
        );
        let message = refusal(|it| it.submissions[1].dispatches[1].barrier = Some(1));
        assert_eq!(
            message,
            "submissions[1].dispatches[1].barrier is 1, and there are 1"
        );
        let message = refusal(|it| it.submissions[0].dispatches[0].scope = u32::MAX);
        assert!(
            message.contains("dispatches[0].scope is 4294967295"),
            "{message}"
        );
        let message = refusal(|it| it.fused.clear());
        assert!(
            message.contains(".fused is 0, and there are 0"),
            "{message}"
        );
        let message = refusal(|it| it.submissions[2].end_ns = 5);
        assert_eq!(
            message,
            "submissions[2]: end_ns is 5, before start_ns at 600"
        );
        let message = refusal(|it| it.submissions[2].committed_ns = 5);
        assert_eq!(
            message,
            "submissions[2]: committed_ns is 5, before opened_ns at 520"
        );
        let message = refusal(|it| it.spans[1].end_ns = 5);
        assert_eq!(message, "spans[1]: end_ns is 5, before start_ns at 480");
        let message = refusal(|it| it.end_ns = MAX_NS + 1);
        assert!(
            message.contains("the recording.end_ns is 9007199254740993"),
            "{message}"
        );
        let message = refusal(|it| it.peaks.as_mut().expect("peaks").read_bytes_per_second = 0.0);
        assert!(
            message.contains("peaks.read_bytes_per_second is 0; allowed"),
            "{message}"
        );
        let message = refusal(|it| it.peaks.as_mut().expect("peaks").launch_ns = -1.0);
        assert!(
            message.contains("peaks.launch_ns is -1; allowed"),
            "{message}"
        );
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            "null",
            "{\"version\":1}",
            "\u{0}",
            "{\"version\":-1}",
        ] {
            let error = Profile::from_json(text.as_bytes()).expect_err(text);
            assert!(matches!(error, ProfileError::Json(_)), "{text}: {error}");
        }
        let nested = "[".repeat(100_000);
        assert!(Profile::from_json(nested.as_bytes()).is_err());
        let mut infinite = whole();
        infinite.peaks.as_mut().expect("peaks").dispatch_ns = f64::INFINITY;
        let error = infinite.to_json().expect_err("JSON has no infinity");
        assert!(error.to_string().contains("peaks.dispatch_ns"), "{error}");
    }

    /// What a profile's JSON may be changed to at a place.
    fn pieces() -> impl Strategy<Value = &'static str> {
        let pieces = [
            "",
            "0",
            "1",
            "-1",
            "9007199254740992",
            "18446744073709551615",
            "1e308",
            "1e-308",
            "null",
            "\"",
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\\u0000",
            "true",
            "99999999999999999999999",
        ];
        proptest::sample::select(pieces.to_vec())
    }

    proptest! {
        #[test]
        fn no_bytes_can_do_harm(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0..12usize, pieces()), 1..4),
        ) {
            let mut json = whole().to_json().expect("JSON");
            for (at, length, piece) in changes {
                let at = at.index(json.len());
                json.replace_range(at..(at + length).min(json.len()), piece);
            }
            if let Ok(profile) = Profile::from_json(json.as_bytes()) {
                let analysis = Analysis::of(&profile);
                prop_assert!(serde_json::to_string(&analysis).is_ok());
                let again = profile.to_json().expect("JSON");
                prop_assert_eq!(Profile::from_json(again.as_bytes()).expect("a profile"), profile);
            }
        }

        /// Numbers are where harm would come from: all of them, changed to any.
        #[test]
        fn no_numbers_can_do_harm(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), pieces()), 1..6),
        ) {
            let json = whole().to_json().expect("JSON");
            let mut parts: Vec<String> = json.split_inclusive([':', ',']).map(str::to_owned).collect();
            for (at, piece) in changes {
                let part = at.get_mut(&mut parts[..]);
                let number = part.trim_end_matches(|char: char| !char.is_ascii_digit()).len();
                if part[..number].bytes().all(|byte| byte.is_ascii_digit()) {
                    part.replace_range(..number, piece);
                }
            }
            if let Ok(profile) = Profile::from_json(parts.concat().as_bytes()) {
                let analysis = Analysis::of(&profile);
                prop_assert!(serde_json::to_string(&analysis).is_ok());
            }
        }
    }
}
