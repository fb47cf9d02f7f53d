//! Keeping panics of other people's code away from the threads that must go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic was raised with.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs code of a caller (a waker, a destructor) on a thread of the device, which must survive it. The panic
/// hook has reported the panic already.
pub(crate) fn contain(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        discard(payload);
    }
}

/// Drops a payload, whose destructor may panic as well. What that panic was raised with is leaked: its own
/// destructor might panic without end.
pub(crate) fn discard(payload: Payload) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        core::mem::forget(second);
    }
}

/// The text of a panic, and the end of its payload.
pub(crate) fn into_text(payload: Payload) -> Box<str> {
    let text = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => (*text).into(),
        (_, Some(text)) => text.as_str().into(),
        _ => "a value that is not text".into(),
    };
    discard(payload);
    text
}
