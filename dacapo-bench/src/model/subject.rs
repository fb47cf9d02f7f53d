//! The models to measure.

use std::path::{Path, PathBuf};

use dacapo_llm::ModelFiles;

use crate::made::{self, Dtype, Shape};
use crate::work::Result;

/// What the user named.
#[derive(Clone, Debug)]
pub enum Subject {
    File(PathBuf),
    Made {
        name: String,
        shape: Shape,
        dtype: Dtype,
    },
}

/// A model that contestants can load.
pub struct Prepared {
    pub name: String,
    pub weight_bytes: u64,
    /// Most positions of its context.
    pub context_length: usize,
    pub path: Option<PathBuf>,
    pub shape: Option<(String, Dtype)>,
    /// Removed when nobody needs it any more.
    _file: Option<Temporary>,
}

struct Temporary(PathBuf);

impl Subject {
    /// A model of a known shape.
    pub fn made(shape: &str, dtype: Dtype) -> Result<Subject> {
        let name = shape.to_owned();
        let shape = Shape::named(shape)?;
        Ok(Subject::Made { name, shape, dtype })
    }

    /// Reads the file once, so that nobody is the first to load it; writes made weights into one if somebody needs it.
    pub fn prepare(&self, needs_file: bool) -> Result<Prepared> {
        match self {
            Subject::File(path) => {
                let files = ModelFiles::open(path)?;
                for file in files.files() {
                    touch(file.path())?;
                }
                let name = path.file_name().unwrap_or(path.as_os_str());
                Ok(Prepared {
                    name: name.to_string_lossy().into_owned(),
                    weight_bytes: files
                        .weights()
                        .iter()
                        .map(|weight| weight.range.len() as u64)
                        .sum(),
                    context_length: files.config().context_length,
                    path: Some(path.clone()),
                    shape: None,
                    _file: None,
                })
            }
            Subject::Made { name, shape, dtype } => {
                let file = match needs_file {
                    true => {
                        let path = format!(
                            "dacapo-bench-{}-{name}-{}.gguf",
                            std::process::id(),
                            dtype.name()
                        );
                        let file = Temporary(std::env::temp_dir().join(path));
                        made::save(name, *dtype, &file.0)?;
                        Some(file)
                    }
                    false => None,
                };
                Ok(Prepared {
                    name: format!("{name} {}", dtype.name()),
                    weight_bytes: made::bytes(name, *dtype)?,
                    context_length: shape.max_position_embeddings,
                    path: file.as_ref().map(|file| file.0.clone()),
                    shape: Some((name.clone(), *dtype)),
                    _file: file,
                })
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

/// Has the system keep a file's pages.
fn touch(path: &Path) -> Result<()> {
    let mut file = std::fs::File::open(path)?;
    std::io::copy(&mut file, &mut std::io::sink())?;
    Ok(())
}
