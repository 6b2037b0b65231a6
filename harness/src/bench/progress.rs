//! What is being measured, for whoever waits: one line a subject, and on a terminal what is under
//! way below it. On standard error, so that it mixes with no table and no JSON.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("  {spinner} {elapsed} {wide_msg}");
        let bar = ProgressBar::new_spinner();
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Begins a subject.
    pub(super) fn subject(&self, line: &str) {
        self.0.reset_elapsed();
        // There may be nobody there any more, once a terminal is closed.
        let say = || writeln!(std::io::stderr(), "measuring {line}");
        let _ = self.0.suspend(say);
    }

    /// Begins one measurement of it.
    pub(super) fn step(&self, line: impl Into<String>) {
        self.0.set_message(line.into());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
