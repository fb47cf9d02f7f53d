//! Checks MSL files, compiles every kernel in them that needs no function constants, and says how long it took.

use std::time::Instant;

use metal_double::msl::{CompileOptions, Library};

fn main() {
    let mut failed = 0;
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let start = Instant::now();
        let options = CompileOptions {
            language: (3, 1),
            fast_math: false,
        };
        let result = Library::compile(&text, &options).and_then(|library| {
            let checked = start.elapsed();
            let ready = |f: &&metal_double::msl::FunctionInfo| f.constants.is_empty();
            for function in library.functions().iter().filter(ready) {
                library.function(&function.name, &[])?;
            }
            Ok((checked, start.elapsed() - checked))
        });
        match result {
            Ok((check, compile)) => {
                println!(
                    "{path}: check {} ms, compile {} ms",
                    check.as_millis(),
                    compile.as_millis()
                );
            }
            Err(messages) => {
                failed += 1;
                println!("{path}: {messages}");
            }
        }
    }
    std::process::exit(i32::from(failed > 0));
}
