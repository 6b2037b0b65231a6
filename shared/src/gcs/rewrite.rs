//! Copying within Cloud Storage: the store reads and writes, and no byte passes through the worker.
//!
//! Follows [Objects: rewrite](https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::{Component, NAME, Object, ObjectAddress, Precondition, object_fields, request};
use crate::error::{ErrorKind, TransferError};

/// How far a copy has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// The object is there.
    Done(Box<Object>),
    /// It is not: send the same request again, with this token. Objects of many gigabytes, and those that go
    /// to another location or storage class, take several.
    GoesOn(String),
}

impl ObjectAddress {
    /// Copies `source`, of `bucket`, to this address. The copy has the metadata that `object` says, and none
    /// of the source's. `token` is that of the last reply, if one said [`Rewrite::GoesOn`].
    ///
    /// A 404 says that the source's generation is gone, a 412 that the source has another generation or that
    /// `precondition` does not hold.
    ///
    /// # Errors
    /// See [`ObjectAddress::get`].
    pub fn rewrite_from(
        &self,
        bucket: &str,
        source: &Component,
        object: &Object,
        precondition: Precondition,
        token: Option<&str>,
    ) -> Result<Request<Bytes>, TransferError> {
        let Self {
            endpoint,
            bucket: to,
            name,
        } = self;
        let encode = |text| utf8_percent_encode(text, NAME);
        let mut url = format!(
            "{endpoint}/storage/v1/b/{bucket}/o/{}/rewriteTo/b/{to}/o/{}?ifSourceGenerationMatch={}&ifGenerationMatch={}&fields=done,rewriteToken,resource({})",
            encode(&source.name),
            encode(name),
            source.generation.0,
            precondition.generation(),
            object_fields(),
        );
        for (parameter, value) in [
            ("destinationKmsKeyName", object.kms_key_name.as_deref()),
            ("rewriteToken", token),
        ] {
            if let Some(value) = value {
                url = format!("{url}&{parameter}={}", encode(value));
            }
        }
        let body = serde_json::to_vec(&*object.as_body()).unwrap_or_default();
        let mut rewrite = request(Method::POST, &url, Bytes::from(body))?;
        rewrite.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=UTF-8"),
        );
        Ok(rewrite)
    }
}

impl Rewrite {
    /// Reads a 2xx reply to [`ObjectAddress::rewrite_from`].
    ///
    /// # Errors
    /// [`ErrorKind::DestinationUnexpected`] when it is not the reply to a rewrite.
    pub fn read(reply: &Response<Bytes>) -> Result<Self, TransferError> {
        let json: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
        let unexpected = |what: &str| {
            TransferError::new(
                ErrorKind::DestinationUnexpected,
                format!(
                    "GCS answered {} to a copy without {what}.",
                    reply.status().as_u16()
                ),
                "It is tried again; if it stays so, check the GCS endpoint.",
            )
        };
        if json["done"] == true {
            let resource = Bytes::from(json["resource"].to_string());
            return Object::read(&Response::new(resource)).map(|object| Self::Done(object.into()));
        }
        let token = json["rewriteToken"].as_str();
        let token = token.filter(|token| !token.is_empty());
        token
            .map(|token| Self::GoesOn(token.to_owned()))
            .ok_or_else(|| unexpected("a token to go on with"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::gcs::Generation;

    fn copy(token: Option<&str>) -> Request<Bytes> {
        let address = ObjectAddress {
            endpoint: "http://gcs".into(),
            bucket: "b".into(),
            name: "batch/1".into(),
        };
        let source = Component {
            name: "in/a b.json".into(),
            generation: Generation(7),
        };
        let object = Object {
            name: "batch/1".into(),
            content_encoding: Some("gzip".into()),
            kms_key_name: Some("projects/p/k".into()),
            ..Object::default()
        };
        let new = Precondition::DoesNotExist;
        let request = address.rewrite_from("from", &source, &object, new, token);
        request.unwrap()
    }

    #[test]
    fn one_generation_is_copied_to_where_nothing_is() {
        let request = copy(None);
        assert_eq!(
            request.uri().path(),
            "/storage/v1/b/from/o/in%2Fa%20b.json/rewriteTo/b/b/o/batch%2F1"
        );
        assert_eq!(
            request.uri().query().unwrap(),
            "ifSourceGenerationMatch=7&ifGenerationMatch=0&fields=done,rewriteToken,resource(name,generation,size,crc32c,md5Hash,metadata)&destinationKmsKeyName=projects%2Fp%2Fk"
        );
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"name": "batch/1", "contentEncoding": "gzip"})
        );
        let query = copy(Some("t/1")).uri().query().unwrap().to_owned();
        assert!(query.ends_with("&rewriteToken=t%2F1"), "{query}");
    }

    #[test]
    fn a_copy_is_done_or_goes_on_with_a_token() {
        let read = |body: &'static str| Rewrite::read(&Response::new(Bytes::from(body)));
        let done = read(r#"{"done": true, "resource": {"name": "n", "generation": "8"}}"#);
        match done.unwrap() {
            Rewrite::Done(object) => assert_eq!(object.generation(), Generation(8)),
            Rewrite::GoesOn(token) => panic!("{token}"),
        }
        let on = read(r#"{"done": false, "rewriteToken": "t"}"#);
        assert_eq!(on.unwrap(), Rewrite::GoesOn("t".into()));
        for wrong in [
            "",
            "{}",
            r#"{"done": true}"#,
            r#"{"done": false, "rewriteToken": ""}"#,
        ] {
            let error = read(wrong).unwrap_err();
            assert_eq!(error.kind, ErrorKind::DestinationUnexpected, "{wrong}");
        }
    }
}
