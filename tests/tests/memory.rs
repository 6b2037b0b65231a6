//! The memory of the runtime while bodies move: it does not grow with what is copied, however large,
//! however many at once, and however slowly the destination takes it.
//!
//! The peak is the kernel's own (`VmHWM`), so that no moment is missed. What an isolate needs once,
//! whatever it copies, is not counted: each test first lets some small objects through, and one in
//! parts, whose code the runtime then has compiled.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use causeway_harness::s3::store::{Algorithm, Attributes, SparseSpec};
use causeway_harness::stack::StackOptions;
use causeway_tests::{Lane, Seen, Stack, noise, run};
use tokio::sync::{Mutex, MutexGuard};

const MIB: u64 = 1 << 20;
/// How far the memory may grow.
const LIMIT: u64 = 64 * MIB;
/// Gigabytes take their time in a build that is not optimised, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(5);

/// One at a time: each wants the machine for itself.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A stack whose destination drops what it gets, and the memory of its runtime.
struct Case {
    stack: Stack,
    pid: u32,
    /// Resident bytes before anything large is copied.
    before: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Case {
    /// None where the system does not tell a process's peak.
    async fn start() -> Option<Self> {
        let alone = ALONE.lock().await;
        let options = StackOptions {
            discard_bodies: true,
            ..StackOptions::default()
        };
        let stack = Stack::start_with(2, options).await;
        let pid = stack.local.runtime.pid();
        let Some(pid) = pid.filter(|pid| reset_peak(*pid)) else {
            eprintln!("skipped: this system does not tell the peak of a process's memory");
            return None;
        };
        let warm = stack.lane();
        for at in 0..100_u64 {
            let bytes = noise(at, 20_000);
            warm.put(&at.to_string(), bytes, Attributes::default());
        }
        for at in 0..100 {
            warm.copied(&at.to_string()).await;
        }
        let large = SparseSpec::new(300 * MIB, 1).with(Algorithm::Crc32c);
        let put = warm.store().put_sparse(&warm.source, "large", large);
        put.unwrap();
        warm.copied("large").await;
        assert!(reset_peak(pid));
        let before = resident(pid, "VmRSS:");
        Some(Self {
            stack,
            pid,
            before,
            _alone: alone,
        })
    }

    fn lane(&self) -> Lane<'_> {
        self.stack.lane()
    }

    /// How much the memory has grown at its peak so far.
    fn growth(&self) -> u64 {
        resident(self.pid, "VmHWM:").saturating_sub(self.before)
    }

    /// Waits until all of `specs` stand at the destination as they should, and looks at the peak.
    async fn arrived(&self, lane: &Lane<'_>, specs: &[(String, SparseSpec)]) {
        let is_last = |seen: &Seen, key: &str| {
            let mut commits = seen.commits.iter();
            commits.any(|commit| commit.bucket == lane.destination && commit.name == key)
        };
        for (key, spec) in specs {
            let look = |seen: &Seen| is_last(seen, key).then_some(());
            let what = format!("{key} in {}", lane.destination);
            let witness = &self.stack.witness;
            witness.until_within(PATIENCE, &what, look).await;
            let stored = lane.stored(key).unwrap();
            assert_eq!(stored.size(), spec.size(), "{key}");
            assert_eq!(stored.content.crc32c, spec.crc32c(), "{key}");
        }
        self.stayed_small();
    }

    fn stayed_small(&self) {
        let (growth, before) = (self.growth() / MIB, self.before / MIB);
        eprintln!("grew by {growth} MiB over {before} MiB");
        assert!(
            growth * MIB <= LIMIT,
            "grew by {growth} MiB over {before} MiB"
        );
    }
}

/// Lets the kernel forget the peak so far (`man 5 proc_pid_clear_refs`).
fn reset_peak(pid: u32) -> bool {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok()
}

/// A figure of `/proc/<pid>/status`, in bytes.
fn resident(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() * 1024
}

fn put(lane: &Lane<'_>, specs: &[(String, SparseSpec)]) {
    for (key, spec) in specs {
        let store = lane.store();
        store.put_sparse(&lane.source, key, spec.clone()).unwrap();
    }
}

/// `count` objects of `size` bytes; with a CRC32C no byte passes the worker's own code.
fn specs(count: u64, size: u64, checksum: Option<Algorithm>) -> Vec<(String, SparseSpec)> {
    let spec = |seed| {
        let spec = SparseSpec::new(size, seed);
        match checksum {
            Some(algorithm) => spec.with(algorithm),
            None => spec,
        }
    };
    (0..count)
        .map(|at| (format!("object-{at}"), spec(at)))
        .collect()
}

async fn copied(count: u64, size: u64, checksum: Option<Algorithm>) {
    let Some(case) = Case::start().await else {
        return;
    };
    let lane = case.lane();
    let specs = specs(count, size, checksum);
    put(&lane, &specs);
    case.arrived(&lane, &specs).await;
}

#[test]
fn an_object_of_6_gib_does_not_grow_it() {
    run(copied(1, 6 << 30, Some(Algorithm::Crc32c)));
}

#[test]
fn an_object_whose_checksum_is_computed_does_not_grow_it() {
    run(copied(1, 2 << 30, None));
}

#[test]
fn many_objects_at_once_do_not_grow_it() {
    run(copied(100, 32 * MIB, Some(Algorithm::Crc32c)));
}

#[test]
fn many_computed_checksums_at_once_do_not_grow_it() {
    run(copied(50, 32 * MIB, None));
}

#[test]
fn a_destination_that_reads_1_mb_a_second_does_not_grow_it() {
    run(async {
        let Some(case) = Case::start().await else {
            return;
        };
        let lane = case.lane();
        let gcs = &case.stack.local.gcs;
        let mut received = gcs.received();
        let begin = *received.borrow();
        gcs.throttle().set(Some(1_000_000));
        let half = specs(12, 64 * MIB, Some(Algorithm::Crc32c));
        put(&lane, &half);
        // By then the source could have sent all there is many times over.
        let enough = received.wait_for(|all| all - begin >= 12_000_000);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .unwrap()
            .unwrap();
        case.stayed_small();
        gcs.throttle().set(None);
        case.arrived(&lane, &half).await;
    });
}

/// A mebibyte of records that are none has half a million of them, and was once seven hundred mebibytes in
/// memory.
#[test]
fn a_body_that_expands_does_not_grow_it() {
    run(async {
        let Some(case) = Case::start().await else {
            return;
        };
        let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
        let zeros = format!("{{\"Records\":{}}}", list("0", (1 << 19) - 20));
        let some = format!("{{\"Records\":{}}}", list("0", 5000));
        let texts = format!("{{\"Records\":{}}}", list("\"\"", 340_000));
        let inner = format!("{{\"Records\":{}}}", list("0", 520_000));
        let wrapped = serde_json::json!({"Type": "Notification", "Message": inner}).to_string();
        let detail = format!(
            "{{\"detail-type\":\"x\",\"detail\":{}}}",
            list("[]", 340_000)
        );
        let keys = format!("{{\"keys\":{}}}", list("\"\"", 43_000));
        let stack = &case.stack;
        let file = stack.local.file();
        let submit = format!("{}/v1/routes/lane00/events", stack.local.runtime.url());
        let before = resident(case.pid, "VmRSS:");
        for _ in 0..5 {
            for body in [&zeros, &some, &texts, &wrapped, &detail] {
                let request = stack.http.post(stack.events_url()).body(body.clone());
                let request = request.bearer_auth(&file.events_token);
                let answer = request.send().await.unwrap().bytes().await.unwrap();
                assert!(answer.len() < 4 * body.len(), "{}", answer.len());
            }
            let request = stack.http.post(&submit).body(keys.clone());
            let request = request.bearer_auth(&file.admin_token);
            assert_eq!(request.send().await.unwrap().status(), 400);
        }
        eprintln!("{} MiB before any was sent", before / MIB);
        case.stayed_small();
    });
}
