//! JSON that strangers write: read member by member, so that one that is not as it should be spoils
//! nothing else.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// `text` without the byte order mark that some Windows programs put before it
/// ([RFC 8259, section 8.1](https://www.rfc-editor.org/rfc/rfc8259#section-8.1)).
#[must_use]
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

/// The object `json` without its members `names`; none if it is no object.
#[must_use]
pub fn without(json: &[u8], names: &[&str]) -> Option<String> {
    let mut value: Value = serde_json::from_slice(json).ok()?;
    let members = value.as_object_mut()?;
    for name in names {
        members.remove(*name);
    }
    Some(value.to_string())
}

/// The members `names` of the object `json`, as they stand. Of one that comes twice the last is taken;
/// one that is null is left out.
///
/// # Errors
/// Why `json` is no object.
pub(crate) fn members<'a, const N: usize>(
    json: &'a [u8],
    names: [&str; N],
) -> serde_json::Result<[Option<&'a RawValue>; N]> {
    let mut found = [None; N];
    let mut reader = serde_json::Deserializer::from_slice(without_bom(json));
    let members = Members {
        names: &names,
        found: &mut found,
    };
    reader.deserialize_map(members)?;
    reader.end()?;
    Ok(found)
}

/// The same of a member; of one that is missing or no object nothing is found.
pub(crate) fn members_of<'a, const N: usize>(
    member: Option<&'a RawValue>,
    names: [&str; N],
) -> [Option<&'a RawValue>; N] {
    let json = member.map_or("{}", RawValue::get);
    members(json.as_bytes(), names).unwrap_or([None; N])
}

/// Hands each item of the list `json` to `take`.
///
/// # Errors
/// Why `json` is no list.
pub(crate) fn each<'a>(
    json: &'a RawValue,
    take: &mut dyn FnMut(&'a RawValue),
) -> serde_json::Result<()> {
    serde_json::Deserializer::from_slice(json.get().as_bytes()).deserialize_seq(Items(take))
}

/// The text that `member` is, if it is one.
pub(crate) fn string(member: Option<&RawValue>) -> Option<String> {
    serde_json::from_slice(member?.get().as_bytes()).ok()
}

/// The same, if it is not empty.
pub(crate) fn text(member: Option<&RawValue>) -> Option<String> {
    string(member).filter(|text| !text.is_empty())
}

/// The number of bytes that `member` is, if it is one.
pub(crate) fn size(member: Option<&RawValue>) -> Option<u64> {
    member?.get().parse().ok()
}

/// What `member` holds: JSON as it stands, or written into a text.
pub(crate) fn inner(member: &RawValue) -> Option<Cow<'_, str>> {
    match member.get().as_bytes() {
        [b'{', ..] => Some(member.get().into()),
        _ => text(Some(member)).map(Cow::Owned),
    }
}

struct Members<'n, 'a> {
    names: &'n [&'n str],
    found: &'n mut [Option<&'a RawValue>],
}

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(Name(self.names))? {
            match place {
                Some(place) => {
                    let value: &RawValue = map.next_value()?;
                    self.found[place] = Some(value).filter(|value| value.get() != "null");
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a member's name, as its place among those that are wanted.
struct Name<'n>(&'n [&'n str]);

impl<'a> DeserializeSeed<'a> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == name))
    }
}

struct Items<'t, 'a>(&'t mut dyn FnMut(&'a RawValue));

impl<'a> Visitor<'a> for Items<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn members_are_found_whatever_else_is_there() {
        let json =
            b"\xEF\xBB\xBF{\"a\": 1, \"no\": [[{}]], \"b\": null, \"a\": {\"c\": \"\\u0041\"}}";
        let [a, b, c] = members(json, ["a", "b", "c"]).unwrap();
        assert_eq!(a.unwrap().get(), r#"{"c": "\u0041"}"#);
        assert!(b.is_none() && c.is_none());
        let [inner] = members_of(a, ["c"]);
        assert_eq!(text(inner).as_deref(), Some("A"));
        assert!(members_of(inner, ["c"])[0].is_none());
        for wrong in ["", "[]", "7", "{} {}", r#"{"a"}"#] {
            assert!(members(wrong.as_bytes(), ["a"]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_not_there() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        for wrong in ["7", "[]", "{}", "true", "\"\"", r#""\ud800""#] {
            assert_eq!(text(Some(&raw(wrong))), None, "{wrong}");
        }
        assert_eq!(size(Some(&raw("7"))), Some(7));
        for wrong in ["\"7\"", "-7", "7.0", "7e1", "18446744073709551616", "{}"] {
            assert_eq!(size(Some(&raw(wrong))), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_inside_is_json_or_a_text_of_it() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let is = |json: &str| inner(&raw(json)).map(Cow::into_owned);
        assert_eq!(is(r#""{\"a\":1}""#).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(is(r#"{"a":1}"#).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(is("7"), None);
    }

    #[test]
    fn items_are_handed_over_one_by_one() {
        let list = RawValue::from_string("[1, [2], \"]\"]".to_owned()).unwrap();
        let mut found = Vec::new();
        each(&list, &mut |item| found.push(item.get())).unwrap();
        assert_eq!(found, ["1", "[2]", "\"]\""]);
        let no_list = RawValue::from_string("{}".to_owned()).unwrap();
        assert!(each(&no_list, &mut |_| ()).is_err());
    }
}
