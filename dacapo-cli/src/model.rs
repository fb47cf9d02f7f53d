//! Models on their way to a device.

use dacapo::Device;
use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::Model;

use crate::cache;
use crate::error::Result;
use crate::output::tell;
use crate::progress::Progress;

/// Whether a model runs with the shapes of kernels that were tuned for its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuned(pub(crate) bool);

/// Puts a model's weights on a device, and tells what the user should know of them.
pub(crate) fn load(device: &Device, files: &ModelFiles, tuned: Tuned) -> Result<Model> {
    let bar = Progress::bytes("loading");
    let model = Model::load(device, files, &mut |done| {
        bar.set_bytes(done.bytes, done.total)
    })?;
    drop(bar);
    for notice in model.notices() {
        tell(format_args!("note: {notice}"));
    }
    if let Some(folder) = cache::settings().filter(|_| tuned.0) {
        model.tuning().apply(folder.load(device.info()));
    }
    Ok(model)
}
