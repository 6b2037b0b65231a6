//! The canonical query: every parameter with a `=`, encoded anew, sorted.

use std::ops::Range;

use super::encode::{Keep, push_encoded, push_reencoded_form};

/// Appends the parameters of a query to a buffer and sorts them there.
pub(super) struct QueryWriter<'a> {
    out: &'a mut String,
    start: usize,
    parameters: Vec<Parameter>,
}

/// Where a parameter stands in the buffer, encoded.
struct Parameter {
    name: Range<usize>,
    value: Range<usize>,
}

impl<'a> QueryWriter<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self {
            start: out.len(),
            out,
            parameters: Vec::new(),
        }
    }

    /// Adds one parameter that is not encoded yet.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.push(name, value, |out, text| {
            push_encoded(out, text, Keep::Unreserved);
        });
    }

    /// Adds all parameters of a request's query.
    pub(super) fn add_encoded(&mut self, query: &str) {
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            self.push(name, value, push_reencoded_form);
        }
    }

    fn push(&mut self, name: &str, value: &str, encode: impl Fn(&mut String, &str)) {
        if !self.parameters.is_empty() {
            self.out.push('&');
        }
        let name_start = self.out.len();
        encode(self.out, name);
        let name_end = self.out.len();
        self.out.push('=');
        encode(self.out, value);
        self.parameters.push(Parameter {
            name: name_start..name_end,
            value: name_end + 1..self.out.len(),
        });
    }

    /// Sorts by encoded name, then by encoded value. Not by the joined text: `=` sorts above `-`.
    pub(super) fn finish(self) {
        let Self {
            out,
            start,
            mut parameters,
        } = self;
        let text = out.as_str();
        let key = |parameter: &Parameter| {
            (
                &text[parameter.name.clone()],
                &text[parameter.value.clone()],
            )
        };
        if parameters.is_sorted_by_key(key) {
            return;
        }
        parameters.sort_by(|one, other| key(one).cmp(&key(other)));
        let mut sorted = String::with_capacity(text.len() - start);
        for (at, parameter) in parameters.iter().enumerate() {
            if at > 0 {
                sorted.push('&');
            }
            sorted.push_str(&text[parameter.name.start..parameter.value.end]);
        }
        out.truncate(start);
        out.push_str(&sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> String {
        let mut out = String::from("GET\n/\n");
        let mut writer = QueryWriter::new(&mut out);
        writer.add_encoded(query);
        writer.finish();
        out.split_off("GET\n/\n".len())
    }

    #[test]
    fn a_query_is_sorted_by_name_before_value() {
        assert_eq!(query("a=2&a-b=1&a=1"), "a=1&a=2&a-b=1");
        assert_eq!(query("b&a=&&=c"), "=c&a=&b=");
        assert_eq!(query("z=%c3%a9&%7a=a+b%2F"), "z=%C3%A9&z=a%20b%2F");
        assert_eq!(query("a=b=c"), "a=b%3Dc");
        assert_eq!(query(""), "");
    }
}
