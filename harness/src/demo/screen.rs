//! What a person sees while the demo runs: a bar each for uploads, events, copies and proofs.
//!
//! Not shown where nobody looks (`--json`, no terminal); what matters is in the summary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use causeway_shared::error::TransferError;
use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::shown;

/// The bars. Clones show on the same screen.
#[derive(Debug, Clone)]
pub struct Screen {
    all: MultiProgress,
    uploaded: ProgressBar,
    accepted: ProgressBar,
    copied: ProgressBar,
    bytes: Arc<AtomicU64>,
    verified: ProgressBar,
}

impl Screen {
    /// Bars for `objects`, drawn on standard error if it is a terminal and `visible`.
    #[must_use]
    pub fn new(objects: usize, visible: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let all = MultiProgress::with_draw_target(target);
        let style =
            ProgressStyle::with_template("  {prefix:22} {bar:32} {pos:>5}/{len} {wide_msg}")
                .expect("the template is constant");
        let bar = |prefix: &'static str| {
            let bar = ProgressBar::new(objects as u64).with_style(style.clone());
            all.add(bar).with_prefix(prefix)
        };
        let (uploaded, accepted) = (bar("uploaded to S3"), bar("events at the worker"));
        let (copied, verified) = (bar("committed at GCS"), bar("read back and equal"));
        for bar in [&uploaded, &accepted, &copied, &verified] {
            bar.tick();
        }
        Self {
            all,
            uploaded,
            accepted,
            copied,
            bytes: Arc::default(),
            verified,
        }
    }

    pub(super) fn uploaded(&self, key: &str) {
        self.uploaded.set_message(shown(key));
        self.uploaded.inc(1);
    }

    pub(super) fn accepted(&self, key: &str) {
        self.accepted.set_message(shown(key));
        self.accepted.inc(1);
    }

    pub(super) fn copied(&self, name: &str, size: u64) {
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        self.copied
            .set_message(format!("{}  {}", BinaryBytes(bytes), shown(name)));
        self.copied.inc(1);
    }

    pub(super) fn verified(&self) {
        self.verified.inc(1);
    }

    pub(super) fn gave_up(&self, key: &str, error: &TransferError) {
        // The screen may be closed already; the summary says it again.
        let _ = self.all.println(format!(
            "  given up: {}: {}",
            shown(key),
            shown(&error.to_string())
        ));
    }

    /// Leaves the bars as they are and stops drawing.
    pub(super) fn close(&self) {
        for bar in [&self.uploaded, &self.accepted, &self.copied, &self.verified] {
            bar.abandon_with_message("");
        }
    }
}
