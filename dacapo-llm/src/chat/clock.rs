//! The time that a template may print.

use std::fmt::Write;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A calendar date and time of day (Gregorian, any time zone the caller likes).
///
/// It is given by the caller and never read from the system, so that the same conversation
/// always renders to the same prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Year, such as 2026.
    pub year: u16,
    /// Month from 1 to 12; values outside are taken as the nearest.
    pub month: u8,
    /// Day of the month from 1.
    pub day: u8,
    /// Hour from 0 to 23.
    pub hour: u8,
    /// Minute from 0 to 59.
    pub minute: u8,
    /// Second from 0 to 59.
    pub second: u8,
}

impl Clock {
    /// Formats like C's `strftime` in the C locale, with the directives
    /// `%Y %y %m %d %e %b %B %a %A %H %I %p %M %S %%`; others stay as they are.
    pub(super) fn format(self, format: &str) -> String {
        let mut out = String::with_capacity(format.len() + 16);
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let Some(directive) = chars.next() else {
                out.push('%');
                break;
            };
            self.directive(directive, &mut out);
        }
        out
    }

    fn directive(self, directive: char, out: &mut String) {
        let month = MONTHS[usize::from(self.month.clamp(1, 12)) - 1];
        let weekday = WEEKDAYS[self.weekday()];
        let hour12 = match self.hour % 12 {
            0 => 12,
            hour => hour,
        };
        // Writing to a String cannot fail.
        let _ = match directive {
            'Y' => write!(out, "{}", self.year),
            'y' => write!(out, "{:02}", self.year % 100),
            'm' => write!(out, "{:02}", self.month),
            'd' => write!(out, "{:02}", self.day),
            'e' => write!(out, "{:2}", self.day),
            'b' => out.write_str(&month[..3]),
            'B' => out.write_str(month),
            'a' => out.write_str(&weekday[..3]),
            'A' => out.write_str(weekday),
            'H' => write!(out, "{:02}", self.hour),
            'I' => write!(out, "{hour12:02}"),
            'p' => out.write_str(if self.hour < 12 { "AM" } else { "PM" }),
            'M' => write!(out, "{:02}", self.minute),
            'S' => write!(out, "{:02}", self.second),
            '%' => out.write_char('%'),
            other => write!(out, "%{other}"),
        };
    }

    /// Day of the week, 0 for Sunday (Sakamoto's method).
    fn weekday(self) -> usize {
        const OFFSETS: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let month = usize::from(self.month.clamp(1, 12));
        // 400 years are a whole number of weeks: adding them keeps year 0 from going below zero.
        let year = usize::from(self.year) + 400 - usize::from(month < 3);
        (year + year / 4 - year / 100 + year / 400 + OFFSETS[month - 1] + usize::from(self.day)) % 7
    }
}
