//! Entry points of automatic reference counting that GCC's runtime lacks, on top of messages to GNUstep's objects.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};

use parking_lot::Mutex;

use crate::rules;

type Id = *mut c_void;
type Sel = *const c_void;
type Implementation = unsafe extern "C-unwind" fn(Id, Sel) -> Id;

unsafe extern "C-unwind" {
    fn objc_msg_lookup(receiver: Id, selector: Sel) -> Option<Implementation>;
    fn objc_getClass(name: *const c_char) -> Id;
    fn sel_registerName(name: *const c_char) -> Sel;
    fn class_getName(class: Id) -> *const c_char;
}

/// A selector that is looked up once.
struct Selector {
    name: &'static CStr,
    found: std::sync::atomic::AtomicPtr<c_void>,
}

impl Selector {
    const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            found: std::sync::atomic::AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    fn get(&self) -> Sel {
        use std::sync::atomic::Ordering::Relaxed;
        let found = self.found.load(Relaxed);
        if !found.is_null() {
            return found;
        }
        // SAFETY: the name ends with a nul byte; the runtime keeps selectors for ever.
        let registered = unsafe { sel_registerName(self.name.as_ptr()) };
        self.found.store(registered.cast_mut(), Relaxed);
        registered
    }
}

static RETAIN: Selector = Selector::new(c"retain");
static RELEASE: Selector = Selector::new(c"release");
static AUTORELEASE: Selector = Selector::new(c"autorelease");
static ALLOC: Selector = Selector::new(c"alloc");
static INIT: Selector = Selector::new(c"init");
static DRAIN: Selector = Selector::new(c"drain");

/// # Safety
/// `receiver` must be nil or an object (or class) that answers `selector`, which takes nothing and returns an object or nothing.
unsafe fn send(receiver: Id, selector: &Selector) -> Id {
    if receiver.is_null() {
        return receiver;
    }
    // SAFETY: as promised by the caller.
    unsafe {
        let selector = selector.get();
        match objc_msg_lookup(receiver, selector) {
            Some(implementation) => implementation(receiver, selector),
            None => std::ptr::null_mut(),
        }
    }
}

thread_local! {
    /// Autorelease pools in place on this thread.
    static POOLS: Cell<usize> = const { Cell::new(0) };
}

/// # Safety
/// `object` must be nil or an object.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_retain(object: Id) -> Id {
    // SAFETY: every object answers retain.
    unsafe { send(object, &RETAIN) }
}

/// # Safety
/// `object` must be nil or an object of which the caller owns a reference.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_release(object: Id) {
    // SAFETY: every object answers release.
    unsafe { send(object, &RELEASE) };
}

/// # Safety
/// As for [`objc_release`].
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_autorelease(object: Id) -> Id {
    if !object.is_null() && POOLS.get() == 0 {
        // SAFETY: an object starts with its class.
        let class = unsafe { CStr::from_ptr(class_getName(object_getClass(object))) };
        rules::fail(
            "objc_autoreleaseNoPool",
            format_args!(
                "MISSING POOLS: Object {object:p} of class {} autoreleased with no pool in place - just leaking",
                class.to_string_lossy()
            ),
        );
    }
    // SAFETY: every object answers autorelease.
    unsafe { send(object, &AUTORELEASE) }
}

/// # Safety
/// As for [`objc_release`].
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_autoreleaseReturnValue(object: Id) -> Id {
    // SAFETY: as promised by the caller.
    unsafe { objc_autorelease(object) }
}

/// # Safety
/// As for [`objc_retain`].
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_retainAutoreleasedReturnValue(object: Id) -> Id {
    // SAFETY: as promised by the caller.
    unsafe { objc_retain(object) }
}

/// # Safety
/// The pool must be popped on this thread.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_autoreleasePoolPush() -> Id {
    POOLS.set(POOLS.get() + 1);
    // SAFETY: GNUstep has the class; alloc and init make an object.
    unsafe {
        send(
            send(objc_getClass(c"NSAutoreleasePool".as_ptr()), &ALLOC),
            &INIT,
        )
    }
}

/// # Safety
/// `pool` must be this thread's innermost pool.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_autoreleasePoolPop(pool: Id) {
    // SAFETY: a pool answers drain, which also ends it.
    unsafe { send(pool, &DRAIN) };
    POOLS.set(POOLS.get().saturating_sub(1));
}

// Weak references do not become nil here: nothing that runs on the double lets one outlive its object.

/// # Safety
/// `slot` must be writable.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_initWeak(slot: *mut Id, object: Id) -> Id {
    // SAFETY: as promised by the caller.
    unsafe { slot.write(object) };
    object
}

/// # Safety
/// `slot` must hold nil or an object that still lives.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_loadWeakRetained(slot: *mut Id) -> Id {
    // SAFETY: as promised by the caller.
    unsafe { objc_retain(slot.read()) }
}

/// # Safety
/// `slot` must be writable.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_destroyWeak(slot: *mut Id) {
    // SAFETY: as promised by the caller.
    unsafe { slot.write(std::ptr::null_mut()) };
}

/// # Safety
/// `to` must be writable and `from` readable.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn objc_copyWeak(to: *mut Id, from: *mut Id) {
    // SAFETY: as promised by the caller.
    unsafe { to.write(from.read()) };
}

/// GCC's runtime has this function in a header only.
///
/// # Safety
/// `object` must be nil or an object.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn object_getClass(object: Id) -> Id {
    if object.is_null() {
        return object;
    }
    // SAFETY: an object starts with its class.
    unsafe { object.cast::<Id>().read() }
}

/// GCC writes the type `const void *` as "^rv", clang and objc2's check of encodings as "r^v". The definition here wins over
/// libobjc's, because this library comes first in symbol lookup.
///
/// # Safety
/// `method` must be nil or a method of the runtime: a selector, the types' text, the implementation.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn method_getTypeEncoding(
    method: *const [*const c_char; 3],
) -> *const c_char {
    static REWRITTEN: Mutex<Option<HashMap<usize, CString>>> = Mutex::new(None);
    if method.is_null() {
        return std::ptr::null();
    }
    // SAFETY: as promised by the caller; the runtime keeps the text for ever.
    let types = unsafe { (*method)[1] };
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(types) }.to_bytes();
    if !text.windows(2).any(|pair| pair == b"^r") {
        return types;
    }
    let mut rewritten = REWRITTEN.lock();
    let rewritten = rewritten.get_or_insert_default();
    rewritten
        .entry(types as usize)
        .or_insert_with(|| {
            CString::new(String::from_utf8_lossy(text).replace("^r", "r^")).unwrap_or_default()
        })
        .as_ptr()
}
