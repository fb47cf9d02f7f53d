//! How objects of the double are made.

/// A protocol's object, owned.
pub(crate) type Owned<P> = objc2::rc::Retained<objc2::runtime::ProtocolObject<P>>;

/// Makes an object of a class of the double from its instance variables.
macro_rules! make {
    ($class:ident, $ivars:expr) => {{
        let allocated = <$class as objc2::AnyThread>::alloc().set_ivars($ivars);
        // SAFETY: the superclass's init is NSObject's, which takes nothing and returns the object.
        let object: objc2::rc::Retained<$class> =
            unsafe { objc2::msg_send![super(allocated), init] };
        object
    }};
}

/// A class whose objects a program makes itself (`new`), with default instance variables.
macro_rules! made_by_name {
    ($(#[$doc:meta])* $class:ident, $name:literal, $ivars:ty, { $($body:tt)* }) => {
        objc2::define_class!(
            $(#[$doc])*
            #[unsafe(super($crate::root::Root, objc2::runtime::NSObject))]
            #[name = $name]
            #[ivars = $ivars]
            #[derive(Debug)]
            pub(crate) struct $class;

            impl $class {
                #[unsafe(method_id(init))]
                fn init(this: objc2::rc::Allocated<Self>) -> Option<objc2::rc::Retained<Self>> {
                    let this = this.set_ivars(<$ivars>::default());
                    // SAFETY: the superclass's init is NSObject's.
                    unsafe { objc2::msg_send![super(this), init] }
                }

                $($body)*
            }
        );
    };
}

pub(crate) use {made_by_name, make};
