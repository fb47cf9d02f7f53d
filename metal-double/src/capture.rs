//! Captures to a file.

use std::cell::RefCell;
use std::path::PathBuf;

use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::NSURL;
use objc2_metal::{MTLCaptureDestination, MTLCaptureError};
use parking_lot::Mutex;

use crate::counts::{self, Count};
use crate::device::Device;
use crate::errors::{ErrorSlot, refuse};
use crate::object::{made_by_name, make};
use crate::queue::Queue;
use crate::root::Root;
use crate::settings::{Feature, has};

const DOMAIN: &str = "MTLCaptureErrorDomain";

/// Makes the classes that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = (CaptureDescriptor::class(), CaptureManager::class());
}

#[derive(Debug, Default)]
pub(crate) struct Described {
    object: RefCell<Option<Retained<AnyObject>>>,
    destination: std::cell::Cell<isize>,
    url: RefCell<Option<Retained<NSURL>>>,
}

made_by_name!(CaptureDescriptor, "MTLCaptureDescriptor", Described, {
    #[unsafe(method_id(captureObject))]
    fn object(&self) -> Option<Retained<AnyObject>> {
        self.ivars().object.borrow().clone()
    }

    #[unsafe(method(setCaptureObject:))]
    fn set_object(&self, object: Option<&AnyObject>) {
        *self.ivars().object.borrow_mut() = object.map(Message::retain);
    }

    #[unsafe(method(destination))]
    fn destination(&self) -> MTLCaptureDestination {
        MTLCaptureDestination(self.ivars().destination.get())
    }

    #[unsafe(method(setDestination:))]
    fn set_destination(&self, destination: MTLCaptureDestination) {
        self.ivars().destination.set(destination.0);
    }

    #[unsafe(method_id(outputURL))]
    fn url(&self) -> Option<Retained<NSURL>> {
        self.ivars().url.borrow().clone()
    }

    #[unsafe(method(setOutputURL:))]
    fn set_url(&self, url: Option<&NSURL>) {
        *self.ivars().url.borrow_mut() = url.map(Message::retain);
    }
});

/// The capture that is going on: where it goes, and the counts at its start.
#[derive(Debug)]
struct Capture {
    path: PathBuf,
    commits: u64,
    dispatches: u64,
}

static CAPTURE: Mutex<Option<Capture>> = Mutex::new(None);

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "MTLCaptureManager"]
    #[derive(Debug)]
    pub(crate) struct CaptureManager;

    unsafe impl NSObjectProtocol for CaptureManager {}

    impl CaptureManager {
        #[unsafe(method_id(sharedCaptureManager))]
        fn shared() -> Retained<CaptureManager> {
            make::<CaptureManager>(())
        }

        #[unsafe(method(supportsDestination:))]
        fn supports(&self, destination: MTLCaptureDestination) -> bool {
            has(Feature::Capture) && destination == MTLCaptureDestination::GPUTraceDocument
        }

        #[unsafe(method(startCaptureWithDescriptor:error:))]
        fn start(&self, descriptor: &CaptureDescriptor, error: ErrorSlot) -> bool {
            match start(descriptor.ivars()) {
                Ok(()) => true,
                Err((code, text)) => {
                    refuse(error, DOMAIN, code.0, &text);
                    false
                }
            }
        }

        #[unsafe(method(stopCapture))]
        fn stop(&self) {
            stop();
        }

        #[unsafe(method(isCapturing))]
        fn is_capturing(&self) -> bool {
            CAPTURE.lock().is_some()
        }
    }
);

fn numbers() -> (u64, u64) {
    (
        counts::get("commits").unwrap_or_default(),
        counts::get("dispatches").unwrap_or_default(),
    )
}

fn start(wanted: &Described) -> Result<(), (MTLCaptureError, String)> {
    let invalid = |text: String| (MTLCaptureError::InvalidDescriptor, text);
    if !has(Feature::Capture) {
        return Err((
            MTLCaptureError::NotSupported,
            "Capturing is not supported. (METAL_CAPTURE_ENABLED is not set)".into(),
        ));
    }
    let mut capture = CAPTURE.lock();
    if capture.is_some() {
        return Err((
            MTLCaptureError::AlreadyCapturing,
            "Capture is already active.".into(),
        ));
    }
    let object = wanted.object.borrow();
    let is_known = |object: &Retained<AnyObject>| {
        object.downcast_ref::<Device>().is_some() || object.downcast_ref::<Queue>().is_some()
    };
    if !object.as_ref().is_some_and(is_known) {
        return Err(invalid(
            "captureObject must be an MTLDevice, MTLCommandQueue or MTLCaptureScope".into(),
        ));
    }
    if wanted.destination.get() != MTLCaptureDestination::GPUTraceDocument.0 {
        return Err((
            MTLCaptureError::NotSupported,
            "destination developer tools needs Xcode".into(),
        ));
    }
    let url = wanted.url.borrow();
    let path = url
        .as_ref()
        .and_then(|url| url.path())
        .map(|path| PathBuf::from(path.to_string()));
    let path =
        path.ok_or_else(|| invalid("outputURL must be set for a GPU trace document".into()))?;
    if path
        .extension()
        .is_none_or(|extension| extension != "gputrace")
    {
        return Err(invalid(format!(
            "{}: the file name must end in .gputrace",
            path.display()
        )));
    }
    if path.exists() {
        return Err(invalid(format!("{}: exists already", path.display())));
    }
    std::fs::write(&path, "metal-double capture\n")
        .map_err(|error| invalid(format!("{}: {error}", path.display())))?;
    counts::count(Count::Captures);
    let (commits, dispatches) = numbers();
    *capture = Some(Capture {
        path,
        commits,
        dispatches,
    });
    Ok(())
}

fn stop() {
    let Some(capture) = CAPTURE.lock().take() else {
        return;
    };
    let (commits, dispatches) = numbers();
    let text = format!(
        "metal-double capture\ncommand buffers {}\ndispatches {}\n",
        commits.saturating_sub(capture.commits),
        dispatches.saturating_sub(capture.dispatches)
    );
    if let Err(error) = std::fs::write(&capture.path, text) {
        crate::rules::fail(
            "-[MTLCaptureManager stopCapture]",
            format_args!("{}: {error}", capture.path.display()),
        );
    }
}
