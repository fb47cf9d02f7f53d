use core::ops::Range;

use crate::report::Site;

impl Site {
    /// The place of these bytes in a text: of their first line, where there are several.
    pub(crate) fn of(text: &str, range: Range<usize>) -> Option<Site> {
        let before = text.get(..range.start)?;
        let spanned = text.get(range)?;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = text[before.len()..].find('\n');
        let end = end.map_or(text.len(), |at| before.len() + at);
        let first_line = spanned.lines().next().unwrap_or_default();
        Some(Site {
            line: before.matches('\n').count() as u32 + 1,
            column: before[start..].chars().count() as u32 + 1,
            length: (first_line.trim_end().chars().count() as u32).max(1),
            text: text[start..end].trim_end_matches('\r').into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_counts_lines_and_characters() {
        let text = "one\nzwö = drei;\nfour";
        let at = text.find("drei").unwrap();
        let site = Site::of(text, at..at + 4).unwrap();
        assert_eq!((site.line, site.column, site.length), (2, 7, 4));
        assert_eq!(&*site.text, "zwö = drei;");
        let site = Site::of(text, at..text.len()).unwrap();
        assert_eq!(site.length, 5, "up to the end of the line");
        assert_eq!(Site::of(text, 0..99), None);
        assert_eq!(Site::of(text, 7..8), None, "inside a character");
    }
}
