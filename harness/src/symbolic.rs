//! Bodies without bytes: which content, from where, how much of it. An object of a terabyte costs as
//! little as one of a byte, and whether a body is whole, mixed or cut can be read from it. The simulator
//! fills the embedded GCS with them.
//!
//! A content's CRC up to each of its offsets is drawn by hashing; that of a piece, and of pieces put
//! together, then follows by a CRC's own arithmetic, held against a library that is not ours. For cuts at
//! least a CRC's width apart there are bytes that have exactly these values, so that no code that only
//! knows CRCs can tell these bodies from real ones. Hashes that cannot be put together (MD5, SHA) are
//! hashes of the description, but for that of nothing.

use causeway_shared::integrity::{Algorithm, Digest, Digests, SourceChecksum};

use crate::rng::mix;

/// `length` bytes of a content from `start` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Names the content.
    pub content: u64,
    /// Where in the content it begins.
    pub start: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// The MD5 of no bytes.
const EMPTY_MD5: [u8; 16] = 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e_u128.to_be_bytes();

/// Spans, one behind the other. Neighbours of one content are one span: equal bodies are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body(Vec<Span>);

impl Body {
    /// All of an object's `length` bytes.
    #[must_use]
    pub fn whole(content: u64, length: u64) -> Self {
        let mut body = Self::default();
        body.push(Span {
            content,
            start: 0,
            length,
        });
        body
    }

    /// The content of its first byte.
    #[must_use]
    pub fn content(&self) -> Option<u64> {
        self.0.first().map(|span| span.content)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.iter().map(|span| span.length).sum()
    }

    /// Appends `next`.
    pub fn push(&mut self, next: Span) {
        if next.length == 0 {
            return;
        }
        match self.0.last_mut() {
            Some(last)
                if last.content == next.content && last.start + last.length == next.start =>
            {
                last.length += next.length;
            }
            _ => self.0.push(next),
        }
    }

    /// Appends all of `next`.
    pub fn append(&mut self, next: &Self) {
        for &span in &next.0 {
            self.push(span);
        }
    }

    /// At most `length` bytes from `start` on.
    #[must_use]
    pub fn slice(&self, start: u64, length: u64) -> Self {
        let (mut skip, mut left) = (start, length);
        let mut slice = Self::default();
        for span in &self.0 {
            let skipped = skip.min(span.length);
            skip -= skipped;
            let taken = (span.length - skipped).min(left);
            left -= taken;
            slice.push(Span {
                content: span.content,
                start: span.start + skipped,
                length: taken,
            });
        }
        slice
    }

    /// The first `length` bytes are taken out.
    #[must_use]
    pub fn take(&mut self, length: u64) -> Self {
        let taken = self.slice(0, length);
        *self = self.slice(length, u64::MAX);
        taken
    }

    /// The byte at `at` becomes another.
    #[must_use]
    pub fn damaged(&self, at: u64, garbage: u64) -> Self {
        let mut damaged = self.slice(0, at);
        damaged.push(Span {
            content: garbage,
            start: 0,
            length: 1,
        });
        damaged.append(&self.slice(at + 1, u64::MAX));
        damaged
    }

    /// Its CRC32C.
    #[must_use]
    pub fn crc32c(&self) -> u32 {
        low_32(self.crc(&CRC32C))
    }

    /// Its CRC64NVME.
    #[must_use]
    pub fn crc64(&self) -> u64 {
        self.crc(&CRC64)
    }

    /// What stands for its MD5.
    #[must_use]
    pub fn md5(&self) -> [u8; 16] {
        if self.0.is_empty() {
            return EMPTY_MD5;
        }
        let (high, low) = (self.hash(1), self.hash(2));
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// What stands for its SHA-256.
    #[must_use]
    pub fn sha256(&self) -> Vec<u8> {
        (3..7).flat_map(|n| self.hash(n).to_be_bytes()).collect()
    }

    /// What a runtime computes over it.
    #[must_use]
    pub fn digests(&self, digest: Digest) -> Digests {
        let other = digest.other.map(|algorithm| SourceChecksum {
            value: match algorithm {
                Algorithm::Crc64Nvme => self.crc64().to_be_bytes().to_vec(),
                Algorithm::Sha256 => self.sha256(),
                // No object of these models has one.
                Algorithm::Crc32 | Algorithm::Sha1 | Algorithm::Sha512 => Vec::new(),
            },
            algorithm,
        });
        Digests {
            crc32c: self.crc32c(),
            other,
        }
    }

    fn crc(&self, crc: &Crc) -> u64 {
        let up_to = |content: u64, offset: u64| match offset {
            0 => 0,
            _ => mix(mix(content) ^ offset) & crc.mask(),
        };
        self.0.iter().fold(0, |before, span| {
            // Taking a beginning away is the same as putting it before.
            let before = before ^ up_to(span.content, span.start);
            let end = up_to(span.content, span.start + span.length);
            crc.followed_by(before, span.length) ^ end
        })
    }

    fn hash(&self, salt: u64) -> u64 {
        self.0.iter().fold(mix(salt), |hash, span| {
            [span.content, span.start, span.length]
                .into_iter()
                .fold(hash, |hash, word| mix(hash ^ word))
        })
    }
}

/// The CRC32C of bytes whose own is `before`, and of `length` bytes behind them whose own is `after`.
#[must_use]
pub fn combined_crc32c(before: u32, after: u32, length: u64) -> u32 {
    low_32(CRC32C.followed_by(before.into(), length)) ^ after
}

/// A CRC-32 is computed in 64 bits; its upper half is zero.
fn low_32(crc: u64) -> u32 {
    u32::try_from(crc & u64::from(u32::MAX)).unwrap_or_default()
}

/// A reflected CRC's arithmetic: what stands before so many bytes is multiplied by a power of x.
struct Crc {
    width: u32,
    polynomial: u64,
    /// x^(8 · 2^n) for each n, modulo the polynomial.
    powers: [u64; 44],
}

static CRC32C: Crc = Crc::new(32, 0x82f6_3b78);
static CRC64: Crc = Crc::new(64, 0x9a6c_9329_ac4b_c9b5);

impl Crc {
    const fn new(width: u32, polynomial: u64) -> Self {
        let mut powers = [0; 44];
        // x^8: the highest bit is the coefficient of x^0.
        powers[0] = 1 << (width - 9);
        let mut n = 1;
        while n < powers.len() {
            powers[n] = multiply(powers[n - 1], powers[n - 1], width, polynomial);
            n += 1;
        }
        Self {
            width,
            polynomial,
            powers,
        }
    }

    fn mask(&self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    fn followed_by(&self, before: u64, length: u64) -> u64 {
        let powers = self.powers.iter().enumerate();
        powers
            .filter(|(n, _)| before != 0 && length >> n & 1 == 1)
            .fold(before, |value, (_, &power)| {
                multiply(value, power, self.width, self.polynomial)
            })
    }
}

const fn multiply(a: u64, mut b: u64, width: u32, polynomial: u64) -> u64 {
    let mut product = 0;
    let mut bit = width;
    while bit > 0 {
        bit -= 1;
        product ^= b & (a >> bit & 1).wrapping_neg();
        b = b >> 1 ^ polynomial & (b & 1).wrapping_neg();
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use causeway_shared::integrity::combine_crc32c;

    #[test]
    fn the_arithmetic_is_that_of_a_library() {
        use crc_fast::{CrcAlgorithm, checksum_combine};
        for length in [1, 2, 7, 255, 262_144, 1 << 20, 12_345_678_901] {
            let before = mix(length);
            let theirs = checksum_combine(CrcAlgorithm::Crc64Nvme, before, 0, length);
            assert_eq!(CRC64.followed_by(before, length), theirs);
            let before = before >> 32;
            let theirs = checksum_combine(CrcAlgorithm::Crc32Iscsi, before, 0, length);
            assert_eq!(CRC32C.followed_by(before, length), theirs);
        }
    }

    #[test]
    fn a_body_s_crc_is_that_of_its_pieces_put_together() {
        let mut mixed = Body::whole(1, 1 << 30);
        mixed.append(&Body::whole(2, 999).slice(7, 900));
        mixed.append(&Body::whole(3, 12_345));
        let digest = Digest {
            other: Some(Algorithm::Crc64Nvme),
        };
        let whole = mixed.digests(digest);
        for at in [1, 255, 1 << 29, (1 << 30) + 17, mixed.length() - 1] {
            let (first, second) = (mixed.slice(0, at), mixed.slice(at, u64::MAX));
            let length = second.length();
            let crc = combine_crc32c(first.crc32c(), second.crc32c(), length);
            assert_eq!(crc, mixed.crc32c(), "cut at {at}");
            let put = first
                .digests(digest)
                .followed_by(&second.digests(digest), length);
            assert_eq!(put, whole, "cut at {at}");
            let mut joined = first.clone();
            joined.append(&second);
            assert_eq!(joined, mixed);
        }
    }

    #[test]
    fn a_body_that_differs_anywhere_has_other_checksums() {
        let body = Body::whole(1, 5000);
        let damaged = body.damaged(17, 9);
        assert_eq!(damaged.length(), 5000);
        for other in [
            damaged,
            body.slice(0, 4999),
            body.slice(1, 5000),
            Body::whole(2, 5000),
        ] {
            assert_ne!(other, body);
            assert_ne!(other.crc32c(), body.crc32c());
            assert_ne!(other.crc64(), body.crc64());
            assert_ne!(other.md5(), body.md5());
            assert_ne!(other.sha256(), body.sha256());
        }
        assert_eq!(Body::default().crc32c(), 0);
    }
}
