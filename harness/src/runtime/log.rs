//! Where the worker's console output goes.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use serde::Deserialize;

/// One call of the worker's console.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogLine {
    /// `debug`, `info`, `log`, `warn` or `error`; `runner` for what the runtime itself says.
    pub level: String,
    /// The text; one JSON object where the worker logs structured lines.
    pub message: String,
}

impl LogLine {
    pub(super) fn from_runner(message: String) -> Self {
        Self {
            level: "runner".to_owned(),
            message,
        }
    }
}

type Callback = dyn Fn(&LogLine) + Send + Sync;

/// Takes the lines. Clones share their destination. The default drops them.
#[derive(Clone, Default)]
pub struct LogSink(Option<Arc<Callback>>);

impl LogSink {
    /// Calls `callback` with each line, on a thread of the async runtime: it must not block.
    pub fn new(callback: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(callback)))
    }

    /// Appends `level message` lines to a new file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn file(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        let file = Mutex::new(file);
        Ok(Self::new(move |line| {
            if let Ok(mut file) = file.lock() {
                // A full disk must not stop the worker.
                let _ = writeln!(file, "{} {}", line.level, line.message);
            }
        }))
    }

    /// Calls `callback` with each line, too.
    #[must_use]
    pub fn also(self, callback: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        Self::new(move |line| {
            callback(line);
            self.write(line);
        })
    }

    pub(super) fn write(&self, line: &LogLine) {
        if let Some(callback) = &self.0 {
            callback(line);
        }
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LogSink")
    }
}
