//! Templates of partitions.

use proptest::prelude::*;

use super::*;

fn template(text: &str) -> PartitionTemplate {
    PartitionTemplate::parse(text).unwrap()
}

fn found(text: &str, rest: &str) -> Option<(String, String)> {
    let partition = template(text).of(rest)?;
    Some((partition.decorator, partition.prefix))
}

#[test]
fn a_name_says_its_partition() {
    for (text, rest, decorator, prefix) in [
        (
            "dt={yyyy}-{mm}-{dd}/",
            "dt=2026-11-27/part-0.json",
            "20261127",
            "dt=2026-11-27/",
        ),
        (
            "{yyyy}/{mm}/{dd}/{hh}/",
            "2026/11/27/05/a",
            "2026112705",
            "2026/11/27/05/",
        ),
        ("{yyyy}{mm}", "202611-x", "202611", "202611"),
        ("y={yyyy}/", "y=2026/", "2026", "y=2026/"),
        // Another order, and one of them twice.
        (
            "{dd}.{mm}.{yyyy}/{dd}/",
            "27.11.2026/27/a",
            "20261127",
            "27.11.2026/27/",
        ),
    ] {
        let expected = Some((decorator.to_owned(), prefix.to_owned()));
        assert_eq!(found(text, rest), expected, "{text} {rest}");
    }
}

#[test]
fn a_name_that_does_not_fit_has_no_partition() {
    let day = "dt={yyyy}-{mm}-{dd}/";
    for rest in [
        "",
        "part-0.json",
        "dt=2026-11-27",
        "dt=2026-1-27/",
        "dt=2026-13-01/",
        "dt=2026-00-01/",
        "dt=2026-02-29/",
        "dt=0000-01-01/",
        "dt=２０26-01-01/",
        "dt=+026-01-01/",
        "x/dt=2026-11-27/",
    ] {
        assert_eq!(found(day, rest), None, "{rest}");
    }
    assert_eq!(found("{yyyy}-{mm}-{dd}T{hh}", "2026-11-27T24"), None);
    assert_eq!(found("{yyyy}/{yyyy}-{mm}/", "2026/2025-11/"), None);
    assert!(found(day, "dt=2028-02-29/").is_some());
}

#[test]
fn what_is_no_template_says_what_is_expected() {
    for (wrong, reason) in [
        ("", "{mm} with {yyyy}"),
        ("all/", "{mm} with {yyyy}"),
        ("{mm}/", "{mm} with {yyyy}"),
        ("{yyyy}/{dd}", "{dd} with {mm}"),
        ("{yyyy}{hh}", "{hh} goes with {dd}"),
        ("{YYYY}", "it may have"),
        ("{year}", "it may have"),
        ("{{yyyy}}", "it may have"),
        ("{yyyy", "not closed"),
        ("yyyy}", "not opened"),
        ("{yyyy}}", "not opened"),
    ] {
        let error = PartitionTemplate::parse(wrong).unwrap_err();
        assert!(error.contains(reason), "{wrong}: {error}");
    }
    let unit = |text| template(text).unit();
    assert_eq!(unit("{yyyy}"), "YEAR");
    assert_eq!(unit("{yyyy}{mm}{dd}{hh}"), "HOUR");
}

#[test]
fn a_decorator_of_another_unit_is_none_of_this_table() {
    let day = template("{yyyy}/{mm}/{dd}/");
    assert_eq!(day.with("20261127").unwrap().prefix, "2026/11/27/");
    for wrong in ["", "2026", "202611", "2026112705", "20261301", "2026112x"] {
        assert_eq!(day.with(wrong), None, "{wrong}");
    }
}

proptest! {
    /// A partition has one beginning of names, and a beginning one partition.
    #[test]
    fn a_partition_and_the_beginning_of_its_names_say_each_other(
        pieces in prop::collection::vec(prop::sample::select(vec!["{yyyy}", "{mm}", "{dd}", "{hh}", "a", "/", "1", "é"]), 0..8),
        rest in "[0-9a/é]{0,24}",
        digits in "[0-9]{0,10}",
    ) {
        let Ok(template) = PartitionTemplate::parse(&pieces.concat()) else {
            return Ok(());
        };
        if let Some(partition) = template.of(&rest) {
            prop_assert!(rest.starts_with(&partition.prefix));
            prop_assert_eq!(template.with(&partition.decorator), Some(partition));
        }
        if let Some(partition) = template.with(&digits) {
            let name = format!("{}{rest}", partition.prefix);
            prop_assert_eq!(template.of(&name), Some(partition));
        }
    }

    #[test]
    fn no_text_panics_as_a_template(text in ".{0,30}", braces in "[{}ymdh0/]{0,20}", rest in ".{0,20}") {
        for text in [text, braces] {
            if let Ok(template) = PartitionTemplate::parse(&text) {
                let _ = (template.of(&rest), template.with(&rest));
            }
        }
    }
}
