//! Metadata that GCS does not take, and names that it does not.

use super::*;

fn refused() -> Event {
    let body = json!({"error": {"code": 400, "message": "Invalid argument.",
        "errors": [{"message": "Invalid argument.", "domain": "global", "reason": "invalid"}]}});
    reply(400, &[], &body.to_string())
}

fn described(size: &str) -> Event {
    let headers = [
        ("content-length", size),
        ("etag", MD5_ETAG),
        ("content-language", "de"),
        ("x-amz-meta-author", "Ada"),
    ];
    reply(200, &headers, "")
}

/// The resource that is sent.
fn resource(run: &Run) -> String {
    let body = match &run.step {
        Step::Pipe { sink, .. } => &sink.prefix,
        Step::Send(_, request) => request.body(),
        other => panic!("{other:?}"),
    };
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn what_gcs_refuses_of_the_metadata_is_left_out_and_named() {
    for (size, begins) in [("3", UPLOAD), (&*LARGE.to_string(), START)] {
        let mut run = Run::of(size.parse().ok());
        if begins == START {
            run.answer(reply(404, &[], ""));
        }
        run.answer(described(size));
        for (headers, entries, omitted) in [
            (true, true, None),
            (false, true, Some("content-language")),
            (true, false, Some("x-amz-meta-author")),
            (false, false, Some("content-language, x-amz-meta-author")),
        ] {
            run.expect(&format!("{begins} ifGenerationMatch=0"));
            let sent = resource(&run);
            assert_eq!(sent.contains("\"contentLanguage\""), headers, "{sent}");
            assert_eq!(sent.contains("\"author\""), entries, "{sent}");
            let named = omitted.map(|names| format!("\"causeway-omitted\":\"{names}\""));
            assert!(named.is_none_or(|named| sent.contains(&named)), "{sent}");
            run.answer(refused());
            if headers || entries {
                run.expect(LOOK).answer(reply(404, &[], ""));
                run.answer(described(size));
            }
        }
        assert_eq!(run.failed().kind, ErrorKind::DestinationRefused);
    }
}

#[test]
fn where_there_is_nothing_to_leave_out_a_refusal_is_one() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(refused());
    assert_eq!(run.failed().kind, ErrorKind::DestinationRefused);
}

#[test]
fn the_marker_of_the_route_s_own_folder_is_nothing_to_copy() {
    let along = |size| {
        let options = json!({"source": "s3://src/photos/"});
        let message = HintMessage::new("r", hint("photos/", size), Timestamp::UNIX_EPOCH);
        Transfer::new(access(), Arc::new(route(&options)), &message, 7)
    };
    for size in [None, Some(0)] {
        let step = along(size)
            .unwrap()
            .advance(Event::Start, Timestamp::UNIX_EPOCH);
        let Step::Done(Ending::Settled(outcome)) = step else {
            panic!("{step:?}")
        };
        assert_eq!(outcome, Outcome::FolderMarker);
    }
    // With bytes it is somebody's object, and has no name.
    let error = along(Some(3)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::DestinationRefused);
}

#[test]
fn a_name_that_gcs_does_not_take_is_refused_with_what_it_asks_of_names() {
    let long = "n".repeat(1025);
    for (key, why) in [
        ("a\nb", "line breaks"),
        ("a\rb", "line breaks"),
        (&*long, "1024 bytes"),
        ("", "at least one byte"),
    ] {
        let message = HintMessage::new("r", hint(key, Some(1)), Timestamp::UNIX_EPOCH);
        let transfer = Transfer::new(access(), Arc::new(route(&json!({}))), &message, 7);
        let error = transfer.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DestinationRefused);
        assert!(error.message.contains(why), "{error}");
    }
}
