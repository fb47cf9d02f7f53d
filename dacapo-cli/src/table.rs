//! Tables of aligned columns without lines around them.

use core::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Row, presets};

/// Where a column's cells stand.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells; displayed with two spaces between columns, and nothing at the ends of lines.
pub(crate) struct Table {
    table: comfy_table::Table,
    align: Vec<Align>,
}

impl Table {
    pub(crate) fn new<'c>(columns: impl IntoIterator<Item = (&'c str, Align)>) -> Table {
        let (names, align): (Vec<&str>, Vec<Align>) = columns.into_iter().unzip();
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(Row::from(names));
        Table { table, align }
    }

    /// Adds a row. Cells show control characters escaped: some texts come out of files.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| visible(&cell));
        self.table.add_row(cells.collect::<Vec<String>>());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = self.table.clone();
        for (column, align) in table.column_iter_mut().zip(&self.align) {
            column.set_padding((0, 2));
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
        writeln!(f, "{}", table.trim_fmt())
    }
}

/// `text` with control characters escaped, so that it can neither break lines nor steer the terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => shown.extend(char.escape_debug()),
            false => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_clean() {
        let mut table = Table::new([
            ("name", Align::Left),
            ("count", Align::Right),
            ("note", Align::Left),
        ]);
        table.row(["a".into(), "7".into(), String::new()]);
        table.row(["longer".into(), "1,234".into(), "wide 宽 and é".into()]);
        table.row(["x\n\u{1b}[31my".into(), "0".into(), "end".into()]);
        let expected = "\
name            count  note
a                   7
longer          1,234  wide 宽 and é
x\\n\\u{1b}[31my      0  end
";
        assert_eq!(table.to_string(), expected);
    }
}
