//! Answers that are not those of a store, refusals that pass, and those that a person has to end.

use super::*;

const PAGE: &str = "<html>Bad gateway</html>";
const DENIED: &str = "<Error><Code>AccessDenied</Code></Error>";

fn policy() -> Event {
    let message = "Request violates constraint 'constraints/gcp.restrictNonCmekServices'";
    let error = json!({"error": {"code": 412, "message": message,
        "errors": [{"reason": "orgPolicyConstraintFailed", "message": message}]}});
    reply(412, &[], &error.to_string())
}

fn in_session() -> Run {
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""));
    run.answer(source(LARGE, MD5_ETAG)).answer(session());
    run
}

#[test]
fn an_upload_that_was_answered_with_something_else_is_looked_for() {
    for (status, body) in [(200, ""), (200, PAGE), (200, "{}"), (202, ""), (204, "")] {
        let mut run = Run::of(Some(3));
        run.answer(source(3, MD5_ETAG))
            .answer(reply(status, &[], body));
        run.waits().expect(LOOK).answer(md5(5, 3));
        run.expect(OPEN).answer(source(3, MD5_ETAG));
        assert!(
            matches!(run.done(), Outcome::Copied { .. }),
            "{status} {body}"
        );
    }
}

#[test]
fn a_session_is_asked_after_an_unclear_answer() {
    for body in ["", PAGE] {
        let mut run = in_session();
        run.answer(reply(200, &[], body)).waits();
        run.expect(&format!("send PUT /session bytes */{LARGE}"));
        run.answer(md5(5, LARGE));
        assert!(matches!(run.done(), Outcome::Copied { .. }), "{body}");
    }
}

#[test]
fn a_session_that_does_not_begin_or_was_cancelled_starts_over() {
    for (status, body) in [(410, ""), (200, ""), (200, PAGE), (499, ""), (409, "")] {
        let mut run = Run::of(Some(LARGE));
        run.answer(reply(404, &[], ""));
        run.answer(source(LARGE, MD5_ETAG));
        run.expect(&format!("{START} ifGenerationMatch=0"));
        run.answer(reply(status, &[], body));
        run.waits().expect(LOOK);
    }
    let mut run = in_session();
    run.answer(reply(499, &[], "")).waits();
    run.expect(LOOK);
}

#[test]
fn one_refusal_of_a_slice_leaves_the_session_as_it_is() {
    let mut run = in_session();
    run.answer(reply(403, &[], "")).waits();
    run.expect(&format!("send PUT /session bytes */{LARGE}"));
    run.answer(persisted(0));
    run.expect(&format!("{OPEN} {MD5_ETAG}"));
    run.answer(reply(403, &[], DENIED));
    assert!(
        matches!(run.step, Step::Send(Authority::None, _)),
        "{:?}",
        run.step
    );
}

#[test]
fn one_refusal_among_good_answers_is_not_the_last_word() {
    for refusal in [
        reply(403, &[], DENIED),
        reply(403, &[], PAGE),
        reply(401, &[], ""),
        reply(409, &[], "<Error><Code>OperationAborted</Code></Error>"),
        reply(307, &[], "<Error><Code>TemporaryRedirect</Code></Error>"),
        reply(200, &[("content-length", "24")], PAGE),
        reply(304, &[], ""),
        reply(400, &[], ""),
    ] {
        let what = format!("{refusal:?}");
        let mut run = Run::of(Some(3));
        run.answer(refusal).waits();
        run.expect(LOOK).answer(reply(404, &[], ""));
        run.expect(OPEN)
            .answer(source(3, MD5_ETAG))
            .answer(md5(5, 3));
        assert!(matches!(run.done(), Outcome::Copied { .. }), "{what}");
    }
}

#[test]
fn a_policy_of_the_organization_is_no_lost_race() {
    let mut small = Run::of(Some(3));
    small.answer(source(3, MD5_ETAG)).answer(policy());
    let mut started = Run::of(Some(LARGE));
    started.answer(reply(404, &[], ""));
    started.answer(source(LARGE, MD5_ETAG)).answer(policy());
    let mut sent = in_session();
    sent.answer(policy());
    sent.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    for run in [small, started, sent] {
        let error = run.failed();
        assert_eq!(error.kind, ErrorKind::DestinationDenied);
        assert!(error.is_final && error.message.contains("restrictNonCmekServices"));
    }
}

#[test]
fn a_delete_that_was_answered_by_somebody_else_is_looked_into() {
    let options = json!({"deletes": "propagate"});
    for status in [200, 404, 412] {
        let mut run = Run::along(&options, hint("k", None));
        run.expect(LOOK).answer(older(4));
        run.expect(OPEN).answer(gone());
        run.may_delete(Ok(DeletePermit::Granted));
        run.answer(reply(status, &[], PAGE)).waits();
        run.expect(LOOK).answer(reply(404, &[], ""));
        run.expect(OPEN).answer(gone());
        let deleted = Outcome::Deleted {
            generation: Generation(4),
        };
        assert_eq!(run.done(), &deleted, "{status}");
    }
}

#[test]
fn a_look_that_was_answered_by_somebody_else_shows_nothing() {
    let options = json!({"deletes": "propagate"});
    for status in [200, 404] {
        let mut run = Run::along(&options, hint("k", None));
        run.expect(LOOK).answer(reply(status, &[], PAGE)).waits();
        run.expect(LOOK);
    }
}

#[test]
fn an_empty_copy_whose_size_is_left_out_is_right() {
    let empty = "\"d41d8cd98f00b204e9800998ecf8427e\"";
    let mut run = Run::of(Some(0));
    let stored = json!({"name": "k", "generation": "5", "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="});
    run.answer(source(0, empty))
        .answer(reply(200, &[], &stored.to_string()));
    assert!(
        matches!(run.done(), Outcome::Copied { .. }),
        "{:?}",
        run.step
    );
}
