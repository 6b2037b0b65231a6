//! How far the uploads of one object came.

/// The most bytes that GCS was seen to have of an object, in whichever session. Only more than ever is
/// progress: sessions that break at one place come to an end, however many are begun.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The validator of the object.
    etag: String,
    furthest: u64,
    /// The same when this delivery began.
    before: u64,
}

impl Progress {
    /// That of the object with the validator `etag`, of which an earlier message saw `furthest` bytes.
    pub(super) fn of(etag: &str, furthest: u64) -> Self {
        Self {
            etag: etag.to_owned(),
            furthest,
            before: furthest,
        }
    }

    /// A session begins, of the object with this validator: of another than before there is nothing yet.
    pub(super) fn begin(&mut self, etag: &str) {
        if self.etag != etag {
            *self = Self::of(etag, 0);
        }
    }

    /// GCS has `count` bytes in the session that came with the message: what it got before is no
    /// progress of this delivery.
    pub(super) fn find(&mut self, count: u64) {
        self.furthest = self.furthest.max(count);
        self.before = self.furthest;
    }

    /// GCS has `count` bytes. Gives whether that is more than ever.
    pub(super) fn note(&mut self, count: u64) -> bool {
        let is_more = count > self.furthest;
        self.furthest = self.furthest.max(count);
        is_more
    }

    /// The most bytes seen.
    pub(super) fn furthest(&self) -> u64 {
        self.furthest
    }

    /// Whether there are more than when this delivery began.
    pub(super) fn is_made(&self) -> bool {
        self.furthest > self.before
    }
}
