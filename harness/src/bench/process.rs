//! What other processes cost, from the operating system's accounting: CPU time and memory.
//!
//! Read from Linux's `/proc` ([proc(5)](https://man7.org/linux/man-pages/man5/proc.5.html)); on other
//! systems nothing is known, and the rows say so.

use std::fs;
use std::ops::Sub;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// `/proc` counts CPU time in hundredths of a second, whatever the kernel was built with (USER_HZ).
const TICK: Duration = Duration::from_millis(10);
/// How often a process is looked at that may end at any time.
const LOOK: Duration = Duration::from_millis(10);
/// How many of a failed program's last lines its error shows.
const TAIL: usize = 2;

/// What a process, or several, have used since they began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// The most bytes that were resident at once, since the last [`reset_peak`].
    pub(crate) peak: u64,
}

impl Sub for Usage {
    type Output = Self;

    /// What was used between `earlier` and this; the peak is this one's.
    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            peak: self.peak,
        }
    }
}

/// What the process `pid` and its children have used; nothing where the system does not tell.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let mut sum = own_usage(pid)?;
    for child in children(pid) {
        let child = usage(child).unwrap_or_default();
        sum.cpu += child.cpu;
        sum.peak += child.peak;
    }
    Some(sum)
}

/// Makes the peak of `pid` and its children what is resident now.
pub(crate) fn reset_peak(pid: u32) {
    // Where it cannot be set back, the peak is that of the whole life: too much rather than too little.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    for child in children(pid) {
        reset_peak(child);
    }
}

fn own_usage(pid: u32) -> Option<Usage> {
    let (_, cpu) = stat(pid)?;
    // A process that has ended but was not waited for has no memory any more.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Some(Usage {
        cpu,
        peak: high_water(&status).unwrap_or_default(),
    })
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// The state of `pid` (`Z`: it has ended) and its CPU time.
fn stat(pid: u32) -> Option<(char, Duration)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(stat: &str) -> Option<(char, Duration)> {
    // The name before it is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some((
        fields.first()?.chars().next()?,
        TICK * ticks(11)? + TICK * ticks(12)?,
    ))
}

fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Runs `command` to its end; gives what it used.
///
/// # Errors
/// When it cannot be started or does not succeed; the error ends with its last lines of output.
pub(super) async fn run(command: &mut Command) -> anyhow::Result<Usage> {
    let log = tempfile::tempfile()?;
    let mut child = command
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| {
            format!(
                "could not start {}",
                command.as_std().get_program().display()
            )
        })?;
    let pid = child.id().context("it has ended before it began")?;
    let mut used = Usage::default();
    // Its accounts are there until it is waited for: the last look sees all of it.
    loop {
        let ended = stat(pid).is_none_or(|(state, _)| state == 'Z');
        let now = usage(pid).unwrap_or_default();
        used.cpu = used.cpu.max(now.cpu);
        used.peak = used.peak.max(now.peak);
        if ended {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    check(child.wait().await?, log)?;
    Ok(used)
}

fn check(status: ExitStatus, mut log: fs::File) -> anyhow::Result<()> {
    use std::io::{Read as _, Seek as _};
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    log.rewind()?;
    log.read_to_string(&mut said)?;
    let lines: Vec<&str> = said.lines().collect();
    bail!(
        "{status}:\n{}",
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_accounts_are_read_whatever_the_process_is_called() {
        let stat = "7 (a ) Z b) S 1 7 7 0 -1 4194560 100 0 0 0 150 25 9 9 20 0 1 0";
        assert_eq!(parse_stat(stat), Some(('S', Duration::from_millis(1750))));
        assert_eq!(parse_stat("7 (x) S 1"), None);
        assert_eq!(high_water("Name:\tx\nVmHWM:\t    2048 kB\n"), Some(2 << 20));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_that_works_is_charged_for_it_and_one_that_fails_says_why() {
        let mut busy = Command::new("sh");
        busy.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]);
        let used = run(&mut busy).await.unwrap();
        assert!(used.cpu >= TICK && used.peak > 0, "{used:?}");
        let mut failing = Command::new("sh");
        let error = run(failing.args(["-c", "echo because; exit 3"])).await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.ends_with("because"),
            "{error}"
        );
    }
}
