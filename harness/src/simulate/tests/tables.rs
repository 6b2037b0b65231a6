//! Many files, over hours of the world's time: how many jobs they take.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use causeway_shared::event::ObjectHint;
use causeway_shared::gcs::Generation;
use causeway_shared::host::Class;
use causeway_shared::host::tables::{Report, tell};
use causeway_shared::message::HintMessage;
use causeway_shared::tables::Landed;
use serde_json::Value;

use crate::simulate::body::Body;
use crate::simulate::durable::object_name;
use crate::simulate::platform::SimulatedPlatform;
use crate::simulate::s3::{BUCKET, timestamp};
use crate::simulate::scenario::{Cut, Scenario};
use crate::simulate::tables::{Tables, rows_of};
use crate::simulate::world::{Owner, World};

const TABLE: &str = "simulated.logs.events";
const SIZE: u64 = 1000;

/// A world in which nothing goes wrong, with a table that jobs load in three seconds.
fn world(tables: Tables) -> Rc<World> {
    let cut = Cut {
        faults: (0..10_000).collect(),
        ..Cut::default()
    };
    let mut scenario = Scenario::draw(0, cut);
    scenario.tables = Some(Arc::new(tables));
    scenario.circumstances.change = None;
    scenario.circumstances.refused = None;
    World::new(scenario, None, false)
}

/// Lands a file and tells the loader of it, `files` times, some at once, `every` milliseconds apart. Gives the loader's
/// state once nothing is left to do, and how many rows the files have.
fn land(world: &Rc<World>, files: u64, at_once: u64, every: u64) -> (Value, u64) {
    let (there, wanted) = (Rc::clone(world), Rc::new(Cell::new(0)));
    let rows = Rc::clone(&wanted);
    world.spawn(Owner::Operator, 0, async move {
        let platform = SimulatedPlatform::of_isolate(&there, 0, Owner::Operator);
        for first in (0..files).step_by(usize::try_from(at_once).unwrap()) {
            let land = |number: u64| {
                let (key, name) = (format!("in/{number}.json"), format!("out/{number}.json"));
                let body = Body::whole(number + 1, SIZE);
                let commit = there
                    .gcs
                    .borrow_mut()
                    .write_foreign(&name, body, there.now());
                let generation = commit.unwrap().generation;
                rows.set(rows.get() + rows_of(generation, SIZE));
                let hint = ObjectHint::of(BUCKET, key, "put");
                let message = HintMessage::new("simulated", hint, timestamp(there.now()));
                Landed::new(name, Generation(generation), message)
            };
            let landed = (first..first + at_once).map(land).collect();
            let report = Report::Landed(TABLE.to_owned(), landed);
            tell(&platform, TABLE, &report).await.unwrap();
            there.sleep(every).await;
        }
    });
    while world.step() {}
    let name = object_name(Class::TableLoader, TABLE);
    let state = world.with_object(&name, |object| object.storage["loader"].clone());
    (serde_json::from_str(&state).unwrap(), wanted.get())
}

/// How many jobs so many good files take, each of whose rows is in the table exactly once.
fn jobs(on_overwrite: &'static str, files: u64, at_once: u64, every: u64) -> u64 {
    let world = world(Tables::steady(on_overwrite, false));
    let (state, wanted) = land(&world, files, at_once, every);
    let loaded = world.warehouse.borrow().as_ref().unwrap().rows();
    let mut once: Vec<_> = loaded
        .iter()
        .map(|(generation, row, _)| (generation, row))
        .collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len() as u64, loaded.len() as u64), (wanted, wanted));
    world.end();
    state["counts"]["jobs"].as_u64().unwrap()
}

#[test]
fn ten_thousand_files_at_200_a_second_take_at_most_20_jobs() {
    for on_overwrite in ["refuse", "append"] {
        let jobs = jobs(on_overwrite, 10_000, 100, 500);
        assert!((1..=20).contains(&jobs), "{on_overwrite}: {jobs}");
    }
}

#[test]
fn a_day_of_a_file_a_second_takes_fewer_than_1400_jobs() {
    let jobs = jobs("refuse", 86_400, 1, 1_000);
    assert!((1_000..1_400).contains(&jobs), "{jobs}");
}

#[test]
fn however_many_files_are_bad_the_jobs_spent_on_them_are_bounded() {
    for on_overwrite in ["refuse", "append"] {
        let world = world(Tables::steady(on_overwrite, true));
        let (state, _) = land(&world, 10_000, 10_000, 0);
        assert_eq!(state["jobs"], serde_json::json!([]), "{on_overwrite}");
        assert_eq!(state["counts"]["refused"], 10_000);
        let jobs = state["counts"]["jobs"].as_u64().unwrap();
        assert!(jobs <= 60, "{on_overwrite}: {jobs}");
        world.end();
        assert_eq!(world.judge.borrow().violations, Vec::<String>::new());
    }
}
