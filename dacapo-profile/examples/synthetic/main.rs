//! Writes a made-up profile of a decoder, its trace and its page, to see what they look like without a GPU.
//!
//!     cargo run -p dacapo-profile --example synthetic -- OUT_DIR

mod all;

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use dacapo_profile::{Analysis, Profile, html, write_trace_events};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: synthetic OUT_DIR")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    for (name, profile) in all::all() {
        write(folder, name, &profile)?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, profile: &Profile) -> Result<(), Box<dyn Error>> {
    let file = |extension: &str| {
        File::create(folder.join(format!("{name}.{extension}"))).map(BufWriter::new)
    };
    let mut saved = file("profile.json")?;
    serde_json::to_writer(&mut saved, profile)?;
    saved.flush()?;
    let mut trace = file("trace.json")?;
    write_trace_events(profile, &mut trace)?;
    trace.flush()?;
    let page = html(profile, &Analysis::of(profile))?;
    fs::write(folder.join(format!("{name}.html")), page)?;
    Ok(())
}
