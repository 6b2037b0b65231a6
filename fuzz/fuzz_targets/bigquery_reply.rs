//! What BigQuery answers, as a reply in the text of HTTP: to each request that the worker sends it.
#![no_main]

use causeway_fuzz::reply;
use causeway_shared::bigquery::{Asked, JobId, JobState, Remedy, TableId, TableInfo, refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(reply) = reply(input) else {
        return;
    };
    let Ok(table) = TableId::parse("bigquery://my-project/logs/events") else {
        return;
    };
    let job = JobId {
        project: table.project.clone(),
        location: "EU".to_owned(),
        id: "job".to_owned(),
    };
    for asked in [Asked::Insert(&table), Asked::Job(&job)] {
        match JobState::read(&reply, asked, &table) {
            Ok(JobState::Done(Ok(loaded))) => assert!(loaded.errors.len() <= 100),
            Ok(JobState::Done(Err(failure))) => {
                assert!(failure.errors.len() <= 100 && failure.error.message.len() <= 4096);
                assert!(failure.errors.iter().all(|row| row.message.len() <= 500));
                // Only a reply of HTTP speaks of ids.
                assert!(!matches!(failure.remedy, Remedy::Known | Remedy::Missing));
            }
            // What a service that is failing says blocks nothing.
            Err(refused) => assert!(
                !reply.status().is_server_error() || refused.remedy == Remedy::SameAgain,
                "{refused:?}"
            ),
            Ok(JobState::Pending | JobState::Running) => {}
        }
    }
    let _ = TableInfo::read(&reply, &table);
    let _ = refusal(&reply, Asked::Partition(&table));
});
