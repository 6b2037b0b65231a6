//! Objects that are handed over to be copied in parts.

use super::*;
use crate::route::PARTS_ABOVE;

const SIZE: u64 = PARTS_ABOVE + 1;

#[test]
fn a_large_object_is_handed_over_with_what_was_seen_of_both_sides() {
    let mut run = Run::of(Some(SIZE));
    run.expect(LOOK);
    run.answer(older(4));
    run.expect(OPEN).answer(source(SIZE, KMS_ETAG));
    let Step::Done(Ending::Parts(order)) = &run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(order.precondition, Precondition::Is(Generation(4)));
    assert_eq!((&*order.bucket, &*order.object.name), ("dst", "k"));
    assert_eq!(order.etag, KMS_ETAG);
    assert_eq!(order.parts.total, SIZE);
    assert_eq!(order.object.metadata["causeway-source-etag"], KMS_ETAG);
    assert!(order.object.crc32c.is_none() && order.object.md5_hash.is_none());
}

#[test]
fn what_is_there_already_is_not_handed_over() {
    let mut run = Run::of(Some(SIZE));
    run.answer(stored(4, SIZE, ("crc32c", "AAAAAA=="), Some(KMS_ETAG)));
    run.answer(source(SIZE, KMS_ETAG));
    assert!(matches!(run.done(), Outcome::Identical { .. }));
}

#[test]
fn where_parts_cannot_be_deleted_it_goes_in_one_stream() {
    let mut message = HintMessage::new("r", hint("k", Some(SIZE)), Timestamp::UNIX_EPOCH);
    message.one_stream = true;
    let mut run = Run::of_message(access(), &message);
    run.answer(reply(404, &[], ""))
        .answer(source(SIZE, KMS_ETAG));
    run.expect(&format!("{START} ifGenerationMatch=0"));
}
