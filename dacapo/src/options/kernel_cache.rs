use std::ffi::OsString;
use std::path::PathBuf;

/// Where compiled kernels are kept between processes. What lies there can be deleted at any time.
///
/// Whoever can write to the folder decides what runs on the GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum KernelCache {
    /// The folder `dacapo/kernels` among the user's caches: `$XDG_CACHE_HOME` or `~/.cache`, on macOS
    /// `~/Library/Caches`; on Windows `dacapo\cache\kernels` in `%LOCALAPPDATA%`. Nowhere, if the system has no
    /// such place.
    #[default]
    Default,
    /// Nowhere: each process compiles its kernels.
    Off,
    /// This folder, which is made if necessary.
    Folder(PathBuf),
}

impl KernelCache {
    /// `off` or a path.
    pub(super) fn parse(text: &str) -> Option<KernelCache> {
        match text {
            "" => None,
            "off" => Some(KernelCache::Off),
            path => Some(KernelCache::Folder(path.into())),
        }
    }

    /// The folder, if there is to be one.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match self {
            KernelCache::Default => default_folder(System::THIS, |name| std::env::var_os(name)),
            KernelCache::Off => None,
            KernelCache::Folder(path) => Some(path.clone()),
        }
    }
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

/// A folder inside the one where the command line tool keeps models.
fn default_folder(system: System, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = match system {
        System::Windows => path("LOCALAPPDATA")?.join("dacapo").join("cache"),
        System::MacOs => path("HOME")?.join("Library").join("Caches").join("dacapo"),
        // The XDG specification says that a relative path is to be ignored.
        System::Other => match path("XDG_CACHE_HOME").filter(|path| path.has_root()) {
            Some(cache) => cache.join("dacapo"),
            None => path("HOME")?.join(".cache").join("dacapo"),
        },
    };
    Some(cache.join("kernels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(system: System, variables: &[(&str, &str)]) -> Option<PathBuf> {
        default_folder(system, |name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(value.into())
        })
    }

    fn path(parts: &[&str]) -> Option<PathBuf> {
        Some(parts.iter().collect())
    }

    #[test]
    fn each_system_has_its_place() {
        let home = ("HOME", "/home/me");
        let at_home = path(&["/home/me", ".cache", "dacapo", "kernels"]);
        assert_eq!(found(System::Other, &[home]), at_home);
        for ignored in ["", "relative"] {
            let variables = [home, ("XDG_CACHE_HOME", ignored)];
            assert_eq!(found(System::Other, &variables), at_home);
        }
        assert_eq!(
            found(System::Other, &[home, ("XDG_CACHE_HOME", "/fast")]),
            path(&["/fast", "dacapo", "kernels"])
        );
        assert_eq!(
            found(System::MacOs, &[home]),
            path(&["/home/me", "Library", "Caches", "dacapo", "kernels"])
        );
        assert_eq!(
            found(System::Windows, &[("LOCALAPPDATA", "/local")]),
            path(&["/local", "dacapo", "cache", "kernels"])
        );
    }

    #[test]
    fn without_a_home_nothing_is_kept() {
        for system in [System::Other, System::MacOs, System::Windows] {
            assert_eq!(found(system, &[]), None);
            assert_eq!(found(system, &[("HOME", "")]), None);
        }
        assert_eq!(KernelCache::Off.folder(), None);
    }
}
