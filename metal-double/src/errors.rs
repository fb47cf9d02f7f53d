//! NSError objects with a text.

use objc2::rc::Retained;
use objc2::runtime::AnyObject;
use objc2_foundation::{NSDictionary, NSError, NSLocalizedDescriptionKey, NSString};

/// An out-parameter for an error, as methods with `error:` take it.
pub(crate) type ErrorSlot = *mut *mut NSError;

/// An error with a localized description, and more entries of its dictionary.
pub(crate) fn error(
    domain: &str,
    code: isize,
    text: &str,
    more: &[(&NSString, &AnyObject)],
) -> Retained<NSError> {
    // SAFETY: a constant of Foundation.
    let key: &NSString = unsafe { NSLocalizedDescriptionKey };
    let text = NSString::from_str(text);
    let mut keys: Vec<&NSString> = vec![key];
    let mut values: Vec<&AnyObject> = vec![text.as_ref()];
    for (key, value) in more {
        keys.push(key);
        values.push(value);
    }
    let info = NSDictionary::<NSString, AnyObject>::from_slices(&keys, &values);
    // SAFETY: the dictionary's keys are texts, its values what the keys stand for.
    unsafe {
        NSError::errorWithDomain_code_userInfo(&NSString::from_str(domain), code, Some(&info))
    }
}

/// Writes an error to the caller's slot, if it gave one.
pub(crate) fn refuse(slot: ErrorSlot, domain: &str, code: isize, text: &str) {
    if slot.is_null() {
        return;
    }
    let error = error(domain, code, text, &[]);
    // SAFETY: a slot that is not nil can be written; the caller does not own what it finds there.
    unsafe { slot.write(Retained::autorelease_ptr(error)) };
}
