//! Pointers and references need an address space in MSL; clang takes them without.

use super::{Source, kernel};

const SPACES: [&str; 6] = [
    "device",
    "constant",
    "threadgroup",
    "thread",
    "object_data",
    "ray_data",
];

/// Refuses function parameters that point to memory of no named kind.
pub fn check(source: &Source) -> Result<(), String> {
    for item in &source.items {
        let (Some(open), Some(_)) = (item.parameters, item.body) else {
            continue;
        };
        let template = source.token(item.tokens.start) == "template";
        for range in kernel::split(source, open + 1..source.closing(open)) {
            let words = || range.clone().map(|at| source.token(at));
            let Some(sign) = range
                .clone()
                .find(|&at| matches!(source.token(at), "*" | "&"))
            else {
                continue;
            };
            // T&& in a template is a forwarding reference, whose address space is deduced.
            let forwarding = template && source.token(sign) == "&" && source.token(sign + 1) == "&";
            if !forwarding && !words().any(|word| SPACES.contains(&word)) {
                let what = if source.token(sign) == "*" {
                    "pointer"
                } else {
                    "reference"
                };
                return Err(source.error(
                    sign,
                    &format!("{what} type must have explicit address space qualifier"),
                ));
            }
        }
    }
    Ok(())
}
