use core::fmt::{self, Write};

/// Text inside an XML element or attribute. What XML cannot hold at all is shown as its number.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\n' => f.write_char('\n')?,
                _ if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => {
                    write!(f, "\\u{{{:x}}}", u32::from(char))?;
                }
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// The first `room` characters, the last of which says so where more follow.
pub(super) fn shortened(text: &str, room: usize) -> String {
    if text.chars().nth(room).is_none() {
        return text.to_owned();
    }
    let kept = text.chars().take(room.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_an_attribute_or_breaks_a_parser() {
        let shown = Escaped("</title> & \"x\"\u{1b}\u{ffff}").to_string();
        assert_eq!(shown, "&lt;/title&gt; &amp; &quot;x&quot;\\u{1b}\\u{ffff}");
    }

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        assert_eq!(shortened("été", 3), "été");
        assert_eq!(shortened("étés", 3), "ét…");
    }
}
