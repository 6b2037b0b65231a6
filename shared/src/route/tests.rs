//! How a table of configuration is read, and which keys a route takes.
#![allow(clippy::unwrap_used)]

use super::table::PARTS_ABOVE;
use super::*;
use serde_json::json;

fn route(variable: &str, source: &str, destination: &str) -> Route {
    Route::parse(
        variable,
        json!({"source": source, "destination": destination}),
    )
    .unwrap()
}

#[test]
fn a_prefix_is_taken_off_and_another_put_on() {
    let route = route("ROUTE_PHOTOS", "s3://src/in/", "gs://dst/out/");
    assert_eq!(route.name, "photos");
    assert_eq!(route.destination_name("in/a/b"), Some("out/a/b".into()));
    assert_eq!(route.destination_name("in/"), Some("out/".into()));
    assert_eq!(route.destination_name("other"), None);
}

#[test]
fn the_marker_of_the_route_s_own_folder_has_no_name() {
    for (source, destination, key, is_marker) in [
        ("s3://src/in/", "gs://dst", "in/", true),
        ("s3://src/in/", "gs://dst", "in/x/", false),
        ("s3://src/in/", "gs://dst/out/", "in/", false),
        ("s3://src/in", "gs://dst", "in", false),
        ("s3://src/in", "gs://dst", "in/", false),
        ("s3://src", "gs://dst", "", false),
        ("s3://src/in/", "gs://dst", "other/", false),
    ] {
        let route = route("ROUTE_R", source, destination);
        assert_eq!(route.is_own_folder(key), is_marker, "{source} {key:?}");
    }
}

#[test]
fn a_key_takes_every_route_that_matches() {
    let routes = Routes::new([
        route("ROUTE_B", "s3://src", "gs://all"),
        route("ROUTE_A", "s3://src/in/", "gs://some"),
        route("ROUTE_C", "s3://other", "gs://all"),
    ])
    .unwrap();
    let names = |bucket: &str, key: &str| -> Vec<String> {
        routes
            .matching(bucket, key)
            .map(|r| r.name.clone())
            .collect()
    };
    assert_eq!(names("src", "in/x"), ["a", "b"]);
    assert_eq!(names("src", "x"), ["b"]);
    assert!(names("none", "x").is_empty());
}

#[test]
fn a_class_with_a_minimum_duration_has_parts_only_if_they_are_asked_for() {
    let parts_above = |options: serde_json::Value| {
        let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
        let options = options.as_object().unwrap().clone();
        table.as_object_mut().unwrap().extend(options);
        Route::parse("ROUTE_X", table).unwrap().parts_above
    };
    let nearline = "NEARLINE";
    assert_eq!(parts_above(json!({"storage_class": nearline})), None);
    assert_eq!(
        parts_above(json!({"storage_class": "STANDARD"})),
        Some(PARTS_ABOVE)
    );
    assert_eq!(
        parts_above(json!({"storage_class": nearline, "parts": true})),
        Some(PARTS_ABOVE)
    );
    assert_eq!(
        parts_above(json!({"storage_class": nearline, "parts_above_mib": 1})),
        Some(1 << 20)
    );
}

#[test]
fn options_are_read_and_have_their_defaults() {
    let plain = route("ROUTE_X", "s3://src", "gs://dst");
    assert!(!plain.tags && plain.custom_time);
    assert_eq!((plain.storage_class, plain.kms_key), (None, None));
    let key = "projects/example.com:p-1/locations/eu/keyRings/r_1/cryptoKeys/k";
    let table = json!({"source": "s3://src", "destination": "gs://dst", "tags": true,
        "custom_time": false, "storage_class": "NEARLINE", "kms_key": key});
    let full = Route::parse("ROUTE_X", table).unwrap();
    assert!(full.tags && !full.custom_time);
    assert_eq!(full.storage_class.as_deref(), Some("NEARLINE"));
    assert_eq!(full.kms_key.as_deref(), Some(key));
}

#[test]
fn nothing_is_deleted_or_replaced_that_a_route_does_not_ask_for() {
    let plain = route("ROUTE_X", "s3://src", "gs://dst");
    assert_eq!(plain.deletes, Deletes::Ignore);
    assert_eq!(plain.on_conflict, OnConflict::Keep);
    let table = json!({"source": "s3://src", "destination": "gs://dst", "deletes": "propagate",
        "on_conflict": "overwrite", "brake_deletes": 0, "brake_percent": 5, "brake_window_s": 60});
    let full = Route::parse("ROUTE_X", table).unwrap();
    assert!(full.propagates_deletes());
    assert_eq!(full.on_conflict, OnConflict::Overwrite);
    let brake = (full.brake.deletes, full.brake.percent, full.brake.window);
    assert_eq!(brake, (0, 5, 60));
    let table = json!({"source": "s3://src", "destination": "gs://dst", "deletes": "propagate"});
    let brake = Route::parse("ROUTE_X", table).unwrap().brake;
    assert_eq!(
        (brake.deletes, brake.percent, brake.window),
        (1000, 20, 3600)
    );
}

#[test]
fn a_brake_is_refused_where_it_brakes_nothing_or_makes_no_sense() {
    for (options, says) in [
        (json!({"brake_deletes": 5}), "brake_deletes says"),
        (json!({"deletes": "propagate", "brake_deletes": -1}), "u32"),
        (
            json!({"deletes": "propagate", "brake_percent": 0}),
            "1 to 100",
        ),
        (
            json!({"deletes": "propagate", "brake_percent": 101}),
            "1 to 100",
        ),
        (
            json!({"deletes": "propagate", "brake_window_s": 0}),
            "1 to 604800",
        ),
        (
            json!({"deletes": "propagate", "brake_window_s": 604_801}),
            "1 to 604800",
        ),
    ] {
        let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
        let options = options.as_object().unwrap().clone();
        table.as_object_mut().unwrap().extend(options);
        let error = Route::parse("ROUTE_X", table).unwrap_err();
        assert_eq!(error.variable, "ROUTE_X");
        assert!(error.message.contains(says), "{error}");
    }
}

#[test]
fn what_is_wrong_is_said_with_the_variables_name() {
    let good = json!({"source": "s3://src", "destination": "gs://dst"});
    for (field, value, says) in [
        ("source", json!("gs://src"), "s3://bucket"),
        ("source", json!("s3://"), "s3://bucket"),
        ("destination", json!("dst"), "gs://bucket"),
        ("destination", json!(7), "string"),
        ("destnation", json!("x"), "destnation"),
        ("tags", json!("yes"), "boolean"),
        ("storage_class", json!("nearline"), "NEARLINE, COLDLINE"),
        (
            "storage_class",
            json!("GLACIER"),
            "storage_class is not one of STANDARD",
        ),
        ("kms_key", json!("k"), "kms_key is not"),
        (
            "kms_key",
            json!("projects/p/locations/eu/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"),
            "without a version",
        ),
        (
            "kms_key",
            json!("projects//locations/eu/keyRings/r/cryptoKeys/k"),
            "cryptoKeys/<key>",
        ),
        (
            "kms_key",
            json!("projects/p&x=y/locations/eu/keyRings/r/cryptoKeys/k"),
            "cryptoKeys/<key>",
        ),
        ("parts", json!("no"), "boolean"),
        ("deletes", json!(true), "string"),
        (
            "deletes",
            json!("carry"),
            "deletes is neither \"ignore\" nor \"propagate\"",
        ),
        (
            "on_conflict",
            json!("Keep"),
            "on_conflict is neither \"keep\" nor \"overwrite\"",
        ),
        ("parts_above_mib", json!(0), "1 to"),
        ("carry_after_s", json!(0), "1 to 300"),
        ("carry_after_s", json!(301), "1 to 300"),
        ("parts_above_mib", json!(6 << 20), "1 to"),
    ] {
        let mut table = good.clone();
        table[field] = value;
        let error = Route::parse("ROUTE_X", table).unwrap_err();
        assert_eq!(error.variable, "ROUTE_X");
        assert!(error.message.contains(says), "{error}");
    }
    assert!(Route::parse("ROUTE_X", json!("text")).is_err());
    assert!(Route::parse("ROUTE_", good).is_err());
}

#[test]
fn a_route_says_from_which_size_on_there_are_parts() {
    let above = |options: serde_json::Value| {
        let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
        table
            .as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        Route::parse("ROUTE_X", table).map(|route| route.parts_above)
    };
    assert_eq!(above(json!({})).unwrap(), Some(PARTS_ABOVE));
    assert_eq!(above(json!({"parts": true})).unwrap(), Some(PARTS_ABOVE));
    assert_eq!(above(json!({"parts": false})).unwrap(), None);
    assert_eq!(above(json!({"parts_above_mib": 1})).unwrap(), Some(1 << 20));
    assert!(above(json!({"parts": false, "parts_above_mib": 1})).is_err());
}

#[test]
fn no_route_and_a_route_said_twice_are_refused() {
    assert!(Routes::new([]).is_err());
    let twice = [
        route("ROUTE_A", "s3://src", "gs://dst"),
        route("ROUTE_B", "s3://src", "gs://dst"),
    ];
    assert_eq!(Routes::new(twice).unwrap_err().variable, "ROUTE_B");
}

#[test]
fn a_role_an_external_id_and_an_owner_are_read_and_checked() {
    let parse = |options: serde_json::Value| {
        let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
        let options = options.as_object().unwrap().clone();
        table.as_object_mut().unwrap().extend(options);
        Route::parse("ROUTE_X", table)
    };
    let arn = "arn:aws-cn:iam::012345678901:role/team/reader";
    let table =
        json!({"role_arn": arn, "external_id": "a-1/b:c", "expected_bucket_owner": "012345678901"});
    let route = parse(table).unwrap();
    assert_eq!(route.role_arn.as_deref(), Some(arn));
    assert_eq!(route.external_id.as_deref(), Some("a-1/b:c"));
    assert_eq!(route.expected_bucket_owner.as_deref(), Some("012345678901"));
    for (options, says) in [
        (
            json!({"role_arn": "reader"}),
            "role_arn is not \"arn:aws:iam",
        ),
        (json!({"role_arn": "arn:aws:iam::12:role/r"}), "role_arn is"),
        (
            json!({"role_arn": "arn:aws:iam::012345678901:user/u"}),
            "role_arn is",
        ),
        (
            json!({"role_arn": "arn:aws:iam::012345678901:role/"}),
            "role_arn is",
        ),
        (
            json!({"role_arn": "arn:aws:iam::012345678901:role/a b"}),
            "role_arn is",
        ),
        (json!({"external_id": "abc"}), "goes with a role_arn"),
        (
            json!({"role_arn": arn, "external_id": "a"}),
            "external_id is not 2 to",
        ),
        (
            json!({"role_arn": arn, "external_id": "hush hush"}),
            "external_id is not 2 to",
        ),
        (json!({"expected_bucket_owner": "12345"}), "12 digits"),
        (
            json!({"expected_bucket_owner": "12345678901x"}),
            "12 digits",
        ),
    ] {
        let error = parse(options).unwrap_err().to_string();
        assert!(
            error.starts_with("ROUTE_X: ") && error.contains(says),
            "{error}"
        );
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn no_error_says_what_a_route_has() {
    let found = "hush, expected hush: `hush`";
    let good = json!({"source": "s3://src", "destination": "gs://dst",
        "role_arn": "arn:aws:iam::012345678901:role/r"});
    let fields = [
        ("source", "s3://bucket"),
        ("destination", "gs://bucket"),
        ("parts", "expected a boolean"),
        ("parts_above_mib", "expected u64"),
        ("carry_after_s", "expected u32"),
        ("tags", "expected a boolean"),
        ("storage_class", "NEARLINE"),
        ("kms_key", "cryptoKeys"),
        ("deletes", "propagate"),
        ("on_conflict", "overwrite"),
        ("brake_deletes", "expected u32"),
        ("role_arn", "role/<name>"),
        ("external_id", "letters"),
        ("expected_bucket_owner", "12 digits"),
        (found, "unknown field, expected one of `source`"),
        ("a` hush`", "unknown field, expected one of `source`"),
    ];
    for (field, says) in fields {
        let mut table = good.clone();
        table[field] = json!(found);
        let error = Route::parse("ROUTE_X", table).unwrap_err().to_string();
        assert!(error.contains(says), "{field}: {error}");
        assert!(!error.contains("hush"), "{error}");
    }
    let mut table = good.clone();
    table["sns_topics"] = json!([found]);
    for table in [
        table,
        json!(found),
        json!([found]),
        json!({"source": found}),
    ] {
        let error = Route::parse("ROUTE_X", table).unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn no_route_is_called_as_what_belongs_to_none() {
    for variable in ["ROUTE_UNROUTED", "ROUTE_Unrouted"] {
        let table = json!({"source": "s3://src", "destination": "gs://dst"});
        let error = Route::parse(variable, table).unwrap_err();
        assert_eq!(error.variable, variable);
        assert!(error.message.contains("call the route something else"));
    }
}
