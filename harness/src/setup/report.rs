//! Tells whoever waits what is being done. Not a logger: one line a step, and under it, on a
//! terminal, the last line of the running tool's output.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress goes: standard error, written directly, so that it is seen under `cargo test` too.
pub struct Reporter {
    spinner: Option<ProgressBar>,
}

impl Reporter {
    /// Reports to standard error; with a spinner if that is a terminal.
    #[must_use]
    pub fn stderr() -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("  {spinner} {elapsed} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        Self { spinner }
    }

    /// Announces a step, in one line: what is done, how long it takes and why.
    pub(crate) fn step(&mut self, line: &str) {
        let text = format!("causeway set-up: {line}\n");
        let write = || {
            // Nobody reads a closed stderr; the set-up goes on.
            let _ = std::io::stderr().write_all(text.as_bytes());
        };
        match &self.spinner {
            Some(spinner) => {
                spinner.suspend(write);
                spinner.reset_elapsed();
                spinner.set_message("");
                spinner.enable_steady_tick(Duration::from_millis(120));
            }
            None => write(),
        }
    }

    /// Shows the last line that the running tool wrote.
    pub(super) fn detail(&self, line: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(line.trim().to_owned());
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
