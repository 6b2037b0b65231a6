//! The writing: one request for what is small, a session for what is not, and the way back into a
//! session that broke.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;

use super::{Ask, Next, Outcome, State, Step, Transfer, wait_until};
use crate::access::Read;
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Tail;
use crate::gcs::{
    ContentRange, Object, Precondition, Provenance, ResumableSession, ResumableUploadStatus,
    buffered_upload, finish, multipart_upload, refusal, resume, start_session, upload_status,
};
use crate::integrity::{Checksum, Proof};
use crate::mapping;
use crate::plan::Plan;
use crate::route::Route;
use crate::s3::{Refusal, SourceObject, refusal as s3_refusal};

/// An object on its way: what was read of the source, and how and over what it is written.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) source: SourceObject,
    pub(super) provenance: Provenance,
    pub(super) plan: Plan,
    /// Known before the bytes are sent, or computed while they are.
    pub(super) checksum: Option<Checksum>,
    pub(super) precondition: Precondition,
}

/// Where a session stands after a reply.
enum Progress {
    /// It is committed; this ends the transfer.
    Ended(Box<Ask>),
    /// GCS has this many bytes.
    Persisted(u64),
}

impl Upload {
    fn object(&self, route: &Route, name: &str) -> Object {
        mapping::object(route, &self.source, name, &self.provenance, self.checksum)
    }

    fn proof(&self) -> Proof {
        match (self.plan, self.checksum) {
            (Plan::Single | Plan::Resumable, Some(checksum)) => checksum.proof(),
            _ => Proof::ComputedCrc32c,
        }
    }
}

impl Transfer {
    pub(super) fn start_upload(&mut self, upload: Upload) -> Next {
        let size = upload.source.size;
        let object = upload.object(&self.route, &self.address.name);
        let ask = match upload.plan {
            Plan::Single => {
                self.state = State::Uploading;
                let sink =
                    multipart_upload(&self.address, &object, upload.precondition, self.seed)?;
                Ask::gcs(Step::Pipe {
                    sink,
                    length: size,
                    digest: false,
                })
            }
            Plan::Buffered => {
                self.state = State::Buffering;
                Ask::plain(Step::Take { length: size })
            }
            Plan::Resumable | Plan::ResumableComputed { .. } => {
                self.state = State::Starting;
                let start = start_session(&self.address, &object, size, upload.precondition)?;
                Ask::gcs(Step::Send(start))
            }
        };
        self.upload = Some(upload);
        Ok(ask)
    }

    pub(super) fn buffered(&mut self, tail: &Tail) -> Next {
        let mut upload = self.upload.take().ok_or_else(no_upload)?;
        upload.checksum = Some(Checksum::Crc32c(tail.crc32c));
        let request = buffered_upload(
            &self.address,
            &upload.object(&self.route, &self.address.name),
            upload.precondition,
            self.seed,
            &tail.bytes,
        )?;
        self.upload = Some(upload);
        self.state = State::Uploading;
        Ok(Ask::gcs(Step::Send(request)))
    }

    pub(super) fn uploaded(&mut self, reply: &Response<Bytes>) -> Next {
        match reply.status() {
            StatusCode::OK | StatusCode::CREATED => self.committed(&Object::read(reply)?),
            StatusCode::PRECONDITION_FAILED => self.look_again(),
            _ => Err(self.refused(reply)),
        }
    }

    pub(super) fn started(&mut self, reply: &Response<Bytes>) -> Next {
        match reply.status() {
            StatusCode::OK | StatusCode::CREATED => {}
            StatusCode::PRECONDITION_FAILED => return self.look_again(),
            _ => return Err(self.refused(reply)),
        }
        self.session = Some(ResumableSession::read(reply)?);
        let upload = self.upload()?;
        match upload.plan {
            Plan::ResumableComputed { first, .. } => self.pipe_from(0, first, true),
            _ => self.pipe_from(0, upload.source.size, false),
        }
    }

    /// Sends `length` bytes of the open body to the session, which has the first `start`.
    fn pipe_from(&mut self, start: u64, length: u64, digest: bool) -> Next {
        let range = ContentRange::Bytes {
            start,
            length,
            total: self.upload()?.source.size,
        };
        let sink = resume(self.session()?, range);
        self.state = State::Sending;
        Ok(Ask::plain(Step::Pipe {
            sink,
            length,
            digest,
        }))
    }

    pub(super) fn sent(&mut self, reply: &Response<Bytes>, now: Timestamp) -> Next {
        if reply.status() == StatusCode::PRECONDITION_FAILED {
            return self.look_again();
        }
        let count = match self.status(reply) {
            Ok(Progress::Ended(ask)) => return Ok(*ask),
            Ok(Progress::Persisted(count)) => count,
            Err(error) => return self.interrupted(error, now),
        };
        match self.upload()?.plan {
            Plan::ResumableComputed { first, last } if count == first => {
                self.state = State::Taking;
                Ok(Ask::plain(Step::Take { length: last }))
            }
            _ => self.interrupted(self.incomplete(count)?, now),
        }
    }

    pub(super) fn queried(&mut self, reply: &Response<Bytes>, now: Timestamp) -> Next {
        if reply.status() == StatusCode::PRECONDITION_FAILED {
            return self.look_again();
        }
        let count = match self.status(reply) {
            Ok(Progress::Ended(ask)) => return Ok(*ask),
            Ok(Progress::Persisted(count)) => count,
            Err(error) => return self.interrupted(error, now),
        };
        if count >= self.upload()?.source.size {
            return Err(self.incomplete(count)?);
        }
        if count > self.persisted {
            self.persisted = count;
            self.attempt = 1;
        }
        self.reopen(count, now)
    }

    fn status(&mut self, reply: &Response<Bytes>) -> Result<Progress, TransferError> {
        match ResumableUploadStatus::read(reply, &self.address.bucket)? {
            ResumableUploadStatus::Finalized(object) => {
                self.committed(&object).map(Box::new).map(Progress::Ended)
            }
            ResumableUploadStatus::Persisted(count) => Ok(Progress::Persisted(count)),
            ResumableUploadStatus::Gone => {
                self.session = None;
                Err(unavailable("GCS no longer knows the upload's session."))
            }
        }
    }

    fn incomplete(&self, count: u64) -> Result<TransferError, TransferError> {
        let size = self.upload()?.source.size;
        Ok(unavailable(format!(
            "GCS has {count} of {size} bytes and has not committed them."
        )))
    }

    /// A session's request broke or was refused. Where the rest can be sent alone, GCS is asked
    /// what it has; a running checksum is lost with its body, so that upload starts over.
    pub(super) fn interrupted(&mut self, error: TransferError, now: Timestamp) -> Next {
        let resumes = self.session.is_some()
            && matches!(&self.upload, Some(upload) if upload.plan == Plan::Resumable);
        if !resumes || !error.kind.is_transient() {
            return Err(error);
        }
        let Some(wait) = self.backoff(&error) else {
            return Err(error);
        };
        self.state = State::Pausing;
        Ok(Ask::plain(wait_until(now, wait)))
    }

    pub(super) fn query(&mut self) -> Next {
        let request = upload_status(self.session()?, self.upload()?.source.size);
        self.state = State::Querying;
        Ok(Ask::plain(Step::Send(request)))
    }

    /// Reads the source from `offset` on, if it is still the same object.
    fn reopen(&mut self, offset: u64, now: Timestamp) -> Next {
        let read = Read {
            skip: offset,
            if_match: Some(self.upload()?.source.etag.clone()),
        };
        let step = self.read_source(&read, now)?;
        self.state = State::Reopening { offset };
        Ok(step)
    }

    pub(super) fn reopened(&mut self, reply: &Response<Bytes>, offset: u64) -> Next {
        let expected = if offset == 0 {
            StatusCode::OK
        } else {
            StatusCode::PARTIAL_CONTENT
        };
        if offset > 0 && reply.status() == StatusCode::OK {
            return Err(TransferError::new(
                ErrorKind::SourceBroken,
                format!(
                    "Reading broke off, and S3 answered the read from byte {offset} on with the whole object."
                ),
                "It starts over; with a store that reads no ranges, each break costs the whole object again.",
            ));
        }
        if reply.status() != expected {
            return Err(match s3_refusal(reply, &self.hint.bucket) {
                Refusal::Gone => changed("it was deleted"),
                Refusal::Failed(error) => error,
            });
        }
        let rest = SourceObject::read(reply.headers())?;
        let source = &self.upload()?.source;
        if rest.etag != source.etag || rest.size != source.size - offset {
            return Err(changed(&format!(
                "{} bytes under {} are left of {} under {}",
                rest.size, rest.etag, source.size, source.etag
            )));
        }
        self.pipe_from(offset, rest.size, false)
    }

    pub(super) fn taken(&mut self, tail: Tail) -> Next {
        let upload = self.upload.as_mut().ok_or_else(no_upload)?;
        let checksum = Checksum::Crc32c(tail.crc32c);
        upload.checksum = Some(checksum);
        let total = upload.source.size;
        let length = tail.bytes.len() as u64;
        let range = ContentRange::Bytes {
            start: total - length,
            length,
            total,
        };
        let request = finish(self.session()?, range, tail.bytes, checksum);
        self.state = State::Finishing;
        Ok(Ask::plain(Step::Send(request)))
    }

    pub(super) fn finished(&mut self, reply: &Response<Bytes>) -> Next {
        if reply.status() == StatusCode::PRECONDITION_FAILED {
            return self.look_again();
        }
        match ResumableUploadStatus::read(reply, &self.address.bucket)? {
            ResumableUploadStatus::Finalized(object) => self.committed(&object),
            other => {
                self.ambiguous = true;
                Err(unavailable(format!(
                    "GCS did not commit the last piece: {other:?}."
                )))
            }
        }
    }

    /// GCS has committed; what it says of the object must be what was sent.
    fn committed(&mut self, object: &Object) -> Next {
        self.session = None;
        let upload = self.upload.take().ok_or_else(no_upload)?;
        let size = upload.source.size;
        if let Some(checksum) = upload.checksum {
            object.verify(size, checksum)?;
        }
        Ok(Self::done(Outcome::Copied {
            generation: object.generation(),
            size,
            proof: upload.proof(),
            omitted: object.metadata.get(mapping::OMITTED).cloned(),
        }))
    }

    fn refused(&self, reply: &Response<Bytes>) -> TransferError {
        refusal(reply, &self.address.bucket)
    }

    fn upload(&self) -> Result<&Upload, TransferError> {
        self.upload.as_ref().ok_or_else(no_upload)
    }

    fn session(&self) -> Result<&ResumableSession, TransferError> {
        self.session.as_ref().ok_or_else(no_upload)
    }
}

fn no_upload() -> TransferError {
    TransferError::new(
        ErrorKind::OutOfTurn,
        "There is no upload under way.",
        "This is a bug; please report it.",
    )
}

fn unavailable(message: impl Into<String>) -> TransferError {
    TransferError::new(
        ErrorKind::DestinationUnavailable,
        message,
        "Nothing to do: it is tried again.",
    )
}

fn changed(how: &str) -> TransferError {
    TransferError::new(
        ErrorKind::SourceChanged,
        format!("The object changed while it was read: {how}."),
        "Nothing to do: the new one is copied instead.",
    )
}
