//! How objects of the double are made.

use objc2::rc::{Allocated, PartialInit, Retained};
use objc2::{AnyThread, ClassType, DefinedClass, msg_send};

/// A protocol's object, owned.
pub(crate) type Owned<P> = Retained<objc2::runtime::ProtocolObject<P>>;

/// Makes an object of a class of the double from its instance variables.
pub(crate) fn make<T>(ivars: T::Ivars) -> Retained<T>
where
    T: AnyThread + DefinedClass,
    T::Super: ClassType,
{
    let allocated: PartialInit<T> = T::alloc().set_ivars(ivars);
    // SAFETY: the superclass's init is NSObject's, which takes nothing and returns the object.
    unsafe { msg_send![super(allocated), init] }
}

/// The same for an object that the program allocated (`new`).
pub(crate) fn initialize<T>(allocated: Allocated<T>) -> Option<Retained<T>>
where
    T: AnyThread + DefinedClass,
    T::Ivars: Default,
    T::Super: ClassType,
{
    let allocated = allocated.set_ivars(T::Ivars::default());
    // SAFETY: as above.
    unsafe { msg_send![super(allocated), init] }
}

/// A class whose objects a program makes itself (`new`), with default instance variables.
macro_rules! made_by_name {
    ($class:ident, $name:literal, $ivars:ty, { $($body:tt)* }) => {
        objc2::define_class!(
            #[unsafe(super($crate::root::Root, objc2::runtime::NSObject))]
            #[name = $name]
            #[ivars = $ivars]
            #[derive(Debug)]
            pub(crate) struct $class;

            impl $class {
                #[unsafe(method_id(init))]
                fn init(this: objc2::rc::Allocated<Self>) -> Option<objc2::rc::Retained<Self>> {
                    $crate::object::initialize(this)
                }

                $($body)*
            }
        );
    };
}

pub(crate) use made_by_name;
