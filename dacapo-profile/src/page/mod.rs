//! A profile as one page that needs no network.
//!
//! `page.html` is the frame; style, scripts and data are put in. Scripts are plain and share one scope, in the order of
//! [`SCRIPTS`]; each file says at its top what it is for. What profiles call things is text that nobody vouches for: the
//! data stands in the page as JSON without any character that HTML cares about, and scripts only ever set text. A policy
//! in the page forbids everything else, so that it loads nothing even if that should fail.

mod data;
mod embed;

use crate::{Analysis, Profile, ProfileError};
use data::Data;
use embed::{escaped, in_script};

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPTS: [&str; 14] = [
    include_str!("js/data.js"),
    include_str!("js/format.js"),
    include_str!("js/dom.js"),
    include_str!("js/colours.js"),
    include_str!("js/rows.js"),
    include_str!("js/view.js"),
    include_str!("js/boxes.js"),
    include_str!("js/dispatches.js"),
    include_str!("js/timeline.js"),
    include_str!("js/waves.js"),
    include_str!("js/summary.js"),
    include_str!("js/roofline.js"),
    include_str!("js/tables.js"),
    include_str!("js/main.js"),
];

/// The page. It shows `analysis`, which is that of `profile`.
///
/// # Errors
/// [`ProfileError::Json`] when the data cannot be written as JSON.
pub fn html(profile: &Profile, analysis: &Analysis) -> Result<String, ProfileError> {
    let data = serde_json::to_string(&Data::of(profile, analysis))?;
    let parts = [
        ("{title}", escaped(&profile.title)),
        ("{style}", STYLE.to_owned()),
        ("{data}", in_script(&data)),
        ("{script}", format!("\"use strict\";\n{}", SCRIPTS.concat())),
    ];
    let mut page = String::with_capacity(
        FRAME.len() + parts.iter().map(|(_, part)| part.len()).sum::<usize>(),
    );
    let mut rest = FRAME;
    for (place, part) in &parts {
        if let Some((before, after)) = rest.split_once(place) {
            page.push_str(before);
            page.push_str(part);
            rest = after;
        }
    }
    page.push_str(rest);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::{FRAME, SCRIPTS, STYLE};

    #[test]
    fn the_frame_has_each_place_once_and_in_order() {
        let places = ["{title}", "{style}", "{data}", "{script}"].map(|place| {
            assert_eq!(FRAME.matches(place).count(), 1, "{place}");
            FRAME.find(place)
        });
        assert!(places.is_sorted());
    }

    #[test]
    fn nothing_in_the_page_names_another_place() {
        for text in [FRAME, STYLE, &SCRIPTS.concat()] {
            let apart = text.replace("http://www.w3.org/2000/svg", "");
            for forbidden in [
                "http:",
                "https:",
                "//cdn",
                "@import",
                "url(",
                "innerHTML",
                "eval(",
                "</script",
            ] {
                let found = apart
                    .replace("url(#roof-clip)", "")
                    .matches(forbidden)
                    .count();
                let closing = text == FRAME && forbidden == "</script";
                assert_eq!(found, if closing { 2 } else { 0 }, "{forbidden}");
            }
        }
    }
}
