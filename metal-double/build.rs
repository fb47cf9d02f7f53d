//! Links GNUstep's Foundation by its soname, because Debian's runtime package has no `libgnustep-base.so` for the linker.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-l:libgnustep-base.so.1.28");
}
