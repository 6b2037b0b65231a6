//! The looking: what stands at the destination, then what the source has.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::SignedDuration;

use super::underway::Underway;
use super::upload::Upload;
use super::{Destination, Ending, LOOKS, Next, Outcome, State, Step, Transfer};
use crate::access::Read;
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Authority;
use crate::gcs::{Object, Precondition, Provenance, is_absent, refusal as gcs_refusal};
use crate::mapping;
use crate::plan::{Plan, SINGLE_REQUEST_LIMIT, plan};
use crate::retry;
use crate::route::OnConflict;
use crate::s3::{
    Refusal, SourceObject, if_match, no_validator, read_tags, refusal as s3_refusal,
    refuses_version,
};

impl Transfer {
    /// A session that came with the message goes on. A small object is read at once, as if nothing
    /// stood at the destination. A hint without a size is most probably of a delete: where it is to
    /// be carried over, the destination must have been seen before.
    pub(super) fn begin(&mut self, session: Option<Box<Underway>>) -> Next {
        let carry_after = SignedDuration::from_secs(self.route.carry_after.into());
        self.until = self.after(carry_after);
        self.again_until = self.after(retry::AGAIN_WITHIN);
        if let Some(session) = session {
            return Ok(self.query(session));
        }
        if self.address.name.is_empty() {
            return Ok(Self::done(Outcome::FolderMarker));
        }
        if self.message.stands {
            return self.look();
        }
        match self.message.hint.size {
            Some(size) if size <= SINGLE_REQUEST_LIMIT => self.open(),
            None if !self.route.propagates_deletes() => self.open(),
            _ => self.look(),
        }
    }

    /// Asks what stands at the destination.
    pub(super) fn look(&mut self) -> Next {
        let request = self.address.get()?;
        self.state = State::Looking;
        Ok(Step::Send(Authority::Google, request))
    }

    /// Somebody else wrote the destination between our look and our write.
    pub(super) fn look_again(&mut self) -> Next {
        self.looks += 1;
        if self.looks > LOOKS {
            return Err(TransferError::new(
                ErrorKind::PreconditionLost,
                format!(
                    "gs://{}/{}, or its source, changed {LOOKS} times between our look and our write.",
                    self.address.bucket, self.address.name
                ),
                "It is tried again; find out who writes this name so often.",
            ));
        }
        self.look()
    }

    pub(super) fn looked(&mut self, reply: &Response<Bytes>) -> Next {
        let seen = match reply.status() {
            StatusCode::OK => Some(Box::new(Object::read(reply)?)),
            // The bucket's absence answers the same; the write will say so.
            _ if is_absent(reply) => None,
            _ => return Err(gcs_refusal(reply, &self.address.bucket)),
        };
        if let Some(object) = &seen
            && self.route.on_conflict == OnConflict::Keep
            && !self.is_ours(object)
        {
            let generation = object.generation();
            return Ok(Self::done(Outcome::Kept { generation }));
        }
        self.destination = Destination::Seen(seen);
        self.open()
    }

    pub(super) fn open(&mut self) -> Next {
        let step = self.read_source(&Read::default())?;
        self.state = State::Opening;
        Ok(step)
    }

    pub(super) fn read_source(&self, read: &Read) -> Next {
        let hint = &self.message.hint;
        let request = self.access.s3.get_object(&hint.bucket, &hint.key, read)?;
        Ok(Step::Open(request))
    }

    /// Reads the bytes of `span` from the source, of the object with this validator and, where there are versions,
    /// of this version.
    pub(super) fn read_span(
        &mut self,
        span: Option<(u64, u64)>,
        etag: &str,
        version: Option<&str>,
    ) -> Next {
        let version = self.access.s3.version(version);
        self.reading.is_by_version = version.is_some();
        self.read_source(&Read {
            version,
            span,
            if_match: if_match(etag).filter(|_| !self.reading.is_match_refused),
        })
    }

    /// Whether `reply`, to a read of some bytes, says that the object is another, and may be wrong about
    /// it: some stores refuse their own ETags. Without `If-Match` the reply's own then tells. The same for one that
    /// refuses to read by version: the current version may still be the one that was asked for.
    pub(super) fn is_doubtful(&mut self, reply: &Response<Bytes>) -> bool {
        if self.reading.is_by_version && refuses_version(reply, &self.message.hint.bucket) {
            self.access.s3.refuses_versions();
            return true;
        }
        let is_new =
            reply.status() == StatusCode::PRECONDITION_FAILED && !self.reading.is_match_refused;
        self.reading.is_match_refused |= is_new;
        is_new
    }

    pub(super) fn opened(&mut self, reply: &Response<Bytes>) -> Next {
        if reply.status() != StatusCode::OK {
            return match s3_refusal(reply, &self.message.hint.bucket) {
                Refusal::Gone => self.source_gone(),
                Refusal::Failed(error) => Err(error),
            };
        }
        let mut source = SourceObject::read(reply.headers())?;
        // Some stores say nothing of a folder's marker. Of another key it is a reply that lost its headers.
        if source.validator().is_empty() && !self.message.hint.key.ends_with('/') {
            return Err(no_validator());
        }
        self.weigh_etag(&mut source);
        let plan = self.plan(&source)?;
        let is_small = source.size <= SINGLE_REQUEST_LIMIT && !matches!(plan, Plan::Parts(_));
        if matches!(self.destination, Destination::Unknown) && !is_small {
            return self.look();
        }
        if self.route.tags {
            return self.ask_for_tags(source);
        }
        self.compared(source)
    }

    fn plan(&self, source: &SourceObject) -> Result<Plan, TransferError> {
        let parts_above = self.route.parts_above.filter(|_| !self.message.one_stream);
        plan(source.size, &source.checksums, parts_above)
    }

    /// Asks for the tags, of the version that is open if there are versions. Where there are none,
    /// they may be those of a newer object: its event brings that one, and its own tags.
    fn ask_for_tags(&mut self, source: SourceObject) -> Next {
        let request = self.access.s3.get_object_tagging(
            &self.message.hint.bucket,
            &self.message.hint.key,
            source.version_id.as_deref(),
        )?;
        self.state = State::Tagging(Box::new(source));
        Ok(Step::Send(Authority::Aws, request))
    }

    pub(super) fn tagged(&mut self, mut source: SourceObject, reply: &Response<Bytes>) -> Next {
        source.tags = read_tags(reply, &self.message.hint.bucket)?;
        self.compared(source)
    }

    /// All is known of the source: it is there already, or it is sent.
    pub(super) fn compared(&mut self, source: SourceObject) -> Next {
        let plan = self.plan(&source)?;
        let seen = match &self.destination {
            Destination::Unknown => None,
            Destination::Seen(object) => object.as_deref(),
        };
        let provenance =
            mapping::provenance(&source, &self.message.hint.bucket, &self.message.hint.key);
        if let Some(object) = seen.filter(|object| {
            let found = Provenance::read(&object.metadata);
            mapping::has_same_bytes(object, &source)
                && mapping::is_intact(object)
                && found.is_some_and(|found| found.agrees(&provenance))
                // Some stores keep ETag and time where an object is copied onto itself.
                && mapping::describes(object, &source, &provenance, self.route.tags)
        }) {
            return Ok(Self::done(self.already_there(object, &source)));
        }
        if self.has_to_be_measured(&source) {
            return self.measure(&source);
        }
        if let Some(composite) = self.worth_asking(&source) {
            return self.ask_for_parts(source, composite);
        }
        let precondition = seen.map_or(Precondition::DoesNotExist, |object| {
            Precondition::Is(object.generation())
        });
        self.start_upload(Box::new(Upload {
            checksum: source.checksums.shared,
            proof: source.checksums.proof(),
            source,
            provenance,
            plan,
            precondition,
        }))
    }

    /// The object is there; perhaps it was ours, and only the reply was lost.
    fn already_there(&self, object: &Object, source: &SourceObject) -> Outcome {
        let generation = object.generation();
        if !self.effects.ambiguous && self.effects.created != Some(generation) {
            return Outcome::Identical { generation };
        }
        Outcome::Copied {
            generation,
            size: source.size,
            proof: source.checksums.proof(),
            omitted: mapping::omitted(object),
        }
    }

    pub(super) fn done(outcome: Outcome) -> Step {
        Step::Done(Ending::Settled(outcome))
    }
}
