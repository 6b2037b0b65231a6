//! How much has moved so far, told to whoever shows it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Receives byte counts while a transfer runs. The default one discards them.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(i64) + Send + Sync>>);

impl Progress {
    /// `report` is called with the number of bytes just moved; negative when an attempt failed and
    /// its bytes are to be sent again.
    pub fn new(report: impl Fn(i64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(report)))
    }

    /// Tells of `bytes` more (or, negative, fewer).
    pub(crate) fn add(&self, bytes: i64) {
        if let Some(report) = &self.0 {
            report(bytes);
        }
    }

    /// Counts for one attempt; what it counted is taken back unless it is kept.
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt {
            progress: self.clone(),
            counted: Arc::default(),
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// One attempt's bytes: see [`Progress::attempt`].
pub(crate) struct Attempt {
    progress: Progress,
    counted: Arc<AtomicI64>,
}

impl Attempt {
    /// A counter to hand to the body that is being sent.
    pub(crate) fn counter(&self) -> impl Fn(usize) + Send + Sync + 'static {
        let (progress, counted) = (self.progress.clone(), Arc::clone(&self.counted));
        move |bytes| {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            counted.fetch_add(bytes, Ordering::Relaxed);
            progress.add(bytes);
        }
    }

    /// The attempt succeeded: its bytes stay counted.
    pub(crate) fn keep(self) {
        self.counted.store(0, Ordering::Relaxed);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let counted = self.counted.swap(0, Ordering::Relaxed);
        if counted != 0 {
            self.progress.add(-counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_attempt_takes_its_bytes_back() {
        let total = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&total);
        let progress = Progress::new(move |bytes| {
            seen.fetch_add(bytes, Ordering::Relaxed);
        });
        let failed = progress.attempt();
        failed.counter()(10);
        assert_eq!(total.load(Ordering::Relaxed), 10);
        drop(failed);
        assert_eq!(total.load(Ordering::Relaxed), 0);
        let kept = progress.attempt();
        kept.counter()(7);
        kept.keep();
        assert_eq!(total.load(Ordering::Relaxed), 7);
    }
}
