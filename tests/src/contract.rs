//! The document of the HTTP API, as the worker serves it, and holding the worker's answers against it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use jsonschema::Validator;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::{Map, Value, json};

use crate::Stack;

/// Headers that a server sends of itself.
const OF_ANY_SERVER: [&str; 5] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
];

/// The document, and what of it was seen.
pub struct Contract {
    /// As it is served.
    pub document: Value,
    /// The same for a validator of JSON Schema.
    schemas: Value,
    seen: Mutex<BTreeSet<(String, String)>>,
}

/// An answer, all of it.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// Reads the whole of `response`.
    ///
    /// # Panics
    /// When it breaks off.
    pub async fn read(response: Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.expect("the answer has a body"),
        }
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn media_type(&self) -> &str {
        let value = self.headers.get("content-type");
        let value = value.and_then(|value| value.to_str().ok());
        let value = value.unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }
}

impl Contract {
    /// That which the worker of `stack` serves.
    ///
    /// # Panics
    /// When it serves none.
    pub async fn of(stack: &Stack) -> Self {
        let url = format!("{}/openapi.json", stack.local.runtime.url());
        let answer = stack.http.get(url).send().await;
        let answer = Answer::read(answer.expect("the worker answers")).await;
        let document: Value = serde_json::from_str(&answer.body).expect("the document is JSON");
        let schemas = translated(&document["components"]["schemas"]);
        Self {
            document,
            schemas,
            seen: Mutex::default(),
        }
    }

    /// Every operation: its id, method and path.
    ///
    /// # Panics
    /// When the document is none.
    #[must_use]
    pub fn operations(&self) -> Vec<(String, Method, String)> {
        let paths = self.document["paths"].as_object().expect("there are paths");
        let of_path = |(path, item): (&String, &Value)| {
            let item = item.as_object().expect("a path item").clone();
            let operations = item.into_iter().filter(|(name, _)| name != "parameters");
            let path = path.clone();
            let described = operations.map(move |(name, operation)| {
                let id = operation["operationId"].as_str().expect("an id").to_owned();
                let method = name.to_uppercase().parse().expect("a method");
                (id, method, path.clone())
            });
            described.collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    /// Every answer that is documented: the operation's id and the status.
    #[must_use]
    pub fn documented(&self) -> BTreeSet<(String, String)> {
        let statuses = |(id, method, path): (String, Method, String)| {
            let operation = self.operation(&path, method.as_str()).clone();
            let responses = operation["responses"].as_object().cloned();
            let responses = responses.unwrap_or_default();
            responses
                .into_iter()
                .map(move |(status, _)| (id.clone(), status))
        };
        self.operations().into_iter().flat_map(statuses).collect()
    }

    /// Every answer that was seen so far.
    ///
    /// # Panics
    /// When another thread has.
    #[must_use]
    pub fn seen(&self) -> BTreeSet<(String, String)> {
        self.seen.lock().expect("nobody panics with it").clone()
    }

    fn operation(&self, path: &str, method: &str) -> &Value {
        &self.document["paths"][path][method.to_lowercase()]
    }

    /// Holds `answer` to a request for `path` (with its query) against the document: its status, its
    /// headers, its content type and its body.
    ///
    /// # Panics
    /// When the document does not have it so.
    pub fn hold(&self, method: &Method, path: &str, answer: &Answer) {
        if let Err(what) = self.check(method, path, answer) {
            panic!("{method} {path}: {what}\n{answer:#?}");
        }
    }

    fn check(&self, method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
        let path = path.split('?').next().unwrap_or_default();
        let Some(template) = self.template(path) else {
            return self.check_problem(404, answer);
        };
        let is_head = *method == Method::HEAD;
        let method = if is_head { &Method::GET } else { method };
        let operation = self.operation(&template, method.as_str());
        if operation.is_null() {
            if !answer.headers.contains_key("allow") {
                return Err("a 405 without Allow".to_owned());
            }
            return self.check_problem(405, answer);
        }
        let status = answer.status.to_string();
        let documented = self.resolved(&operation["responses"][&status]);
        if documented.is_null() {
            return Err(format!("{status} is not documented"));
        }
        self.check_headers(&documented["headers"], &answer.headers)?;
        let media_type = answer.media_type();
        let content = &documented["content"][media_type];
        if content.is_null() {
            return Err(format!("{media_type:?} is not documented"));
        }
        if media_type.ends_with("json") && !is_head {
            self.check_body(&content["schema"], &answer.body)?;
        }
        let id = operation["operationId"].as_str().unwrap_or_default();
        let seen = self.seen.lock();
        let mut seen = seen.map_err(|_| "another test has panicked")?;
        seen.insert((id.to_owned(), status));
        Ok(())
    }

    /// The path of the document that `path` is one of; one without parameters first.
    fn template(&self, path: &str) -> Option<String> {
        let paths = self.document["paths"].as_object()?;
        let fits = |template: &&String| {
            let (ours, theirs) = (path.split('/'), template.split('/'));
            ours.clone().count() == theirs.clone().count()
                && ours.zip(theirs).all(|(ours, theirs)| {
                    ours == theirs || (theirs.starts_with('{') && !ours.is_empty())
                })
        };
        let mut fitting: Vec<_> = paths.keys().filter(fits).collect();
        fitting.sort_by_key(|template| template.matches('{').count());
        fitting.first().map(|template| (*template).clone())
    }

    /// What is not documented by path: another path, another method.
    fn check_problem(&self, status: u16, answer: &Answer) -> Result<(), String> {
        if answer.status != status {
            return Err(format!("expected {status}"));
        }
        if answer.media_type() != "application/problem+json" {
            return Err("not problem details".to_owned());
        }
        let problem = json!({"$ref": "#/components/schemas/Problem"});
        self.check_body(&problem, &answer.body)
    }

    fn check_headers(&self, documented: &Value, headers: &HeaderMap) -> Result<(), String> {
        let documented = documented.as_object().cloned().unwrap_or_default();
        let is_documented = |name: &str| {
            documented
                .keys()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        for name in headers.keys().map(reqwest::header::HeaderName::as_str) {
            if !OF_ANY_SERVER.contains(&name) && !is_documented(name) {
                return Err(format!("the header {name} is not documented"));
            }
        }
        for (name, header) in &documented {
            let header = self.resolved(header);
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            let Some(value) = value else {
                return Err(format!("the header {name} is missing"));
            };
            if header["schema"]["type"] == "integer" && value.parse::<u64>().is_err() {
                return Err(format!("the header {name} is no integer"));
            }
        }
        Ok(())
    }

    fn check_body(&self, schema: &Value, body: &str) -> Result<(), String> {
        let body: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let mut schema = translated(schema);
        schema["components"] = json!({"schemas": self.schemas});
        let validator: Validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| format!("the schema is none: {error}"))?;
        let wrong: Vec<_> = validator
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(wrong.join("\n"))
    }

    /// What a `$ref` stands for.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(pointer) => {
                let pointer = pointer.trim_start_matches('#');
                self.document.pointer(pointer).unwrap_or(&Value::Null)
            }
            None => value,
        }
    }
}

/// A schema of OpenAPI 3.0 in JSON Schema's own words: null is a type, and what is not documented is not
/// there ([Schema Object](https://spec.openapis.org/oas/v3.0.3.html#schema-object)).
fn translated(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members: Map<_, _> = members
                .iter()
                .filter(|(name, _)| *name != "example")
                .map(|(name, member)| (name.clone(), translated(member)))
                .collect();
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            match members.remove("nullable") {
                Some(Value::Bool(true)) => json!({"anyOf": [members, {"type": "null"}]}),
                _ => Value::Object(members),
            }
        }
        Value::Array(items) => items.iter().map(translated).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Contract {
        let document = json!({
            "paths": {"/a/{b}": {"get": {"operationId": "x", "responses": {"200": {
                "description": "", "headers": {"Retry-After": {"schema": {"type": "integer"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}},
            }}}}},
            "components": {"schemas": {
                "A": {"type": "object", "required": ["n"], "properties": {
                    "n": {"type": "integer", "nullable": true},
                }},
                "Problem": {"type": "object"},
            }},
        });
        Contract {
            schemas: translated(&document["components"]["schemas"]),
            document,
            seen: Mutex::default(),
        }
    }

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_static(name);
            (name, reqwest::header::HeaderValue::from_static(value))
        });
        Answer {
            status,
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn what_the_document_does_not_have_so_is_found() {
        let contract = contract();
        let json = ("content-type", "application/json");
        let retry = ("retry-after", "5");
        let check = |path: &str, answer: &Answer| contract.check(&Method::GET, path, answer);
        for body in [r#"{"n": 1}"#, r#"{"n": null}"#] {
            assert_eq!(check("/a/b?c", &answer(200, &[json, retry], body)), Ok(()));
        }
        let seen = BTreeSet::from([("x".to_owned(), "200".to_owned())]);
        assert_eq!(
            (contract.seen(), contract.documented()),
            (seen.clone(), seen)
        );
        for (path, answer, says) in [
            ("/a/b", answer(200, &[json, retry], "{}"), "required"),
            ("/a/b", answer(200, &[json, retry], r#"{"n": "1"}"#), "1"),
            (
                "/a/b",
                answer(200, &[json, retry], r#"{"n": 1, "m": 1}"#),
                "m",
            ),
            ("/a/b", answer(200, &[json, retry], "{"), "EOF"),
            ("/a/b", answer(201, &[json, retry], r#"{"n": 1}"#), "201"),
            ("/a/b", answer(200, &[json], r#"{"n": 1}"#), "Retry-After"),
            (
                "/a/b",
                answer(200, &[json, ("retry-after", "x")], r#"{"n": 1}"#),
                "no integer",
            ),
            (
                "/a/b",
                answer(200, &[json, retry, ("server", "x")], r#"{"n": 1}"#),
                "server",
            ),
            (
                "/a/b",
                answer(200, &[("content-type", "text/html"), retry], ""),
                "text/html",
            ),
            ("/a/", answer(200, &[json, retry], r#"{"n": 1}"#), "404"),
        ] {
            let found = check(path, &answer).expect_err(says);
            assert!(found.contains(says), "{found}");
        }
    }
}
