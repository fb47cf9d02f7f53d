//! The Vulkan loader of this machine and the devices behind it.
#![allow(unsafe_code, reason = "calls the Vulkan loader")]

use core::ffi::{CStr, c_char};
use std::sync::Arc;

use ash::{ext, vk};

use crate::backend::vulkan::debug::{Debug, LAYER};
use crate::backend::vulkan::features::{self, Features};
use crate::backend::vulkan::gpu::Foreign;
use crate::info::{Backend, DeviceInfo, DeviceKind};
use crate::options::GpuDebug;
use crate::vulkan::Handles;

/// A connection to the loader.
pub(super) struct Instance {
    pub(super) raw: ash::Instance,
    pub(super) debug: Option<Debug>,
    /// Whether this destroys it.
    owned: bool,
    /// Keeps the loader's library.
    pub(super) entry: ash::Entry,
}

/// A device that can be opened.
pub(crate) struct Candidate {
    /// What it is; the caller gives it its index.
    pub(crate) info: DeviceInfo,
    pub(super) instance: Arc<Instance>,
    pub(super) physical: vk::PhysicalDevice,
    pub(super) features: Features,
}

/// The devices that can be opened, or why there are none.
pub(crate) fn enumerate(debug: GpuDebug) -> Result<Vec<Candidate>, String> {
    let instance = Arc::new(Instance::new(debug)?);
    // SAFETY: the instance is alive.
    let devices = unsafe { instance.raw.enumerate_physical_devices() };
    let devices =
        devices.map_err(|error| format!("the Vulkan loader lists no devices: {error}"))?;
    let mut unfit = Vec::new();
    let mut candidates = Vec::new();
    for physical in devices {
        match features::query(&instance, physical) {
            Ok(features) => candidates.push(Candidate {
                info: info(&features),
                instance: instance.clone(),
                physical,
                features,
            }),
            Err(reason) => unfit.push(reason),
        }
    }
    match (candidates.is_empty(), unfit.is_empty()) {
        (false, _) => Ok(candidates),
        (true, true) => Err("the Vulkan loader knows no device".to_owned()),
        (true, false) => Err(unfit.join("; ")),
    }
}

/// A device that somebody else has opened, with the features that they have enabled.
pub(super) fn adopted(handles: Handles) -> Result<(Candidate, Foreign), String> {
    let Handles {
        entry,
        instance,
        physical_device,
        device,
        queue_family,
        queue,
        extensions,
        f16,
    } = handles;
    let instance = Arc::new(Instance {
        raw: instance,
        debug: None,
        owned: false,
        entry,
    });
    let features = features::query(&instance, physical_device)?.enabled(&extensions, f16);
    let candidate = Candidate {
        info: info(&features),
        instance,
        physical: physical_device,
        features,
    };
    let foreign = Foreign {
        device,
        family: queue_family,
        queue,
    };
    Ok((candidate, foreign))
}

fn info(features: &Features) -> DeviceInfo {
    let kind = match features.device_type {
        vk::PhysicalDeviceType::DISCRETE_GPU | vk::PhysicalDeviceType::VIRTUAL_GPU => {
            DeviceKind::DiscreteGpu
        }
        vk::PhysicalDeviceType::CPU => DeviceKind::SoftwareGpu,
        _ => DeviceKind::IntegratedGpu,
    };
    DeviceInfo {
        index: 0,
        name: features.name.clone(),
        backend: Backend::Vulkan,
        driver: features.driver.clone(),
        kind,
        memory: features.device_memory,
        compute_units: features.compute_units,
        features: features.names(),
    }
}

impl Instance {
    fn new(debug: GpuDebug) -> Result<Instance, String> {
        // SAFETY: the library is the system's Vulkan loader, whose initialisers are sound to run.
        let entry = unsafe { ash::Entry::load() }.map_err(|error| {
            format!("no Vulkan loader was found ({error}); Debian and Ubuntu have it in the package libvulkan1")
        })?;
        // SAFETY: the entry is alive.
        let version = unsafe { entry.try_enumerate_instance_version() }
            .ok()
            .flatten()
            .unwrap_or(vk::API_VERSION_1_0);
        if version < vk::API_VERSION_1_2 {
            return Err(format!(
                "the Vulkan loader is of version {}; 1.2 or later is needed",
                features::version(version)
            ));
        }
        let layers = layers(&entry, debug)?;
        let extensions = extensions(&entry, debug, &layers);
        let app = vk::ApplicationInfo::default()
            .application_name(c"dacapo")
            .engine_name(c"dacapo")
            .api_version(vk::API_VERSION_1_3.min(version));
        let mut info = vk::InstanceCreateInfo::default()
            .application_info(&app)
            .enabled_layer_names(&layers)
            .enabled_extension_names(&extensions);
        let synchronization = [vk::ValidationFeatureEnableEXT::SYNCHRONIZATION_VALIDATION];
        let mut validation =
            vk::ValidationFeaturesEXT::default().enabled_validation_features(&synchronization);
        let on: vk::Bool32 = vk::TRUE;
        let heuristic = [vk::LayerSettingEXT::default()
            .layer_name(LAYER)
            .setting_name(c"syncval_shader_accesses_heuristic")
            .ty(vk::LayerSettingTypeEXT::BOOL32)
            .values(bytemuck::bytes_of(&on))];
        // The count is in values, not bytes.
        let heuristic = [vk::LayerSettingEXT {
            value_count: 1,
            ..heuristic[0]
        }];
        let mut settings = vk::LayerSettingsCreateInfoEXT::default().settings(&heuristic);
        if debug == GpuDebug::Synchronization {
            info = info.push_next(&mut validation);
            if extensions.contains(&ext::layer_settings::NAME.as_ptr()) {
                info = info.push_next(&mut settings);
            }
        }
        // SAFETY: everything `info` points to lives until the call returns.
        let raw = unsafe { entry.create_instance(&info, None) }
            .map_err(|error| format!("the Vulkan loader refuses an instance: {error}"))?;
        let mut instance = Instance {
            raw,
            debug: None,
            owned: true,
            entry,
        };
        if extensions.contains(&ext::debug_utils::NAME.as_ptr()) {
            // SAFETY: the extension is enabled, and the instance destroys the messenger before itself.
            let messenger = unsafe { Debug::new(&instance.entry, &instance.raw, debug) };
            instance.debug = Some(messenger.map_err(|error| format!("debug messenger: {error}"))?);
        }
        Ok(instance)
    }

    /// What the validation layer has said since the last call, if it listens.
    pub(super) fn messages(&self) -> Option<String> {
        self.debug.as_ref()?.take()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(debug) = &self.debug {
            // SAFETY: the instance is alive, and nothing uses the messenger afterwards.
            unsafe { debug.destroy() };
        }
        if self.owned {
            // SAFETY: devices hold the instance, so none is left.
            unsafe { self.raw.destroy_instance(None) };
        }
    }
}

fn layers(entry: &ash::Entry, debug: GpuDebug) -> Result<Vec<*const c_char>, String> {
    if !debug.validates() {
        return Ok(Vec::new());
    }
    // SAFETY: the entry is alive.
    let known = unsafe { entry.enumerate_instance_layer_properties() }.unwrap_or_default();
    let found = known
        .iter()
        .any(|layer| layer.layer_name_as_c_str() == Ok(LAYER));
    match found {
        true => Ok(vec![LAYER.as_ptr()]),
        false => Err(format!(
            "validation was asked for, and the layer {} is not installed; Debian and Ubuntu have it in the package \
             vulkan-validationlayers",
            LAYER.to_string_lossy()
        )),
    }
}

/// The extensions to enable, of those that the loader or the layers offer.
fn extensions(entry: &ash::Entry, debug: GpuDebug, layers: &[*const c_char]) -> Vec<*const c_char> {
    let mut offered = Vec::new();
    for layer in core::iter::once(None).chain(layers.iter().map(|_| Some(LAYER))) {
        // SAFETY: the entry is alive.
        let more = unsafe { entry.enumerate_instance_extension_properties(layer) };
        offered.extend(more.unwrap_or_default());
    }
    let mut wanted: Vec<&CStr> = Vec::new();
    if debug != GpuDebug::Off {
        wanted.push(ext::debug_utils::NAME);
    }
    if debug == GpuDebug::Synchronization {
        wanted.extend([ext::validation_features::NAME, ext::layer_settings::NAME]);
    }
    wanted.retain(|name| {
        offered
            .iter()
            .any(|known| known.extension_name_as_c_str() == Ok(name))
    });
    wanted.into_iter().map(CStr::as_ptr).collect()
}
