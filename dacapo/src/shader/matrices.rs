//! Cooperative matrices are of the size that the device multiplies.

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{Function, Module, TypeInner};

use super::diagnostic::Source;
use crate::info::CooperativeMatrix;

/// Looks for matrices of another size in what the entry point may run.
pub(super) fn check(
    source: &Source<'_>,
    module: &Module,
    info: &ModuleInfo,
    entry: usize,
    allowed: Option<CooperativeMatrix>,
) -> Result<(), Box<str>> {
    // Without any, the text has been refused by now.
    let Some(size) = allowed.map(CooperativeMatrix::size) else {
        return Ok(());
    };
    let helpers = module
        .functions
        .iter()
        .map(|(handle, function)| (function, &info[handle]));
    let main = &module.entry_points[entry].function;
    let main = [(main, info.get_entry_point(entry))];
    helpers
        .chain(main)
        .try_for_each(|(function, info)| check_function(source, module, function, info, size))
}

fn check_function(
    source: &Source<'_>,
    module: &Module,
    function: &Function,
    info: &FunctionInfo,
    size: u32,
) -> Result<(), Box<str>> {
    for (handle, _) in function.expressions.iter() {
        let &TypeInner::CooperativeMatrix { columns, rows, .. } =
            info[handle].ty.inner_with(&module.types)
        else {
            continue;
        };
        let (columns, rows) = (columns as u32, rows as u32);
        if (columns, rows) != (size, size) {
            let span = function.expressions.get_span(handle);
            let message = format!(
                "a cooperative matrix of {columns}x{rows}; the device multiplies {size}x{size}"
            );
            return Err(source.point(span, "used here", message));
        }
    }
    Ok(())
}
