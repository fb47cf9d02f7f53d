//! Models on their way to a device.

use dacapo::Device;
use dacapo_llm::ModelFiles;
use dacapo_llm::decoder::Model;

use crate::error::Result;
use crate::output::tell;
use crate::progress::Progress;

/// Puts a model's weights on a device, and tells what the user should know of them.
pub(crate) fn load(device: &Device, files: &ModelFiles) -> Result<Model> {
    let bar = Progress::bytes("loading");
    let model = Model::load(device, files, &mut |done| {
        bar.set_bytes(done.bytes, done.total)
    })?;
    drop(bar);
    for notice in model.notices() {
        tell(format_args!("note: {notice}"));
    }
    Ok(model)
}
