//! What tells an object from another one of its key: its ETag or, where a store says none, when it was
//! last modified. A message carries it as one string, and a later reply is compared with it.
//!
//! Comparison is weak ([RFC 9110, section 8.8.3.2](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.2)):
//! a gateway in front of a store makes `W/"e"` of `"e"` on some replies and not on others. The bytes have
//! a checksum of their own.

/// What stands before a time, which no ETag begins with.
const TIME: &str = "last-modified ";

/// The validator of an object with `etag` (empty where there is none), last modified at `time`.
#[must_use]
pub(super) fn validator(etag: &str, time: Option<&str>) -> String {
    match (etag, time) {
        ("", Some(time)) => format!("{TIME}{time}"),
        _ => etag.to_owned(),
    }
}

/// What `If-Match` can ask of the object with this validator: nothing where it is weak
/// ([RFC 9110, section 13.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1)) or no ETag.
#[must_use]
pub fn if_match(validator: &str) -> Option<String> {
    let is_strong = !validator.starts_with("W/") && !is_time(validator) && !validator.is_empty();
    is_strong.then(|| validator.to_owned())
}

/// Whether both are of the same object.
#[must_use]
pub fn is_same(a: &str, b: &str) -> bool {
    bare(a) == bare(b)
}

/// Whether both may be of the same object: they are, or cannot be compared, because one reply had an
/// ETag and the other had none.
#[must_use]
pub fn may_be_same(a: &str, b: &str) -> bool {
    let cannot_be_compared = a.is_empty() || b.is_empty() || is_time(a) != is_time(b);
    cannot_be_compared || is_same(a, b)
}

fn is_time(validator: &str) -> bool {
    validator.starts_with(TIME)
}

fn bare(validator: &str) -> &str {
    let tag = validator.strip_prefix("W/").unwrap_or(validator);
    tag.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_goes_before_a_time() {
        assert_eq!(validator("\"e\"", Some("t")), "\"e\"");
        assert_eq!(validator("", Some("t")), "last-modified t");
        assert_eq!(validator("", None), "");
    }

    #[test]
    fn if_match_asks_for_strong_etags_alone() {
        assert_eq!(if_match("\"e-2\"").as_deref(), Some("\"e-2\""));
        for weak in ["W/\"e-2\"", "last-modified t", ""] {
            assert_eq!(if_match(weak), None, "{weak}");
        }
    }

    #[test]
    fn a_weak_etag_is_that_of_the_same_object_and_a_time_is_no_etag() {
        assert!(is_same("W/\"e\"", "\"e\"") && is_same("e", "\"e\""));
        assert!(!is_same("\"e\"", "\"f\"") && !is_same("", "\"e\""));
        assert!(is_same("", "") && may_be_same("", "\"e\""));
        assert!(may_be_same("last-modified t", "\"e\""));
        assert!(!may_be_same("last-modified t", "last-modified u"));
        assert!(!may_be_same("\"e\"", "W/\"f\""));
    }
}
