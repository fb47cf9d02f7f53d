//! Binary archives: files that say which functions were compiled for a device.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{ClassType, DefinedClass, Message, define_class};
use objc2_foundation::{NSString, NSURL};
use objc2_metal::{MTLBinaryArchive, MTLBinaryArchiveError, MTLDevice};
use parking_lot::Mutex;

use crate::device::{Device, NAME};
use crate::errors::{ErrorSlot, refuse};
use crate::faults::{Call, strikes};
use crate::ledger::{Class, Live};
use crate::object::{Owned, made_by_name, make};
use crate::pipeline::{ComputePipelineDescriptor, function_of};
use crate::root::Root;

const DOMAIN: &str = "MTLBinaryArchiveDomain";
const MAGIC: &str = "metal-double binary archive 1";

/// Makes the class that programs make by name known to the runtime.
pub(crate) fn register() {
    let _ = ArchiveDescriptor::class();
}

made_by_name!(
    ArchiveDescriptor,
    "MTLBinaryArchiveDescriptor",
    RefCell<Option<Retained<NSURL>>>,
    {
        #[unsafe(method_id(url))]
        fn url(&self) -> Option<Retained<NSURL>> {
            self.ivars().borrow().clone()
        }

        #[unsafe(method(setUrl:))]
        fn set_url(&self, url: Option<&NSURL>) {
            *self.ivars().borrow_mut() = url.map(Message::retain);
        }
    }
);

#[derive(Debug)]
pub(crate) struct ArchiveIvars {
    functions: Mutex<BTreeSet<u64>>,
    label: Mutex<String>,
    device: Retained<Device>,
    _live: Live,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLBinaryArchive"]
    #[ivars = ArchiveIvars]
    #[derive(Debug)]
    pub(crate) struct BinaryArchive;

    unsafe impl NSObjectProtocol for BinaryArchive {}

    unsafe impl MTLBinaryArchive for BinaryArchive {
        #[unsafe(method_id(label))]
        fn label(&self) -> Option<Retained<NSString>> {
            Some(NSString::from_str(&self.ivars().label.lock()))
        }

        #[unsafe(method(setLabel:))]
        fn set_label(&self, label: Option<&NSString>) {
            *self.ivars().label.lock() = label.map(NSString::to_string).unwrap_or_default();
        }

        #[unsafe(method_id(device))]
        fn device(&self) -> Owned<dyn MTLDevice> {
            ProtocolObject::from_retained(self.ivars().device.clone())
        }

        #[unsafe(method(addComputePipelineFunctionsWithDescriptor:error:))]
        fn add(&self, descriptor: &ComputePipelineDescriptor, error: ErrorSlot) -> bool {
            let function = function_of(descriptor);
            match &function {
                Some(function) => {
                    self.ivars().functions.lock().insert(function.ivars().key);
                }
                None => {
                    let code = MTLBinaryArchiveError::CompilationFailure.0.cast_signed();
                    refuse(
                        error,
                        DOMAIN,
                        code,
                        "the descriptor has no compute function",
                    );
                }
            }
            function.is_some()
        }

        #[unsafe(method(serializeToURL:error:))]
        fn serialize(&self, url: &NSURL, error: ErrorSlot) -> bool {
            match self.write(url) {
                Ok(()) => true,
                Err((code, text)) => {
                    refuse(error, DOMAIN, code.0.cast_signed(), &text);
                    false
                }
            }
        }
    }
);

// SAFETY: what changes is behind locks.
unsafe impl Send for BinaryArchive {}
// SAFETY: as above.
unsafe impl Sync for BinaryArchive {}

fn path_of(url: &NSURL) -> Option<PathBuf> {
    // SAFETY: a property without arguments.
    url.path().map(|path| PathBuf::from(path.to_string()))
}

impl BinaryArchive {
    /// An archive that is empty, or has what the descriptor's file has.
    pub(crate) fn open(
        device: &Device,
        descriptor: &ArchiveDescriptor,
        error: ErrorSlot,
    ) -> Option<Retained<Self>> {
        let functions = match descriptor.ivars().borrow().as_deref() {
            None => BTreeSet::new(),
            Some(url) => match Self::read(url) {
                Ok(functions) => functions,
                Err(text) => {
                    refuse(
                        error,
                        DOMAIN,
                        MTLBinaryArchiveError::InvalidFile.0.cast_signed(),
                        &text,
                    );
                    return None;
                }
            },
        };
        let ivars = ArchiveIvars {
            functions: Mutex::new(functions),
            label: Mutex::default(),
            device: device.retain(),
            _live: Live::new(Class::BinaryArchive),
        };
        Some(make::<BinaryArchive>(ivars))
    }

    /// Whether the function of this key is in it.
    pub(crate) fn has(&self, key: u64) -> bool {
        self.ivars().functions.lock().contains(&key)
    }

    fn read(url: &NSURL) -> Result<BTreeSet<u64>, String> {
        let path = path_of(url).ok_or("the URL is not a file's")?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        if head != format!("{MAGIC} {NAME}") {
            return Err(format!("{}: not an archive of this device", path.display()));
        }
        let mut functions = BTreeSet::new();
        let mut ended = false;
        for line in lines {
            if line == "end" {
                ended = true;
                break;
            }
            functions.insert(
                u64::from_str_radix(line, 16)
                    .map_err(|_| format!("{}: damaged", path.display()))?,
            );
        }
        if ended {
            Ok(functions)
        } else {
            Err(format!("{}: cut off", path.display()))
        }
    }

    fn write(&self, url: &NSURL) -> Result<(), (MTLBinaryArchiveError, String)> {
        if strikes(Call::Archive) {
            return Err((
                MTLBinaryArchiveError::InternalError,
                "serialization was made to fail".into(),
            ));
        }
        let invalid = |text: String| (MTLBinaryArchiveError::InvalidFile, text);
        let path = path_of(url).ok_or_else(|| invalid("the URL is not a file's".into()))?;
        let functions = self.ivars().functions.lock();
        if functions.is_empty() {
            return Err((
                MTLBinaryArchiveError::UnexpectedElement,
                "Nothing to serialize: the archive is empty".into(),
            ));
        }
        let lines: String = functions.iter().map(|key| format!("{key:x}\n")).collect();
        std::fs::write(&path, format!("{MAGIC} {NAME}\n{lines}end\n"))
            .map_err(|error| invalid(format!("{}: {error}", path.display())))
    }
}
