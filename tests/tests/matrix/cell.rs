//! One request suffering one fault, along a route of its own.

use std::sync::LazyLock;

use bytes::Bytes;
use causeway_harness::client::admin::{Action, Filter, Selection};
use causeway_harness::s3::store::{Algorithm, Attributes, SparseSpec};
use causeway_harness::{gcs, s3};
use causeway_tests::{Lane, Seen, Stack, content, noise};
use reqwest::Method;
use serde_json::{Value, json};

use crate::expected::{Expected, expected, is_of_all_parts, is_repeated, leaves_session, times};
use crate::faults::{self, Fault};
use crate::requests::{At, Before, Request, Scene};

const MIB: usize = 1 << 20;

/// What the cells' objects are cut from: to make it takes long.
static NOISE: LazyLock<Bytes> = LazyLock::new(|| noise(1, 10 * MIB));

/// What was copied before in [`Scene::Overwritten`].
const OLDER: &[u8] = b"what was there before";

/// A cell of the matrix.
pub(crate) struct Cell {
    number: usize,
    request: &'static Request,
    fault_name: String,
    fault: Fault,
    is_of_all_parts: bool,
    times: usize,
}

impl Cell {
    /// All that there are.
    pub(crate) fn all() -> Vec<Self> {
        let requests: &'static [Request] = Vec::leak(Request::all());
        let pairs = requests.iter().flat_map(|request| {
            let faults = faults::all().into_iter();
            let suffered = faults.filter(|(_, fault, is_often)| {
                fault.concerns(request) && (!is_often || is_repeated(request, *fault))
            });
            suffered.map(move |fault| (request, fault))
        });
        pairs
            .enumerate()
            .map(|(number, (request, (fault_name, fault, is_often)))| Self {
                number,
                request,
                fault_name,
                fault,
                is_of_all_parts: is_of_all_parts(request, fault),
                times: times(request, fault, is_often),
            })
            .collect()
    }

    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.request.name, self.fault_name)
    }

    /// The variable with the cell's route.
    pub(crate) fn binding(&self) -> (String, Value) {
        let number = self.number;
        let mut route = json!({
            "source": format!("s3://source-{number:02}"),
            "destination": format!("gs://destination-{number:02}"),
        });
        match self.request.scene {
            Scene::Parts => route["parts_above_mib"] = json!(1),
            Scene::Tags => route["tags"] = json!(true),
            Scene::Created | Scene::Deleted => route["deletes"] = json!("propagate"),
            _ => {}
        }
        (format!("ROUTE_LANE{number:02}"), route)
    }

    /// The object's size: no other cell's is the same, so that a session's requests, which do not
    /// name the object, can be told apart by it.
    fn size(&self) -> usize {
        self.number
            + match self.request.scene {
                Scene::Small | Scene::Tags | Scene::Created | Scene::Deleted => 1000,
                Scene::Held | Scene::Streamed => MIB - 1000,
                Scene::Session | Scene::Overwritten | Scene::Composite => 9 * MIB,
                Scene::Computed | Scene::Parts => 2 * MIB,
            }
    }

    /// Whether it needs the worker for itself: else its parts do not begin at once.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_of_all_parts
    }

    pub(crate) fn faults_asked(&self) -> usize {
        self.times + usize::from(self.request.before.is_some())
    }

    pub(crate) async fn run(&self, stack: &Stack) {
        let lane = stack.lane_number(self.number);
        if matches!(self.request.scene, Scene::Held | Scene::Computed) {
            lane.store()
                .configure(&lane.source, |settings| settings.kms = true)
                .unwrap();
        }
        let bytes = match self.request.scene {
            Scene::Parts | Scene::Composite => self.sparse().body().bytes().await.unwrap(),
            _ => NOISE.slice(self.number..self.number + self.size()),
        };
        match self.request.scene {
            Scene::Deleted => {
                lane.put("key", bytes.clone(), Attributes::default());
                lane.copied("key").await;
            }
            Scene::Overwritten => {
                lane.put("key", OLDER, Attributes::default());
                lane.copied("key").await;
            }
            _ => {}
        }
        self.arm(&lane);
        match self.request.scene {
            Scene::Deleted => lane.delete("key"),
            Scene::Parts | Scene::Composite => {
                let put = lane.store().put_sparse(&lane.source, "key", self.sparse());
                put.unwrap();
            }
            _ => drop(lane.put("key", bytes.clone(), Attributes::default())),
        }
        // Of the object before: a copy of it is no end of this.
        let before = match self.request.scene {
            Scene::Deleted | Scene::Overwritten => 1,
            _ => 0,
        };
        match expected(self.request, self.fault, self.times) {
            Expected::Converges => self.converges(&lane, &bytes, before).await,
            Expected::Quarantined(reason) => {
                self.quarantined(&lane, reason).await;
                self.all_met(&lane).await;
                self.swept(&lane).await;
                let so_far = self.replay(&lane).await;
                self.converges(&lane, &bytes, so_far).await;
            }
        }
        self.all_met(&lane).await;
        self.swept(&lane).await;
        self.assert_quiet(stack);
    }

    /// Waits until the hint is in quarantine, and checks what a person finds there.
    async fn quarantined(&self, lane: &Lane<'_>, reason: &str) {
        lane.letter().await;
        let (admin, all) = (lane.stack.admin(), Filter::default());
        let listed = admin.quarantine(&lane.route, &all, None).await;
        let entries = listed.unwrap().entries;
        let [entry] = &*entries else {
            panic!("one entry in quarantine, not {entries:?}")
        };
        assert_eq!(entry.kind.to_string(), reason, "{}", entry.message);
        assert_eq!((&*entry.bucket, &*entry.key), (&*lane.source, "key"));
        assert!(entry.deliveries >= 1 && entry.failures == 1, "{entry:?}");
        assert!(!entry.message.is_empty() && !entry.advice.is_empty());
        // Done or not, as the request was before or after it; and nothing in between.
        let standing = lane.stored("key").map(|stored| stored.size());
        let size = self.size() as u64;
        let either = match self.request.scene {
            Scene::Overwritten => [Some(OLDER.len() as u64), Some(size)],
            _ => [None, Some(size)],
        };
        assert!(either.contains(&standing), "{standing:?}");
    }

    /// Has the hint sent down the road again, and gives how many outcomes the key had before.
    async fn replay(&self, lane: &Lane<'_>) -> usize {
        let so_far = lane
            .stack
            .witness
            .now(|seen| seen.outcomes(&lane.source, "key").len());
        let admin = lane.stack.admin();
        let replayed = admin.act(
            Action::Replay { release: false },
            &lane.route,
            &Selection::All(true),
            None,
        );
        assert_eq!(replayed.await.unwrap().count, 1);
        so_far
    }

    fn sparse(&self) -> SparseSpec {
        let spec = SparseSpec::new(self.size() as u64, self.number as u64);
        match self.request.scene {
            Scene::Composite => spec.in_parts(Algorithm::Crc32c),
            _ => spec.with(Algorithm::Crc32c),
        }
    }

    fn arm(&self, lane: &Lane<'_>) {
        let whole_key = format!("/{}/key", lane.source);
        match self.request.before {
            Some(Before::TheSame) => fail_gcs(
                lane,
                &self.request.method,
                self.target(lane),
                gcs::Fault::Stall {
                    pause: std::time::Duration::ZERO,
                    after: 0,
                },
            ),
            Some(Before::BrokenSlice) => fail_gcs(
                lane,
                &Method::PUT,
                format!(" bytes 0-{}/{}", self.size() - 1, self.size()),
                gcs::Fault::BreakUpload { after: MIB as u64 },
            ),
            Some(Before::DamagedSource) => {
                fail_s3(lane, &Method::GET, whole_key, s3::Fault::Corrupt { at: 5 });
            }
            None => {}
        }
        for _ in 0..self.times {
            let (method, target) = (&self.request.method, self.target(lane));
            match self.request.at {
                At::S3 => fail_s3(
                    lane,
                    method,
                    target,
                    self.fault.at_s3(self.request).unwrap(),
                ),
                At::Gcs => {
                    fail_gcs(
                        lane,
                        method,
                        target,
                        self.fault.at_gcs(self.request).unwrap(),
                    );
                }
            }
        }
    }

    fn target(&self, lane: &Lane<'_>) -> String {
        let size = self.size();
        let target = self.request.target;
        let target = match target.strip_suffix("0-") {
            Some(of_all_parts) if self.is_of_all_parts => of_all_parts,
            _ => target,
        };
        target
            .replace("{source}", &lane.source)
            .replace("{destination}", &lane.destination)
            .replace("{last}", &(size - 1).to_string())
            .replace("{size}", &size.to_string())
    }

    /// Waits until the destination is as the source is, which an outcome of the key after the first
    /// `before` says.
    async fn converges(&self, lane: &Lane<'_>, bytes: &Bytes, before: usize) {
        let is_replayed = !lane.letters().is_empty();
        if self.request.scene == Scene::Deleted {
            let look = |seen: &Seen| {
                let ours = seen.outcomes(&lane.source, "key").into_iter();
                ours.skip(before)
                    .find(|line| line["event"] == "deleted" || is_over(line))
                    .cloned()
            };
            let what = format!("the end of {}", self.name());
            let end = lane.stack.witness.until(&what, look).await;
            let is_found = is_replayed && end["event"] == "source-gone";
            assert!(end["event"] == "deleted" || is_found, "{end}");
            assert!(lane.stored("key").is_none());
            return;
        }
        let size = match self.fault {
            Fault::Overwrite => b"what somebody wrote meanwhile".len() as u64,
            _ => bytes.len() as u64,
        };
        let look = |seen: &Seen| {
            let ours = seen.outcomes(&lane.source, "key").into_iter();
            ours.skip(before)
                .filter(|line| is_over(line))
                .find(|line| line["event"] != "copied" || line["bytes"] == size)
                .cloned()
        };
        let what = format!("the end of {}", self.name());
        let end = lane.stack.witness.until(&what, look).await;
        // Where every reply of a delivery was lost, or one could not be read, the next finds the copy.
        let is_found = (self.times > 1 || is_replayed) && end["event"] == "identical";
        assert!(end["event"] == "copied" || is_found, "{end}");
        let stored = lane.stored("key").unwrap();
        let standing = content(&stored);
        match self.fault {
            Fault::Overwrite => assert_eq!(standing, "what somebody wrote meanwhile"),
            _ => assert!(standing == bytes, "the bytes differ"),
        }
    }

    /// Waits until each fault was suffered.
    async fn all_met(&self, lane: &Lane<'_>) {
        let local = &lane.stack.local;
        let (method, target) = (&self.request.method, self.target(lane));
        let at_gcs = local.gcs.faults().until_consumed(|spec| {
            spec.path_contains == target && spec.method.as_ref() == Some(method)
        });
        let at_s3 = local.s3.faults().until_consumed(|spec| {
            spec.path_contains == target && spec.method.as_ref() == Some(method)
        });
        let both = async { tokio::join!(at_gcs, at_s3) };
        let met = tokio::time::timeout(std::time::Duration::from_secs(20), both).await;
        let left = [
            local.gcs.faults().pending().len(),
            local.s3.faults().pending().len(),
        ];
        assert!(
            met.is_ok(),
            "no request met {target:?}, {left:?}, sees {:#?}",
            lane.stack.witness.now(|seen| seen
                .outcomes(&lane.source, "key")
                .into_iter()
                .map(Value::to_string)
                .collect::<Vec<_>>())
        );
    }

    /// Waits until no part is left.
    async fn swept(&self, lane: &Lane<'_>) {
        let look = |seen: &Seen| {
            let ours = seen.commits.iter().filter(|commit| {
                commit.bucket == lane.destination && commit.name.contains(".causeway-parts/")
            });
            let (deleted, written): (Vec<_>, Vec<_>) = ours.partition(|commit| commit.deleted);
            (deleted.len() == written.len()).then_some(())
        };
        let what = format!("the last part of {} to be deleted", self.name());
        lane.stack.witness.until(&what, look).await;
    }

    /// Nothing under the key was ever anything but the whole object.
    fn assert_only_whole(&self, lane: &Lane<'_>) {
        let size = self.size() as u64;
        let mut sizes: Vec<u64> = lane.stack.witness.now(|seen| {
            let ours = seen.commits.iter().filter(|commit| {
                commit.bucket == lane.destination && commit.name == "key" && !commit.deleted
            });
            ours.map(|commit| commit.size).collect()
        });
        if self.fault == Fault::Overwrite {
            sizes.retain(|size| *size != b"what somebody wrote meanwhile".len() as u64);
        }
        if self.request.scene == Scene::Overwritten {
            assert_eq!(sizes.remove(0), OLDER.len() as u64);
        }
        assert!(
            sizes.len() <= 1 && sizes.iter().all(|found| *found == size),
            "{sizes:?}, of {size} bytes"
        );
    }

    /// Nothing is left: no part, no session, no letter that was not expected; and nothing but the
    /// whole object was ever seen.
    pub(crate) fn assert_quiet(&self, stack: &Stack) {
        let lane = stack.lane_number(self.number);
        self.assert_only_whole(&lane);
        let expected = expected(self.request, self.fault, self.times);
        let letters = lane.letters();
        if expected == Expected::Converges {
            assert!(letters.is_empty(), "{}: {letters:?}", self.name());
        }
        assert!(
            lane.names().iter().all(|name| name == "key"),
            "{}: {:?}",
            self.name(),
            lane.names()
        );
        let sessions = stack.local.gcs.state().open_sessions(&lane.destination);
        let leaves = leaves_session(self.request, self.fault);
        assert_eq!(sessions > 0, leaves, "{}: {sessions} sessions", self.name());
    }
}

/// Whether a line of the log ends a hint: nothing follows of itself.
fn is_over(line: &Value) -> bool {
    match line["event"].as_str() {
        Some("failed") => line["then"] != "retried",
        _ => true,
    }
}

fn fail_gcs(lane: &Lane<'_>, method: &Method, target: String, fault: gcs::Fault) {
    lane.stack.local.gcs.faults().fail_next(gcs::FaultSpec {
        method: Some(method.clone()),
        path_contains: target,
        fault,
    });
}

fn fail_s3(lane: &Lane<'_>, method: &Method, target: String, fault: s3::Fault) {
    lane.stack.local.s3.faults().fail_next(s3::FaultSpec {
        method: Some(method.clone()),
        path_contains: target,
        fault,
    });
}
