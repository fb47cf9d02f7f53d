//! Reports are for everybody: whose machine it is does not belong into them.

/// Takes out of texts what tells who somebody is.
#[derive(Clone, Debug)]
pub(crate) struct Scrub {
    private: Vec<String>,
}

/// Folders in which people have a folder of their own.
const HOMES: [&str; 4] = ["/home/", "/Users/", "\\Users\\", "/var/folders/"];

impl Scrub {
    /// Also takes out these texts, such as the path of the user's folder.
    pub(crate) fn new(private: &[String]) -> Scrub {
        // Less would also be a part of innocent words.
        let long = private.iter().filter(|text| text.len() > 3);
        let mut private: Vec<String> = long.cloned().collect();
        private.sort_by_key(|text| core::cmp::Reverse(text.len()));
        Scrub { private }
    }

    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for private in &self.private {
            text = text.replace(private, "~");
        }
        for home in HOMES {
            text = without_names(&text, home);
        }
        text
    }
}

/// `text` with `~` in the place of `home` and the name that follows it.
fn without_names(text: &str, home: &str) -> String {
    let mut parts = text.split(home);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends =
            |c: char| c == '/' || c == '\\' || c == ':' || c.is_whitespace() || "\"'`)".contains(c);
        let rest = part.find(ends).map_or("", |end| &part[end..]);
        clean.push('~');
        clean.push_str(rest);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_people_are_taken_out() {
        let scrub = Scrub::new(&["/srv/people/ada".to_owned(), "/".to_owned()]);
        for (text, clean) in [
            ("no path / at all", "no path / at all"),
            ("/home/ada/x.rs:3: bad", "~/x.rs:3: bad"),
            ("in \"/Users/Ada L\"", "in \"~ L\""),
            ("a=/Users/ada b=/Users/bob/c", "a=~ b=~/c"),
            ("C:\\Users\\ada\\x", "C:~\\x"),
            ("/srv/people/ada/cache", "~/cache"),
        ] {
            assert_eq!(scrub.clean(text), clean);
        }
    }
}
