//! An object of whose parts S3 has checksums, and of the whole only one of these (COMPOSITE).
//!
//! S3 is asked for the parts' sizes and CRCs, and the CRC of the whole follows. It counts if they are of the object
//! that is open (its ETag, its size) and are those that the composite was made of; in any other case, a refusal
//! included, the object is copied as one without a checksum.

use std::sync::atomic::Ordering;

use super::{Event, Next, State, Step, Transfer};
use crate::exchange::Authority;
use crate::integrity::PartSums;
use crate::plan::BUFFERED_LIMIT;
use crate::s3::{Composite, SourceObject, Told, add_parts};

/// Pages of parts that are asked for at most: S3 makes an object of up to 10,000.
const PAGES: u32 = 10;

/// An open object whose parts were asked for.
#[derive(Debug)]
pub(super) struct Asked {
    source: SourceObject,
    composite: Composite,
    sums: PartSums,
    pages: u32,
}

impl Transfer {
    /// The composite of `source` if its parts are to be asked for. Up to [`BUFFERED_LIMIT`] computing costs no
    /// request, so asking would cost one; above, a session takes two more than an upload whose checksum is known.
    pub(super) fn worth_asking(&self, source: &SourceObject) -> Option<Composite> {
        let pays = source.size > BUFFERED_LIMIT
            && source.checksums.shared.is_none()
            && !source.etag.is_empty()
            && !self.access.s3.refuses_parts.load(Ordering::Relaxed);
        source.composite.filter(|_| pays)
    }

    pub(super) fn ask_for_parts(&mut self, source: SourceObject, composite: Composite) -> Next {
        let sums = PartSums::new(composite.crc);
        let asked = Asked {
            source,
            composite,
            sums,
            pages: 1,
        };
        self.ask_behind(asked, 0)
    }

    /// Asks for the parts behind the one of the number `after`.
    fn ask_behind(&mut self, asked: Asked, after: u32) -> Next {
        let hint = &self.message.hint;
        let s3 = &self.access.s3;
        let request = s3.get_object_parts(&hint.bucket, &hint.key, after)?;
        self.state = State::Asking(Box::new(asked));
        Ok(Step::Send(Authority::Aws, request))
    }

    pub(super) fn parts_told(&mut self, mut asked: Asked, event: Event) -> Next {
        let told = match event {
            Event::Reply(reply) => add_parts(&reply, &asked.source.etag, &mut asked.sums),
            _ => Told::Nothing,
        };
        match told {
            Told::More(after) if asked.pages < PAGES => {
                asked.pages += 1;
                return self.ask_behind(asked, after);
            }
            Told::Refused => self.access.s3.refuses_parts.store(true, Ordering::Relaxed),
            Told::All
                if asked.composite.is_of(&asked.sums) && asked.sums.length == asked.source.size =>
            {
                asked.source.checksums.add_whole(&asked.sums);
            }
            _ => {}
        }
        asked.source.composite = None;
        self.compared(asked.source)
    }
}
