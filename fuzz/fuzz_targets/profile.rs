//! Any bytes as a saved profile: what can be read can be understood, written the same way again, and compared.
#![no_main]

use dacapo_profile::{Analysis, Comparison, Profile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(profile) = Profile::from_json(bytes) else {
        return;
    };
    let analysis = Analysis::of(&profile);
    let whole = analysis.whole;
    assert_eq!(
        whole.device_ns + whole.gaps_ns + whole.before_ns + whole.after_ns,
        whole.end_ns - whole.start_ns
    );
    Comparison::of(&profile, &profile);
    profile.prometheus(&[]).expect("no labels");
    let again = profile.to_json().expect("what was read can be written");
    let again = Profile::from_json(again.as_bytes()).expect("what was written can be read");
    assert_eq!(again, profile);
});
