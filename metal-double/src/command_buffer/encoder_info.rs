//! What an error tells about each encoder.

use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol};
use objc2::{DefinedClass, define_class};
use objc2_foundation::{NSArray, NSString};
use objc2_metal::{MTLCommandBufferEncoderInfo, MTLCommandEncoderErrorState};

use crate::root::Root;

#[derive(Debug)]
pub(crate) struct Info {
    pub(super) label: String,
    pub(super) signposts: Vec<String>,
    pub(super) state: MTLCommandEncoderErrorState,
}

define_class!(
    #[unsafe(super(Root, NSObject))]
    #[name = "FakeMTLCommandBufferEncoderInfo"]
    #[ivars = Info]
    #[derive(Debug)]
    pub(crate) struct EncoderInfo;

    unsafe impl NSObjectProtocol for EncoderInfo {}

    unsafe impl MTLCommandBufferEncoderInfo for EncoderInfo {
        #[unsafe(method_id(label))]
        fn label(&self) -> Retained<NSString> {
            NSString::from_str(&self.ivars().label)
        }

        #[unsafe(method_id(debugSignposts))]
        fn signposts(&self) -> Retained<NSArray<NSString>> {
            let texts: Vec<_> = self
                .ivars()
                .signposts
                .iter()
                .map(|text| NSString::from_str(text))
                .collect();
            NSArray::from_retained_slice(&texts)
        }

        #[unsafe(method(errorState))]
        fn state(&self) -> MTLCommandEncoderErrorState {
            self.ivars().state
        }
    }
);
