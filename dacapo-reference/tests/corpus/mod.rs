//! Files of planted faults, each beside a correct twin.

mod compile;
mod fill;
mod header;
mod marks;
mod play;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use compile::compile;
pub(crate) use header::Header;
pub(crate) use marks::Marks;
pub(crate) use play::play;

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// `KIND/NAME.wgsl`, or with `.fixed` in it.
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_twin(&self) -> bool {
        self.name.ends_with(".fixed.wgsl")
    }

    /// The name of the other one of a pair.
    pub(crate) fn partner(&self) -> String {
        match self.name.strip_suffix(".fixed.wgsl") {
            Some(name) => format!("{name}.wgsl"),
            None => self.name.replace(".wgsl", ".fixed.wgsl"),
        }
    }
}

/// All of them, in alphabetical order.
pub(crate) fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut files = Vec::new();
    for folder in entries(&root) {
        let kind = name(&folder);
        files.extend(entries(&folder).into_iter().map(|path| File {
            name: format!("{kind}/{}", name(&path)),
            kind: kind.clone(),
            text: fs::read_to_string(&path).unwrap(),
        }));
    }
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
