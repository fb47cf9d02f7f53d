//! What happens when a program breaks one of Metal's rules.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

static COLLECTING: AtomicBool = AtomicBool::new(false);
static COLLECTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Reports a broken rule in the form of Metal's validation layer: printed, and the process aborts; or kept, while failures are
/// collected.
#[cold]
#[inline(never)]
pub fn fail(place: &str, text: impl Display) {
    let report = format!("{place}: failed assertion `{text}'");
    if COLLECTING.load(Ordering::SeqCst) {
        COLLECTED.lock().push(report);
    } else {
        eprintln!("{report}");
        std::process::abort();
    }
}

/// Keeps failures from now on, instead of aborting, or stops doing so.
pub fn collect(on: bool) {
    COLLECTING.store(on, Ordering::SeqCst);
}

/// The failures kept since the last call.
pub fn take_failures() -> Vec<String> {
    std::mem::take(&mut COLLECTED.lock())
}
