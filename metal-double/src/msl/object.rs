//! A shared object made from a kernel's text.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Once;

use super::abi::{Kernel, Thread, ThreadgroupVariable};

/// A loaded object. Never unloaded: pointers to its kernels stay good.
#[derive(Debug)]
pub struct Object {
    handle: *mut c_void,
}

// SAFETY: the handle is only asked for symbols, which dlsym allows from any thread.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

/// A kernel of a loaded object.
#[derive(Clone, Copy, Debug)]
pub struct LoadedKernel {
    pub entry: unsafe extern "C" fn(*const Thread),
    sizes: &'static [u32],
    /// Bytes of the threadgroup variables in the kernel's body.
    pub static_bytes: u32,
}

impl LoadedKernel {
    /// Bytes of what parameter `at` refers to; `None` if it is no reference.
    pub fn argument_bytes(&self, at: usize) -> Option<u32> {
        self.sizes.get(at).copied().filter(|&size| size > 0)
    }
}

impl Object {
    /// Loads an object that the compiler made.
    ///
    /// # Errors
    /// The loader's.
    pub fn load(path: &Path) -> Result<Self, String> {
        provide_math();
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
        // SAFETY: the object comes from our compiler and runs no code of the kernel's text but constants.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            Err(loader_error())
        } else {
            Ok(Self { handle })
        }
    }

    /// Finds a kernel by the name in the object's table.
    pub fn kernel(&self, name: &str) -> Option<LoadedKernel> {
        let mut at = self.symbol::<Kernel>(c"msl_kernels")?;
        // SAFETY: the table ends with a null name; its strings and arrays are the object's constants.
        unsafe {
            while !(*at).name.is_null() {
                if CStr::from_ptr((*at).name).to_bytes() == name.as_bytes() {
                    let sizes =
                        std::slice::from_raw_parts((*at).argument_sizes, (*at).arguments as usize);
                    let static_bytes = self.static_bytes((*at).function);
                    return Some(LoadedKernel {
                        entry: (*at).entry?,
                        sizes,
                        static_bytes,
                    });
                }
                at = at.add(1);
            }
        }
        None
    }

    fn static_bytes(&self, kernel: *const c_void) -> u32 {
        let bound = |name| self.symbol::<*const ThreadgroupVariable>(name);
        let (Some(begin), Some(end)) = (
            bound(c"msl_threadgroup_begin"),
            bound(c"msl_threadgroup_end"),
        ) else {
            return 0;
        };
        // SAFETY: the linker's bounds of a section that holds only such records.
        let records = unsafe {
            let begin = *begin;
            let end = *end;
            if begin.is_null() {
                return 0;
            }
            std::slice::from_raw_parts(begin, end.offset_from_unsigned(begin))
        };
        let own = records.iter().filter(|record| record.kernel == kernel);
        own.map(|record| (record.size as u32).next_multiple_of(16))
            .sum()
    }

    fn symbol<T>(&self, name: &CStr) -> Option<*const T> {
        // SAFETY: the handle is a loaded object.
        let found = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        (!found.is_null()).then_some(found.cast_const().cast())
    }
}

/// Kernels find the mathematical functions in the process.
fn provide_math() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the system's own library, kept for good.
        unsafe { libc::dlopen(c"libm.so.6".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    });
}

fn loader_error() -> String {
    // SAFETY: dlerror gives null or a string that stays until this thread's next call of the loader.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return "the object cannot be loaded".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned()
}
