//! What ends a command from outside: Ctrl-C, a terminal that is closed, a supervisor.

use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Code, Failure};

/// The signals that ask for an end. While this is listened to, none ends the process by itself.
pub(super) struct Interrupts {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Code::Failed, format!("cannot await signals: {error}"), "")
            })
        };
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of them; gives how a command fails that it cuts short.
    pub(super) async fn next(&mut self) -> Failure {
        let (code, name) = tokio::select! {
            _ = self.hangup.recv() => (Code::HungUp, "SIGHUP"),
            _ = self.interrupt.recv() => (Code::Interrupted, "SIGINT"),
            _ = self.terminate.recv() => (Code::Terminated, "SIGTERM"),
        };
        Failure::new(code, format!("by {name}, before the end"), "")
    }

    /// Runs `work` until it ends or is cut short: it is dropped then, with all that it has started.
    ///
    /// # Errors
    /// As `work`; and [`Self::next`]'s, also where a process that `work` waited for has had the same
    /// signal and failed of it.
    pub(super) async fn cut<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let done = tokio::select! {
            biased;
            failure = self.next() => return Err(failure),
            done = work => done,
        };
        done.map_err(|failure| self.next().now_or_never().unwrap_or(failure))
    }
}

/// Runs a command that starts servers: a signal cuts it short, and it says so.
///
/// # Errors
/// As [`Interrupts::cut`].
pub(super) async fn until_cut<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    Interrupts::listen()?.cut(work).await
}
