//! Quotas, with limits that a test reaches.

use super::*;

fn limited(quotas: Quotas) -> World {
    let world = World::with(Settings {
        stepped: true,
        quotas,
        ..Settings::default()
    });
    world.state.set_time(Timestamp::UNIX_EPOCH);
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}\n");
    world
}

fn pass(world: &World, seconds: i64) {
    world
        .state
        .set_time(Timestamp::from_second(seconds).unwrap());
}

#[test]
fn the_limits_are_those_of_the_documentation() {
    let quotas = Quotas::default();
    assert_eq!(
        (
            quotas.table_jobs_a_day,
            quotas.uris_a_job,
            quotas.bytes_a_job
        ),
        (1_500, 10_000, 16_492_674_416_640)
    );
}

#[test]
fn jobs_of_a_table_are_counted_for_a_day_and_failed_ones_count() {
    let mut world = limited(Quotas {
        table_jobs_a_day: 2,
        ..Quotas::default()
    });
    assert_eq!(failure(&world.load(&["missing"], json!({}))).0, "notFound");
    pass(&world, 3600);
    succeeded(&world.load(&["a"], json!({})));
    let job = world.load(&["a"], json!({}));
    assert_eq!(failure(&job).0, "quotaExceeded");
    assert_eq!(
        job["status"]["errorResult"]["location"],
        "load_job_per_table.long"
    );
    assert_eq!(world.state.jobs_counted(&TableId::new("p", "d", "t")), 2);
    // The first one's day is over, the second one's is not.
    pass(&world, 24 * 3600);
    succeeded(&world.load(&["a"], json!({})));
    assert_eq!(failure(&world.load(&["a"], json!({}))).0, "quotaExceeded");
    assert_eq!(world.rows(), ["1", "1"]);
}

#[test]
fn the_quota_is_the_names_whatever_became_of_the_table() {
    let mut world = limited(Quotas {
        table_jobs_a_day: 1,
        ..Quotas::default()
    });
    succeeded(&world.load(&["a"], json!({})));
    world.state.delete_table("p", "d", "t").unwrap();
    world.table(ids(), json!({}));
    assert_eq!(failure(&world.load(&["a"], json!({}))).0, "quotaExceeded");
}

#[test]
fn a_table_changes_five_times_in_ten_seconds() {
    let mut world = limited(Quotas::default());
    for _ in 0..5 {
        succeeded(&world.load(&["a"], json!({})));
    }
    assert_eq!(
        failure(&world.load(&["a"], json!({}))).0,
        "rateLimitExceeded"
    );
    pass(&world, 10);
    succeeded(&world.load(&["a"], json!({})));
}

#[test]
fn uris_and_bytes_of_a_job_are_limited() {
    let mut world = limited(Quotas {
        uris_a_job: 2,
        bytes_a_job: 9,
        ..Quotas::default()
    });
    assert_eq!(
        world.insert(&["a", "a", "a"], json!({})).unwrap_err().code,
        400
    );
    succeeded(&world.load(&["a"], json!({})));
    assert_eq!(failure(&world.load(&["a", "a"], json!({}))).0, "invalid");
}

#[test]
fn a_job_writes_to_a_limited_number_of_partitions() {
    let mut world = World::with(Settings {
        stepped: true,
        quotas: Quotas {
            partitions_a_job: 2,
            partition_changes_a_day: (3, 0),
            ..Quotas::default()
        },
        ..Settings::default()
    });
    world.state.set_time(Timestamp::UNIX_EPOCH);
    let fields = json!([{ "name": "day", "type": "DATE" }]);
    world.table(
        fields,
        json!({ "timePartitioning": { "type": "DAY", "field": "day" } }),
    );
    let row = |day: u32| format!("{{\"day\":\"2026-11-0{day}\"}}\n");
    world.put("two", row(1) + &row(2));
    world.put("three", row(1) + &row(2) + &row(3));
    assert_eq!(failure(&world.load(&["three"], json!({}))).0, "invalid");
    succeeded(&world.load(&["two"], json!({})));
    assert_eq!(failure(&world.load(&["two"], json!({}))).0, "quotaExceeded");
}
