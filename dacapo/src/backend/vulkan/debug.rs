//! What the validation layer says, and names for the driver's tools.
#![allow(unsafe_code, reason = "registers a callback with the driver")]

use core::ffi::c_void;
use std::io::Write;

use ash::{ext, vk};
use parking_lot::Mutex;

use crate::options::GpuDebug;

/// The layer that checks how Vulkan is used.
pub(super) const LAYER: &core::ffi::CStr = c"VK_LAYER_KHRONOS_validation";

/// What the layer says when it has lost track of a timeline semaphore that several threads wait for; its text goes on
/// "this is most likely a validation bug" (version 1.3.239).
const OWN_FAULT: &core::ffi::CStr = c"UNASSIGNED-VkSemaphore-state-timeout";

/// The messenger of an instance.
pub(super) struct Debug {
    utils: ext::debug_utils::Instance,
    messenger: vk::DebugUtilsMessengerEXT,
    /// Boxed, because the messenger keeps its address.
    messages: Box<Messages>,
}

/// What the layer has said and nobody has been told.
#[derive(Default)]
struct Messages(Mutex<Vec<String>>);

impl Debug {
    /// # Safety
    /// The instance has the extension `VK_EXT_debug_utils`, and outlives the value.
    pub(super) unsafe fn new(
        entry: &ash::Entry,
        instance: &ash::Instance,
        level: GpuDebug,
    ) -> Result<Debug, vk::Result> {
        type Severity = vk::DebugUtilsMessageSeverityFlagsEXT;
        type Kind = vk::DebugUtilsMessageTypeFlagsEXT;
        let utils = ext::debug_utils::Instance::new(entry, instance);
        let messages = Box::<Messages>::default();
        let mut messenger = vk::DebugUtilsMessengerEXT::null();
        if level.validates() {
            let info = vk::DebugUtilsMessengerCreateInfoEXT::default()
                .message_severity(Severity::ERROR | Severity::WARNING)
                .message_type(Kind::VALIDATION | Kind::PERFORMANCE)
                .pfn_user_callback(Some(listen))
                .user_data((&raw const *messages).cast_mut().cast());
            // SAFETY: the instance is alive, and the messages outlive the messenger.
            messenger = unsafe { utils.create_debug_utils_messenger(&info, None)? };
        }
        Ok(Debug {
            utils,
            messenger,
            messages,
        })
    }

    /// What the layer has said since the last call, if anything.
    pub(super) fn take(&self) -> Option<String> {
        let messages = core::mem::take(&mut *self.messages.0.lock());
        (!messages.is_empty()).then(|| messages.join("\n"))
    }

    /// # Safety
    /// The instance is alive, and this is the last use of the value.
    pub(super) unsafe fn destroy(&self) {
        if self.messenger != vk::DebugUtilsMessengerEXT::null() {
            // SAFETY: created with the instance, destroyed once.
            unsafe {
                self.utils
                    .destroy_debug_utils_messenger(self.messenger, None);
            }
        }
        if let Some(text) = self.take() {
            tracing::error!("validation after the device's last call: {text}");
            unreported(&text);
        }
    }
}

/// Messages that no call can return any more, for example about what was never destroyed: asked for by the option
/// that validates, with no caller left to tell. Not through `eprintln`, which passing tests do not show.
fn unreported(text: &str) {
    // Nothing is left to do about an error.
    let _ = writeln!(
        std::io::stderr(),
        "dacapo: unreported validation message: {text}"
    );
}

unsafe extern "system" fn listen(
    _: vk::DebugUtilsMessageSeverityFlagsEXT,
    _: vk::DebugUtilsMessageTypeFlagsEXT,
    data: *const vk::DebugUtilsMessengerCallbackDataEXT<'_>,
    user: *mut c_void,
) -> vk::Bool32 {
    // SAFETY: the messenger was created with the address of `Messages`, which outlives it.
    let messages = unsafe { &*user.cast::<Messages>() };
    // SAFETY: the layer passes valid data with a terminated message, if any.
    let text = unsafe {
        data.as_ref()
            .and_then(|data| data.message_as_c_str())
            .map(|text| text.to_string_lossy().into_owned())
    };
    // SAFETY: as above.
    let name = unsafe {
        data.as_ref()
            .and_then(|data| data.message_id_name_as_c_str())
    };
    if name == Some(OWN_FAULT) {
        tracing::warn!("the validation layer lost track of a semaphore");
        return vk::FALSE;
    }
    let text = text.unwrap_or_else(|| "a message without text".to_owned());
    tracing::error!("validation: {text}");
    messages.0.lock().push(text);
    vk::FALSE
}
