//! clang, the precompiled headers, and the cache of what it made.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::shim;

/// What to make of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Product {
    /// Nothing but messages.
    Check,
    /// A shared object.
    Object,
    /// A shared object that tells of every access.
    WatchedObject,
}

/// The compiler of this process.
#[derive(Debug)]
pub struct Compiler {
    clang: PathBuf,
    cache: PathBuf,
    /// Version, headers and options, hashed: part of every key.
    identity: String,
}

const CHECK_OPTIONS: &[&str] = &[
    "-x",
    "clcpp",
    "-cl-std=clc++2021",
    "-cl-no-stdinc",
    "-target",
    "x86_64-unknown-linux-gnu",
    "-fno-caret-diagnostics",
    "-fno-diagnostics-fixit-info",
    "-Wno-unused",
    "-Wno-array-bounds",
    "-Wno-null-dereference",
    "-Wno-macro-redefined",
    "-Wno-duplicate-decl-specifier",
    "-Wno-unknown-attributes",
    "-Wno-ignored-attributes",
    "-Wno-undefined-internal",
    "-Wno-undefined-inline",
    "-Wno-user-defined-literals",
    "-fno-spell-checking",
    "-Xclang",
    "-fno-pch-timestamp",
];

const RUN_OPTIONS: &[&str] = &[
    "-x",
    "c++",
    "-std=c++20",
    "-O1",
    "-fdeclspec",
    "-nostdinc",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-fsigned-char",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fno-asynchronous-unwind-tables",
    "-fomit-frame-pointer",
    "-fno-stack-protector",
    "-fno-caret-diagnostics",
    "-w",
    "-Xclang",
    "-fno-pch-timestamp",
];

const WATCH_OPTIONS: &[&str] = &[
    "-DMSL_WATCH",
    "-fsanitize=thread",
    "-mllvm",
    "-tsan-instrument-func-entry-exit=0",
    "-mllvm",
    "-tsan-instrument-read-before-write=1",
];

impl Compiler {
    /// The compiler, found when first asked for.
    ///
    /// # Errors
    /// Says what was looked for if there is no clang, or what failed about the cache folder.
    pub fn get() -> Result<&'static Self, String> {
        static COMPILER: OnceLock<Result<Compiler, String>> = OnceLock::new();
        COMPILER
            .get_or_init(Self::find)
            .as_ref()
            .map_err(Clone::clone)
    }

    fn find() -> Result<Self, String> {
        let named = std::env::var_os("CLANG").into_iter();
        let usual = (15..=19)
            .rev()
            .map(|n| OsString::from(format!("clang-{n}")));
        let names = named.chain(usual).chain([OsString::from("clang")]);
        let mut found = names.filter_map(|name| Some((version(&name)?, name)));
        let Some((version, clang)) = found.next() else {
            return Err("the Metal double needs clang: asked for $CLANG, clang-19 to clang-15 and clang, found none".to_owned());
        };
        let cache =
            std::env::var_os("METAL_DOUBLE_CACHE").map_or_else(default_cache, PathBuf::from);
        fs::create_dir_all(&cache).map_err(|e| format!("cache folder {}: {e}", cache.display()))?;
        let mut hash = Sha256::new();
        hash.update(&version);
        for (name, text) in shim::CHECK.iter().chain(&shim::RUN) {
            hash.update(name);
            hash.update(text);
        }
        for option in CHECK_OPTIONS
            .iter()
            .chain(RUN_OPTIONS)
            .chain(WATCH_OPTIONS)
            .chain(processor())
        {
            hash.update(option);
        }
        let compiler = Self {
            clang: clang.into(),
            cache,
            identity: hexadecimal(hash),
        };
        compiler.write_headers()?;
        Ok(compiler)
    }

    /// Compiles a rewritten text, or finds that it was before. Gives the object's path.
    ///
    /// # Errors
    /// clang's messages.
    pub fn compile(&self, text: &str, product: Product) -> Result<PathBuf, String> {
        let mut hash = Sha256::new();
        hash.update(&self.identity);
        hash.update(format!("{product:?}"));
        hash.update(text);
        let key = hexadecimal(hash);
        let made = self.cache.join(format!(
            "{key}.{}",
            if product == Product::Check {
                "checked"
            } else {
                "so"
            }
        ));
        if made.exists() {
            return Ok(made);
        }
        let header = self.precompiled(product)?;
        let temporary = self.temporary();
        let mut command = self.command(product);
        command.arg("-include-pch").arg(header);
        if product == Product::Check {
            command.arg("-fsyntax-only").arg("-");
            run(command, text)?;
            fs::write(&temporary, "").map_err(|e| format!("{}: {e}", temporary.display()))?;
        } else {
            let object = temporary.with_extension("o");
            command.arg("-c").arg("-o").arg(&object).arg("-");
            run(command, text)?;
            self.link(&object, &temporary)?;
            let _ = fs::remove_file(&object);
        }
        fs::rename(&temporary, &made).map_err(|e| format!("{}: {e}", made.display()))?;
        Ok(made)
    }

    /// The linker by itself starts faster than through clang; libm comes from the process.
    fn link(&self, object: &Path, to: &Path) -> Result<(), String> {
        let mut command = Command::new("ld");
        command
            .args(["-shared", "-z", "noexecstack", "-o"])
            .arg(to)
            .arg(object);
        run(command, "")
    }

    fn command(&self, product: Product) -> Command {
        let mut command = Command::new(&self.clang);
        if product == Product::Check {
            command.args(CHECK_OPTIONS);
        } else {
            command.args(RUN_OPTIONS).args(processor());
            if product == Product::WatchedObject {
                command.args(WATCH_OPTIONS);
            }
        }
        command
    }

    fn headers(&self) -> PathBuf {
        self.cache.join(format!("headers-{}", self.identity))
    }

    /// A folder is made whole under another name first, so that no other process sees half of it.
    fn write_headers(&self) -> Result<(), String> {
        let folder = self.headers();
        if folder.exists() {
            return Ok(());
        }
        let temporary = self.temporary();
        let write = || -> std::io::Result<()> {
            for (part, files) in [("check", &shim::CHECK[..]), ("run", &shim::RUN[..])] {
                fs::create_dir_all(temporary.join(part))?;
                for (name, text) in files {
                    fs::write(temporary.join(part).join(name), text)?;
                }
            }
            Ok(())
        };
        write().map_err(|e| format!("{}: {e}", temporary.display()))?;
        if fs::rename(&temporary, &folder).is_err() {
            let _ = fs::remove_dir_all(&temporary);
        }
        if folder.exists() {
            Ok(())
        } else {
            Err(format!("cannot make the folder {}", folder.display()))
        }
    }

    fn precompiled(&self, product: Product) -> Result<PathBuf, String> {
        let (part, name) = match product {
            Product::Check => ("check", "check.pch"),
            Product::Object => ("run", "run.pch"),
            Product::WatchedObject => ("run", "watched.pch"),
        };
        let made = self.headers().join(name);
        if made.exists() {
            return Ok(made);
        }
        let temporary = self.temporary();
        let mut command = self.command(product);
        // The last -x counts; clang itself has no name for a header of C++ for OpenCL.
        if product == Product::Check {
            command.args(["-S", "-Xclang", "-emit-pch"]);
        } else {
            command.args(["-fpch-instantiate-templates", "-x", "c++-header"]);
        }
        command
            .arg(self.headers().join(part).join("metal.h"))
            .arg("-o")
            .arg(&temporary);
        run(command, "")?;
        fs::rename(&temporary, &made).map_err(|e| format!("{}: {e}", made.display()))?;
        Ok(made)
    }

    fn temporary(&self) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.cache
            .join(format!("tmp-{}-{count}", std::process::id()))
    }
}

fn default_cache() -> PathBuf {
    // SAFETY: getuid has no preconditions.
    let user = unsafe { libc::getuid() };
    std::env::temp_dir().join(format!("metal-double-{user}"))
}

/// Instructions for half precision, which spare a call for every conversion.
fn processor() -> &'static [&'static str] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("f16c")
        && std::arch::is_x86_feature_detected!("fma")
    {
        return &["-march=x86-64-v3"];
    }
    &[]
}

fn version(clang: &OsString) -> Option<String> {
    let output = Command::new(clang)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Runs a command with a text as its input.
fn run(mut command: Command, input: &str) -> Result<(), String> {
    let program = command.get_program().to_owned();
    let failed = |e: std::io::Error| format!("{}: {e}", program.display());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut to) = child.stdin.take() {
        // A compiler that stops reading says why in its messages.
        let _ = to.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(if messages.is_empty() {
        format!("{} failed: {}", program.display(), output.status)
    } else {
        messages
    })
}
