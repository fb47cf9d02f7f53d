//! What Metal says when something fails.

use objc2::runtime::ProtocolObject;
use objc2_foundation::NSError;
use objc2_metal::{MTLCommandBuffer, MTLCommandBufferError};

use crate::backend::Refused;

/// Metal's own words: the description, and what they rest on.
pub(crate) fn text(error: &NSError) -> String {
    let mut text = error.localizedDescription().to_string();
    if let Some(reason) = error.localizedFailureReason() {
        text.push_str(": ");
        text.push_str(&reason.to_string());
    }
    format!("{text} ({} {})", error.domain(), error.code())
}

/// Why a committed command buffer has failed.
pub(super) fn of_commands(commands: &ProtocolObject<dyn MTLCommandBuffer>) -> Refused {
    let Some(error) = commands.error() else {
        return Refused::Other("the command buffer failed, and Metal does not say why".into());
    };
    let text = text(&error).into();
    match MTLCommandBufferError(error.code() as usize) {
        MTLCommandBufferError::DeviceRemoved | MTLCommandBufferError::AccessRevoked => {
            Refused::Lost(text)
        }
        MTLCommandBufferError::OutOfMemory => Refused::OutOfMemory(text),
        _ => Refused::Other(text),
    }
}
