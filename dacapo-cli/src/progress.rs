//! Progress bars on standard error. Where that is no terminal, nothing is written.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that disappears when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar that counts bytes.
    pub(crate) fn bytes(what: &'static str) -> Progress {
        Progress::new(
            what,
            0,
            "{msg} [{bar:30}] {binary_bytes} of {binary_total_bytes}",
        )
    }

    /// A bar that counts something else, such as tokens.
    pub(crate) fn items(what: &'static str, items: &'static str, total: usize) -> Progress {
        let template = format!("{{msg}} [{{bar:30}}] {{human_pos}} of {{human_len}} {items}");
        Progress::new(what, total as u64, &template)
    }

    fn new(what: &'static str, total: u64, template: &str) -> Progress {
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total)
            .with_style(style.progress_chars("=> "))
            .with_message(what);
        // Bars show themselves with their first change, which may be long in coming.
        bar.tick();
        Progress { bar }
    }

    pub(crate) fn set(&self, done: usize) {
        self.bar.set_position(done as u64);
    }

    /// For bars that count different things in turn.
    pub(crate) fn next(&self, what: &'static str) {
        self.bar.set_message(what);
        self.bar.inc(1);
    }

    /// For bars that tell what is being done.
    pub(crate) fn at(&self, what: String, done: usize) {
        self.bar.set_message(what);
        self.bar.set_position(done as u64);
    }

    /// For bars that tell what is being done, of a total that changes.
    pub(crate) fn of(&self, what: String, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.at(what, done);
    }

    /// For bars whose total is only known on the way.
    pub(crate) fn set_bytes(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
