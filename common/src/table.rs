//! A table that fits the screen: where it is too wide, its columns stand below each other.
//!
//! ```text
//!  n | threads                      n | threads | processes
//! ---+---------                    ---+---------+-----------
//!  1 |    1.00                      1 |    1.00 |      0.98
//!  n | processes                    2 |    1.94 |      1.90
//! ---+-----------
//!  …                               (if there is room)
//! ```

use std::fmt;
use std::ops::Range;

use prettytable::Row;
use prettytable::format::consts::FORMAT_NO_BORDER_LINE_SEPARATOR;
use prettytable::format::{FormatBuilder, LinePosition, LineSeparator, TableFormat};
use unicode_width::UnicodeWidthStr;

/// A table of titles and rows. Written by `{:n}`, it takes at most n columns of the screen, if it
/// can.
///
/// ```
/// use common::table::Table;
/// use prettytable::row;
///
/// let mut table = Table::new(row!["n", r->"threads", r->"processes"]);
/// table.add_row(row![1, r->"1.00", r->"0.98"]);
/// assert_eq!(table.to_string().lines().count(), 3);
/// assert_eq!(format!("{table:14}").lines().count(), 6, "two pieces");
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    format: TableFormat,
    titles: Row,
    rows: Vec<Row>,
}

impl Table {
    /// Makes a table without rows. A title that begins with a word joiner (U+2060) stays beside the
    /// one before it.
    #[must_use]
    pub fn new(titles: Row) -> Self {
        Self { format: *FORMAT_NO_BORDER_LINE_SEPARATOR, titles, rows: Vec::new() }
    }

    /// Begins a table with space between the columns, for tables that have little.
    #[must_use]
    pub fn open(titles: Row) -> Self {
        let line = LineSeparator::new('─', '─', '─', '─');
        let format = FormatBuilder::new()
            .column_separator(' ')
            .padding(0, 1)
            .separator(LinePosition::Title, line)
            .build();
        Self::new(titles).drawn(format)
    }

    /// Draws the table with other lines.
    #[must_use]
    pub fn drawn(self, format: TableFormat) -> Self {
        Self { format, ..self }
    }

    /// Adds a row below the others.
    pub fn add_row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Draws the first column and these.
    fn piece(&self, columns: Range<usize>) -> String {
        let cut = |row: &Row| {
            let first = row.iter().take(1);
            Row::new(
                first.chain(row.iter().take(columns.end).skip(columns.start)).cloned().collect(),
            )
        };
        let mut table = prettytable::Table::new();
        table.set_format(self.format);
        table.set_titles(cut(&self.titles));
        table.extend(self.rows.iter().map(cut));
        let text = table.to_string().replace('\u{2060}', "");
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = f.width().unwrap_or(usize::MAX);
        let fits = |piece: &str| piece.lines().all(|line| line.width() <= room);
        let is_cut = |at: usize| {
            let title = self.titles.get_cell(at).map(|cell| cell.get_content());
            title.is_none_or(|title| !title.starts_with('\u{2060}'))
        };
        let mut start = 1;
        while start < self.titles.len() {
            let ends = (start + 1..=self.titles.len()).filter(|end| is_cut(*end));
            let mut pieces = ends.map(|end| (end, self.piece(start..end)));
            let Some(mut piece) = pieces.next() else { break };
            piece = pieces.take_while(|(_, text)| fits(text)).last().unwrap_or(piece);
            f.write_str(&piece.1)?;
            start = piece.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prettytable::row;

    use super::*;

    #[test]
    fn a_table_too_wide_stands_in_pieces_below_each_other() {
        let mut table = Table::new(row!["task", r->"days", "\u{2060}late", "note"]);
        table.add_row(row!["walls", r->3, 0, ""]);
        let whole = " task  | days | late | note\n\
                     -------+------+------+------\n \
                      walls |    3 | 0    |\n";
        assert_eq!(table.to_string(), whole);
        assert_eq!(format!("{table:28}"), whole);
        let pieces = " task  | days | late\n\
                      -------+------+------\n \
                      walls |    3 | 0\n \
                      task  | note\n\
                      -------+------\n \
                      walls |\n";
        assert_eq!(format!("{table:22}"), pieces);
        assert_eq!(format!("{table:1}"), pieces);
    }
}
