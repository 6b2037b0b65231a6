//! The writing: one request for what is small; what is not goes on in a session or in parts.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Destination, Ending, Next, Outcome, State, Step, Transfer};
use crate::composite::{CompositeCopy, parts_folder};
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Authority;
use crate::gcs::{
    Object, Precondition, Provenance, is_lost_race, multipart_upload, refusal, start_session,
};
use crate::integrity::{Checksum, Digests, Proof};
use crate::mapping::{self, Less};
use crate::plan::{Parts, Plan};
use crate::route::Route;
use crate::s3::SourceObject;

/// An object on its way: what was read of the source, and how and over what it is written.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) source: SourceObject,
    pub(super) provenance: Provenance,
    pub(super) plan: Plan,
    /// Known before the bytes are sent, or computed while they are.
    pub(super) checksum: Option<Checksum>,
    /// What the copy is proven by once it is committed.
    pub(super) proof: Proof,
    pub(super) precondition: Precondition,
}

impl Upload {
    fn object(&self, route: &Route, name: &str) -> Object {
        let proof = match (self.plan, self.source.checksums.shared) {
            // An MD5 proves nothing but the whole in one stream.
            (Plan::Parts(_), Some(Checksum::Md5(_))) => Proof::ComputedCrc32c,
            _ => self.proof,
        };
        mapping::object(
            route,
            &self.source,
            name,
            &self.provenance,
            self.checksum,
            proof,
        )
    }

    /// What is to be tried after `less` was refused.
    pub(super) fn less_than(&self, less: Less, route: &Route, name: &str) -> Option<Less> {
        less.next(&self.object(route, name))
    }

    /// Takes what was computed over the whole body; before its last bytes are sent.
    fn prove(&mut self, digests: &Digests) -> Result<(), TransferError> {
        self.proof = self.source.checksums.check(digests)?;
        self.checksum = Some(Checksum::Crc32c(digests.crc32c));
        Ok(())
    }
}

impl Transfer {
    pub(super) fn start_upload(&mut self, upload: Box<Upload>) -> Next {
        self.reading.is_broken_off = false;
        match upload.plan {
            Plan::Single => self.send_whole(upload),
            Plan::Buffered(digest) => {
                let length = upload.source.size;
                self.state = State::Buffering(upload);
                Ok(Step::Hold { length, digest })
            }
            Plan::Parts(parts) => Ok(self.order(*upload, parts)),
            Plan::Session(plan) => {
                let (object, size) = (self.object_of(&upload), upload.source.size);
                let start = start_session(&self.address, &object, size, upload.precondition)?;
                self.state = State::Starting(upload, plan);
                Ok(Step::Send(Authority::Google, start))
            }
        }
    }

    /// What the coordinator is to make.
    fn order(&self, upload: Upload, parts: Parts) -> Step {
        let order = CompositeCopy {
            message: self.message.clone(),
            bucket: self.address.bucket.clone(),
            folder: parts_folder(&self.route.destination),
            object: self.object_of(&upload),
            precondition: upload.precondition,
            etag: upload.source.validator(),
            stored: upload.source.checksums,
            parts,
            quiet_after: self.route.carry_after,
        };
        Step::Done(Ending::Parts(Box::new(order)))
    }

    pub(super) fn buffered(&mut self, mut upload: Box<Upload>, digests: &Digests) -> Next {
        upload.prove(digests)?;
        self.send_whole(upload)
    }

    /// `upload` as it is to stand at the destination.
    fn object_of(&self, upload: &Upload) -> Object {
        let whole = upload.object(&self.route, &self.address.name);
        self.less.of_object(&whole)
    }

    /// Sends the open body in one request.
    fn send_whole(&mut self, upload: Box<Upload>) -> Next {
        let object = self.object_of(&upload);
        let sink = multipart_upload(&self.address, &object, upload.precondition, self.seed)?;
        let length = upload.source.size;
        self.state = State::Uploading(upload);
        Ok(Step::Pipe {
            pass: Authority::Google,
            sink,
            length,
            digest: None,
        })
    }

    pub(super) fn uploaded(&mut self, upload: &Upload, reply: &Response<Bytes>) -> Next {
        let read = match reply.status() {
            StatusCode::OK | StatusCode::CREATED => Object::read(reply),
            _ if is_lost_race(reply) => return self.look_again(),
            _ => Err(self.refused(reply)),
        };
        match read {
            Ok(object) => self.committed(upload, &object),
            Err(error) => {
                self.effects.ambiguous |= is_unclear(&error);
                self.refuse(upload, error)
            }
        }
    }

    /// GCS refused `upload`: once more without some of its metadata, if that is the reason.
    pub(super) fn refuse(&mut self, upload: &Upload, error: TransferError) -> Next {
        let error = self.learn(error, upload.source.checksums.from);
        if error.is_of_metadata()
            && let Some(less) = upload.less_than(self.less, &self.route, &self.address.name)
        {
            self.less = less;
            return self.look();
        }
        Err(error)
    }

    /// GCS has committed; what it says of the object must be what was sent.
    fn committed(&mut self, upload: &Upload, object: &Object) -> Next {
        let size = upload.source.size;
        if let Some(checksum) = upload.checksum {
            let verified = object.verify(size, checksum);
            verified.map_err(|error| self.learn(error, upload.source.checksums.from))?;
        }
        let generation = object.generation();
        let outcome = Outcome::Copied {
            generation,
            size,
            proof: upload.proof,
            omitted: mapping::omitted(object),
        };
        match &self.destination {
            Destination::Seen(Some(replaced)) if self.is_ours(replaced) => Ok(Self::done(outcome)),
            _ => self.created(generation, outcome, upload.source.validator()),
        }
    }

    pub(super) fn refused(&self, reply: &Response<Bytes>) -> TransferError {
        refusal(reply, &self.address.bucket)
    }
}

/// Whether what was asked of GCS may be done although it answered like this: it is looked into.
pub(super) fn is_unclear(error: &TransferError) -> bool {
    matches!(
        error.kind,
        ErrorKind::DestinationUnavailable | ErrorKind::DestinationUnexpected
    )
}

pub(super) fn unavailable(message: impl Into<String>) -> TransferError {
    TransferError::new(
        ErrorKind::DestinationUnavailable,
        message,
        "Nothing to do: it is tried again.",
    )
}
