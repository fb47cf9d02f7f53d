//! Where the default model, measured peaks and tuned settings lie. The same rules are in `scripts/fetch-model`, which puts the model there.

use std::path::PathBuf;

use dacapo_profile::PeaksCache;

use crate::error::{Error, Result};
use crate::options::path_variable;
use crate::settings::SettingsFolder;

const DEFAULT_MODEL: &str = "smollm2-135m-instruct-q4_1.gguf";

/// The model that was named, or else the default one in the cache.
pub(crate) fn model_or_default(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path);
    }
    let path = folder(System::THIS, path_variable)?.join(DEFAULT_MODEL);
    match path.exists() {
        true => Ok(path),
        false => Err(Error::NoDefaultModel { path }),
    }
}

/// Where measured peaks are kept, if there is a place for them.
pub(crate) fn peaks() -> Option<PeaksCache> {
    let folder = folder(System::THIS, path_variable).ok()?;
    Some(PeaksCache::new(folder.join("peaks")))
}

/// Where tuned settings are kept, if there is a place for them.
pub(crate) fn settings() -> Option<SettingsFolder> {
    let folder = folder(System::THIS, path_variable).ok()?;
    Some(SettingsFolder(folder.join("tuning")))
}

#[derive(Clone, Copy)]
enum System {
    Windows,
    MacOs,
    Other,
}

impl System {
    const THIS: System = if cfg!(windows) {
        System::Windows
    } else if cfg!(target_os = "macos") {
        System::MacOs
    } else {
        System::Other
    };
}

/// The cache folder, of which only the parts that a system knows have to exist.
fn folder(system: System, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let needed = |hint| variable(hint).ok_or(Error::NoCacheFolder { hint });
    Ok(match system {
        System::Windows => match variable("LOCALAPPDATA") {
            Some(local) => local.join("dacapo").join("cache"),
            None => needed("USERPROFILE")?
                .join("AppData")
                .join("Local")
                .join("dacapo")
                .join("cache"),
        },
        System::MacOs => needed("HOME")?
            .join("Library")
            .join("Caches")
            .join("dacapo"),
        // The XDG specification says that a relative path is to be ignored.
        System::Other => match variable("XDG_CACHE_HOME").filter(|path| path.has_root()) {
            Some(cache) => cache.join("dacapo"),
            None => needed("HOME")?.join(".cache").join("dacapo"),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found(system: System, variables: &[(&str, &str)]) -> Option<PathBuf> {
        let lookup = |name: &str| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(PathBuf::from(value))
        };
        folder(system, lookup).ok()
    }

    fn path(parts: &[&str]) -> Option<PathBuf> {
        Some(parts.iter().map(Path::new).collect())
    }

    #[test]
    fn each_system_has_its_place() {
        let home = ("HOME", "/home/me");
        assert_eq!(
            found(System::Other, &[home]),
            path(&["/home/me", ".cache", "dacapo"])
        );
        let xdg = ("XDG_CACHE_HOME", "/fast");
        assert_eq!(
            found(System::Other, &[home, xdg]),
            path(&["/fast", "dacapo"])
        );
        assert_eq!(
            found(System::MacOs, &[home, xdg]),
            path(&["/home/me", "Library", "Caches", "dacapo"])
        );
        let local = ("LOCALAPPDATA", "/local");
        assert_eq!(
            found(System::Windows, &[home, local]),
            path(&["/local", "dacapo", "cache"])
        );
    }

    #[test]
    fn a_relative_xdg_folder_is_ignored() {
        let variables = [("HOME", "/home/me"), ("XDG_CACHE_HOME", "cache")];
        assert_eq!(
            found(System::Other, &variables),
            path(&["/home/me", ".cache", "dacapo"])
        );
    }

    #[test]
    fn nowhere_to_look_is_an_error() {
        assert_eq!(found(System::Other, &[]), None);
    }
}
