//! The superclass of every class of the double. Deallocated objects wait in quarantine as zombies before their memory is given
//! back, so that a release too many is reported instead of corrupting memory.

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::OnceLock;

use objc2::runtime::{AnyClass, ClassBuilder, NSObject, Sel};
use objc2::{ClassType, extern_class, msg_send, sel};
use parking_lot::Mutex;

use crate::rules;

extern_class!(
    /// Superclass of every class of the double.
    #[unsafe(super(NSObject))]
    #[name = "MetalDoubleObject"]
    pub(crate) struct Root;
);

/// Objects in quarantine: enough that a release too many soon after the last one finds a zombie.
const QUARANTINE: usize = 4096;

struct Zombie {
    address: usize,
    class: &'static AnyClass,
}

static ZOMBIES: Mutex<VecDeque<Zombie>> = Mutex::new(VecDeque::new());
static ZOMBIE_CLASS: OnceLock<&'static AnyClass> = OnceLock::new();

/// Makes the two classes known to the runtime; the first call does it.
pub(crate) fn register() {
    ZOMBIE_CLASS.get_or_init(|| {
        let Some(mut root) = ClassBuilder::new(c"MetalDoubleObject", NSObject::class()) else {
            unreachable!("the class is made once");
        };
        // SAFETY: -dealloc takes and returns nothing.
        unsafe { root.add_method(sel!(dealloc), dealloc as unsafe extern "C-unwind" fn(_, _)) };
        root.register();
        let Some(mut zombie) = ClassBuilder::new(c"MetalDoubleZombie", NSObject::class()) else {
            unreachable!("the class is made once");
        };
        // SAFETY: the methods' types are those of NSObject.
        unsafe {
            zombie.add_method(
                sel!(retain),
                retain_zombie as unsafe extern "C-unwind" fn(_, _) -> _,
            );
            zombie.add_method(
                sel!(autorelease),
                retain_zombie as unsafe extern "C-unwind" fn(_, _) -> _,
            );
            zombie.add_method(
                sel!(release),
                release_zombie as unsafe extern "C-unwind" fn(_, _),
            );
            zombie.add_method(
                sel!(dealloc),
                dealloc_zombie as unsafe extern "C-unwind" fn(_, _),
            );
        }
        zombie.register()
    });
}

/// # Safety
/// Sent by the runtime, once, when the last reference is gone and the instance variables are dropped.
unsafe extern "C-unwind" fn dealloc(this: NonNull<Root>, _: Sel) {
    let Some(zombie_class) = ZOMBIE_CLASS.get() else {
        return;
    };
    // SAFETY: an object starts with its class, and nobody uses this one any more.
    let class = unsafe {
        let class_of = this.cast::<&'static AnyClass>();
        let class = class_of.read();
        class_of.write(zombie_class);
        class
    };
    let oldest = {
        let mut zombies = ZOMBIES.lock();
        zombies.push_back(Zombie {
            address: this.as_ptr() as usize,
            class,
        });
        if zombies.len() > QUARANTINE {
            zombies.pop_front()
        } else {
            None
        }
    };
    if let Some(oldest) = oldest {
        let object = oldest.address as *mut Root;
        // SAFETY: the object was deallocated up to NSObject's part; its class is put back for that.
        unsafe {
            object.cast::<&'static AnyClass>().write(Root::class());
            let () = msg_send![super(object, NSObject::class()), dealloc];
        }
    }
}

#[cold]
fn report(address: usize, selector: &str) {
    let class = ZOMBIES
        .lock()
        .iter()
        .find(|zombie| zombie.address == address)
        .map(|zombie| zombie.class);
    let class = class.map_or_else(|| "?".into(), |class| class.name().to_string_lossy());
    rules::fail(
        &format!("-[{class} {selector}]"),
        format_args!("message sent to deallocated instance {address:#x}"),
    );
}

unsafe extern "C-unwind" fn retain_zombie(this: NonNull<NSObject>, _: Sel) -> *mut NSObject {
    report(this.as_ptr() as usize, "retain");
    this.as_ptr()
}

unsafe extern "C-unwind" fn release_zombie(this: NonNull<NSObject>, _: Sel) {
    report(this.as_ptr() as usize, "release");
}

unsafe extern "C-unwind" fn dealloc_zombie(this: NonNull<NSObject>, _: Sel) {
    report(this.as_ptr() as usize, "dealloc");
}
