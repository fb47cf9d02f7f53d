use core::fmt;

use super::excerpt::{Excerpt, clean};
use super::{Access, Party, Place, Report, Site};

/// How reports are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether in colours, by ANSI's escape sequences.
    pub colour: bool,
    /// Columns; longer source lines are cut around what they are shown for.
    pub columns: usize,
}

impl Default for Style {
    fn default() -> Style {
        Style {
            colour: false,
            columns: 120,
        }
    }
}

/// A report in a style, for people.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    report: &'a Report,
    style: Style,
}

impl Report {
    /// This report in a style. [`Display`](fmt::Display) shows it in the default one.
    pub fn text(&self, style: Style) -> Text<'_> {
        Text {
            report: self,
            style,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(Style::default()).fmt(f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let (red, bold) = (self.paint(RED), self.paint(BOLD));
        let kind = report.kind;
        let message = clean(&report.message);
        write!(f, "{red}error[{kind}]{red:#}{bold}: {message}{bold:#}")?;
        self.party(f, &report.party, "-->")?;
        if let Some(place) = &report.place {
            self.note(f, "memory", &memory(place))?;
        }
        if let Some(other) = &report.other {
            self.party(f, other, ":::")?;
        }
        if !report.hint.is_empty() {
            self.note(f, "hint", &clean(&report.hint))?;
        }
        if report.count > 1 {
            let times = format!("{} times; the first is shown", report.count);
            self.note(f, "count", &times)?;
        }
        Ok(())
    }
}

impl Text<'_> {
    fn party(&self, f: &mut fmt::Formatter<'_>, party: &Party, arrow: &str) -> fmt::Result {
        let blue = self.paint(BLUE);
        let gutter = self.gutter();
        let kernel = clean(&party.kernel);
        write!(f, "\n{:gutter$}{blue}{arrow}{blue:#} {kernel}", "")?;
        if let Some(site) = &party.site {
            write!(f, ":{}:{}", site.line, site.column)?;
            self.source(f, site, party.access)?;
        }
        self.note(f, "by", &who(party))
    }

    fn source(
        &self,
        f: &mut fmt::Formatter<'_>,
        site: &Site,
        access: Option<Access>,
    ) -> fmt::Result {
        let (blue, red) = (self.paint(BLUE), self.paint(RED));
        let gutter = self.gutter();
        let room = self.style.columns.saturating_sub(gutter + 3);
        let start = site.column.saturating_sub(1) as usize;
        let excerpt = Excerpt::of(&site.text, start, site.length as usize, room);
        let Excerpt {
            line,
            indent,
            marked,
        } = excerpt;
        let marks = "^".repeat(marked);
        let label = access.map_or("", label);
        write!(f, "\n{blue}{:gutter$} |", "")?;
        write!(f, "\n{:>gutter$} |{blue:#} {line}", site.line)?;
        write!(f, "\n{blue}{:gutter$} |{blue:#} {:indent$}", "", "")?;
        write!(f, "{red}{marks}{label}{red:#}")
    }

    fn note(&self, f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
        let (blue, bold) = (self.paint(BLUE), self.paint(BOLD));
        let gutter = self.gutter();
        write!(f, "\n{:gutter$} {blue}={blue:#} ", "")?;
        write!(f, "{bold}{name}:{bold:#} {text}")
    }

    /// Columns of the longest line number.
    fn gutter(&self) -> usize {
        let report = self.report;
        let parties = core::iter::once(&report.party).chain(&report.other);
        let lines = parties.filter_map(|party| Some(party.site.as_ref()?.line));
        let widest = lines.max().and_then(u32::checked_ilog10);
        widest.map_or(1, |digits| digits as usize + 1)
    }

    fn paint(&self, code: &'static str) -> Paint {
        Paint(if self.style.colour { code } else { "" })
    }
}

fn label(access: Access) -> &'static str {
    match access {
        Access::Read => " read here",
        Access::Write => " written here",
        Access::Atomic => " atomic here",
    }
}

fn who(party: &Party) -> String {
    let number = party.dispatch;
    let ids = |[x, y, z]: [u32; 3]| format!("({x}, {y}, {z})");
    let mut who = format!("dispatch {number}");
    if !party.label.is_empty() {
        who += &format!(" `{}`", clean(&party.label));
    }
    // A command that is no kernel has neither.
    if party.site.is_some() || party.invocation != [0; 3] || party.workgroup != [0; 3] {
        let (workgroup, invocation) = (ids(party.workgroup), ids(party.invocation));
        who += &format!(", workgroup {workgroup}, invocation {invocation}");
    }
    who
}

fn memory(place: &Place) -> String {
    match place {
        Place::Buffer {
            label,
            slot,
            bound,
            bytes,
        } => {
            let label = clean(label);
            let (start, end) = (bytes.start, bytes.end);
            let touched = format!("bytes {start}..{end} of buffer `{label}`");
            let Some(slot) = slot else {
                return touched;
            };
            let (start, end) = (bound.start, bound.end);
            format!("{touched}, bound {start}..{end} at slot {slot}")
        }
        Place::Workgroup { variable } => format!("`{}` of the workgroup", clean(variable)),
        Place::Private { variable } => format!("`{}` of the invocation", clean(variable)),
    }
}

const RED: &str = "1;31";
const BLUE: &str = "1;34";
const BOLD: &str = "1";

/// Begins a colour, and with `{:#}` ends it.
struct Paint(&'static str);

impl fmt::Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            _ if f.alternate() => f.write_str("\x1b[0m"),
            code => write!(f, "\x1b[{code}m"),
        }
    }
}
