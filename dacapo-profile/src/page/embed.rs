//! Text within HTML.

/// `text` as text between tags.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            _ => safe.push(character),
        }
    }
    safe
}

/// `json` as the content of a `script` element. What could end it, open a comment in it, or end a line of a script, stands
/// in JSON only within strings, where it can be written as a number.
pub(super) fn in_script(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{escaped, in_script};

    const HOSTILE: &str = "</script><!--<script>alert(1)&amp;\u{2028}\u{2029}\"\\ ]]>";

    #[test]
    fn json_in_a_script_says_the_same_and_nothing_to_html() {
        let json = serde_json::to_string(HOSTILE).unwrap();
        let safe = in_script(&json);
        assert!(!safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), HOSTILE);
    }

    #[test]
    fn text_opens_no_tags() {
        assert_eq!(escaped("a <b> & c"), "a &lt;b&gt; &amp; c");
    }
}
