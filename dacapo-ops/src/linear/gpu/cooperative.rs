//! The kernel for many tokens on matrix units, whatever size of matrices these take.

use dacapo::CooperativeMatrix;

use super::shader::line;

/// Tokens, and rows, of the part of a tile that a subgroup computes.
const PART: u32 = 32;

const TEXT: &str = include_str!("cooperative.wgsl");

/// Stands for the number of a matrix from top to bottom, and from left to right.
const DOWN: &str = "{d}";
const ACROSS: &str = "{a}";

pub(super) fn write(text: &mut String, matrix: CooperativeMatrix) {
    let size = matrix.size();
    line(text, format_args!("const SIZE: u32 = {size}u;"));
    for (name, element) in [("Left", "f16, A"), ("Right", "f16, B"), ("Sum", "f32, C")] {
        line(
            text,
            format_args!("alias {name} = coop_mat{size}x{size}<{element}>;"),
        );
    }
    for each in TEXT.lines() {
        repeat(text, each, size);
    }
}

/// Writes a line for all matrices that it is about. Comments are left out, so that they may name the marks.
fn repeat(text: &mut String, each: &str, size: u32) {
    if each.trim_start().starts_with("//") {
        return;
    }
    let numbers = |mark| 0..if each.contains(mark) { PART / size } else { 1 };
    for down in numbers(DOWN) {
        for across in numbers(ACROSS) {
            let numbered = each
                .replace(DOWN, &down.to_string())
                .replace(ACROSS, &across.to_string());
            line(text, format_args!("{numbered}"));
        }
    }
}
