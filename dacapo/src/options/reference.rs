use core::str::FromStr;

use dacapo_reference::{Order, Settings};

use crate::info::CooperativeMatrix;

/// How the reference interpreter runs kernels, and what it checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReferenceOptions {
    /// Invocations of a subgroup: a power of two from 1 to 128.
    pub subgroup_size: u32,
    /// The matrices that the device says its subgroups multiply. Kernels with others run all the same.
    pub cooperative_matrix: CooperativeMatrix,
    /// In which order workgroups run. A correct program gives the same bytes in all.
    pub order: Order,
    /// Whether anything is checked; without, what is out of bounds still reads zeros and writes nothing.
    pub checks: bool,
    /// Whether workgroup memory and variables that nobody has written count as written: WGSL makes them zero.
    pub zeroed: bool,
    /// Whether the first NaN or infinity of each expression is reported.
    pub finite: bool,
    /// Most operations that one workgroup may take, each for all of its invocations; at least 1.
    pub steps: u64,
    /// Most reports that are kept; more are counted. At least 1.
    pub max_reports: usize,
    /// Whether reports are only collected. Otherwise a submission during which something was reported fails, after
    /// having run whole, with [`Fault::Check`](crate::Fault::Check).
    pub collect: bool,
}

/// Largest subgroup.
const MAX_SUBGROUP: u32 = 128;

/// What the environment may say.
pub(super) const CHOICES: &str = "subgroup=N (a power of two, 1 to 128), matrix=8 or 16, \
    order=parallel, forward, reverse or shuffled:SEED, checks=on or off, zeroed, finite, steps=N, reports=N (from 1), \
    collect, joined by commas";

impl Default for ReferenceOptions {
    fn default() -> ReferenceOptions {
        let settings = Settings::default();
        ReferenceOptions {
            subgroup_size: 32,
            cooperative_matrix: CooperativeMatrix::Size16,
            order: settings.order,
            checks: settings.checks,
            zeroed: settings.zeroed,
            finite: false,
            steps: settings.steps,
            max_reports: 100,
            collect: false,
        }
    }
}

impl ReferenceOptions {
    /// A field that has a value which is not allowed, the value, and what is.
    pub(crate) fn invalid(&self) -> Option<(&'static str, String, &'static str)> {
        let size = self.subgroup_size;
        if !size.is_power_of_two() || size > MAX_SUBGROUP {
            let allowed = "a power of two from 1 to 128";
            return Some(("reference.subgroup_size", size.to_string(), allowed));
        }
        let positive = [
            ("reference.steps", self.steps == 0),
            ("reference.max_reports", self.max_reports == 0),
        ];
        let (name, _) = positive.into_iter().find(|(_, is_zero)| *is_zero)?;
        Some((name, "0".to_owned(), "1 and more"))
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Option<()> {
        match (name, value) {
            ("subgroup", Some(size)) => self.subgroup_size = size.parse().ok()?,
            ("matrix", Some(size)) => self.cooperative_matrix = size.parse().ok()?,
            ("order", Some(order)) => self.order = parse_order(order)?,
            ("checks", Some("on")) => self.checks = true,
            ("checks", Some("off")) => self.checks = false,
            ("zeroed", None) => self.zeroed = true,
            ("finite", None) => self.finite = true,
            ("steps", Some(count)) => self.steps = count.parse().ok()?,
            ("reports", Some(count)) => self.max_reports = count.parse().ok()?,
            ("collect", None) => self.collect = true,
            _ => return None,
        }
        Some(())
    }
}

impl FromStr for ReferenceOptions {
    type Err = ();

    fn from_str(text: &str) -> Result<ReferenceOptions, ()> {
        let mut options = ReferenceOptions::default();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (item, None),
            };
            options.set(name, value).ok_or(())?;
        }
        match options.invalid() {
            None => Ok(options),
            Some(_) => Err(()),
        }
    }
}

fn parse_order(text: &str) -> Option<Order> {
    match (text, text.split_once(':')) {
        ("parallel", _) => Some(Order::Parallel),
        ("forward", _) => Some(Order::Forward),
        ("reverse", _) => Some(Order::Reverse),
        (_, Some(("shuffled", seed))) => Some(Order::Shuffled(seed.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_sets_what_it_names() {
        let text = "subgroup=8,matrix=8,order=shuffled:7,checks=off,zeroed,finite,steps=1000000,reports=20,collect";
        let all = ReferenceOptions {
            subgroup_size: 8,
            cooperative_matrix: CooperativeMatrix::Size8,
            order: Order::Shuffled(7),
            checks: false,
            zeroed: true,
            finite: true,
            steps: 1_000_000,
            max_reports: 20,
            collect: true,
        };
        assert_eq!(text.parse(), Ok(all));
        assert_eq!("".parse(), Ok(ReferenceOptions::default()));
        let orders = [
            ("order=parallel", Order::Parallel),
            ("order=forward", Order::Forward),
            ("order=reverse", Order::Reverse),
        ];
        for (text, order) in orders {
            let parsed: ReferenceOptions = text.parse().unwrap();
            assert_eq!(parsed.order, order);
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        for text in [
            "subgroup",
            "subgroup=0",
            "subgroup=12",
            "subgroup=256",
            "matrix",
            "matrix=4",
            "matrix=off",
            "order=backward",
            "order=shuffled",
            "order=shuffled:x",
            "checks",
            "checks=maybe",
            "zeroed=off",
            "steps=0",
            "steps=-1",
            "reports=0",
            "fast",
        ] {
            assert_eq!(text.parse::<ReferenceOptions>(), Err(()), "{text}");
        }
    }
}
