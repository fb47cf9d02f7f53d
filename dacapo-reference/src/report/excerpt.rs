use core::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

/// What stands for the part of a line that is not shown.
const CUT: &str = "...";

/// Columns that a tab takes.
const TAB: &str = "    ";

/// Columns of a line that are looked at: nobody reads further, and a line can be a whole file.
const MOST_SHOWN: usize = 1000;

/// Text from outside, made fit for a terminal: nothing in it moves the cursor or turns the direction of writing.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A part of a source line with a part of it marked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// What is shown of the line.
    pub(super) line: String,
    /// Columns in front of what is marked.
    pub(super) indent: usize,
    /// Columns that are marked, at least one.
    pub(super) marked: usize,
}

impl Excerpt {
    /// At most about `columns` of a line, of which `length` characters from `start` (from 0) are marked.
    pub(super) fn of(text: &str, start: usize, length: usize, columns: usize) -> Excerpt {
        let columns = columns.clamp(20, MOST_SHOWN);
        let text = text.trim_end();
        let first = first_shown(text, start, length, columns);
        let mut excerpt = Excerpt {
            line: String::new(),
            indent: 0,
            marked: 0,
        };
        let mut used = 0;
        if first > 0 {
            excerpt.push(CUT, CUT.len(), Side::Before);
            used = CUT.len();
        }
        let mut rest = text.chars().enumerate().skip(first);
        for (at, char) in rest.by_ref() {
            let width = width(char);
            if used + width > columns {
                let side = Side::of(at, start, length);
                excerpt.push(CUT, CUT.len(), side);
                break;
            }
            used += width;
            excerpt.push_char(char, width, Side::of(at, start, length));
        }
        excerpt.marked = excerpt.marked.max(1);
        excerpt
    }

    fn push_char(&mut self, char: char, width: usize, side: Side) {
        match char {
            '\t' => self.push(TAB, width, side),
            char => self.push(visible(char).encode_utf8(&mut [0; 4]), width, side),
        }
    }

    fn push(&mut self, text: &str, width: usize, side: Side) {
        let _ = self.line.write_str(text);
        match side {
            Side::Before => self.indent += width,
            Side::Marked => self.marked += width,
            Side::Behind => {}
        }
    }
}

/// Where a character is, as the mark sees it.
#[derive(Clone, Copy)]
enum Side {
    Before,
    Marked,
    Behind,
}

impl Side {
    fn of(at: usize, start: usize, length: usize) -> Side {
        if at < start {
            Side::Before
        } else if at - start < length {
            Side::Marked
        } else {
            Side::Behind
        }
    }
}

/// The first character that is shown: 0, unless the mark would not be seen then.
fn first_shown(text: &str, start: usize, length: usize, columns: usize) -> usize {
    let widths = text.chars().map(width);
    let end: usize = widths.take(start.saturating_add(length)).sum();
    if end <= columns {
        return 0;
    }
    // As much in front of the mark as leaves room for it, at most half.
    let mut room = columns.saturating_sub(length.min(columns)).min(columns / 2);
    room = room.saturating_sub(CUT.len());
    let indent = text.chars().take_while(|char| char.is_whitespace()).count();
    let first = start.saturating_sub(room);
    if first <= indent {
        indent.min(start)
    } else {
        first
    }
}

fn width(char: char) -> usize {
    match char {
        '\t' => TAB.len(),
        char => visible(char).width().unwrap_or(1),
    }
}

fn visible(char: char) -> char {
    match char {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => '\u{fffd}',
        char if char.is_control() => '\u{fffd}',
        char => char,
    }
}
