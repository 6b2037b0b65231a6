//! The CRC of a whole from the CRCs of its parts.
//!
//! A CRC is the remainder of a polynomial over GF(2). Appending n bytes multiplies what stands
//! before them by x^(8n), so that CRC(AB) = CRC(A) · x^(8n) + CRC(B), all modulo the CRC's own
//! polynomial. (What is inverted before and after cancels out where both use the same value, as all
//! of these do.) The power is found by squaring: the cost grows with the length's logarithm.

use super::Algorithm;

/// A reflected CRC: the highest bit of a value is the coefficient of x^0.
pub(super) struct Crc {
    width: u32,
    /// Without the leading coefficient, reflected.
    polynomial: u64,
}

const CRC32C: Crc = Crc {
    width: 32,
    polynomial: 0x82f6_3b78,
};
const CRC32: Crc = Crc {
    width: 32,
    polynomial: 0xedb8_8320,
};
pub(super) const CRC64_NVME: Crc = Crc {
    width: 64,
    polynomial: 0x9a6c_9329_ac4b_c9b5,
};

/// The CRC32C of some bytes of CRC32C `first` followed by `length` bytes of CRC32C `second`.
#[must_use]
pub fn combine_crc32c(first: u32, second: u32, length: u64) -> u32 {
    low(CRC32C.combine(first.into(), second.into(), length))
}

/// A CRC that S3 keeps of each part of an object under a composite checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartCrc {
    /// CRC32C, which GCS knows.
    Crc32c,
    /// CRC-32 as in gzip.
    Crc32,
}

/// The CRC of a whole, put together part by part, and beside it the composite that S3 makes of the same parts: the
/// CRC of their CRCs.
#[derive(Debug, Clone)]
pub struct PartSums {
    /// Of which kind all of them are.
    pub crc: PartCrc,
    /// The CRC of the parts so far.
    pub whole: u32,
    /// How many bytes they have.
    pub length: u64,
    /// How many there are.
    pub count: u32,
    inverted: u64,
}

impl PartSums {
    /// Those of no parts.
    #[must_use]
    pub fn new(crc: PartCrc) -> Self {
        Self {
            crc,
            whole: 0,
            length: 0,
            count: 0,
            inverted: u32::MAX.into(),
        }
    }

    /// Adds a part of `length` bytes whose CRC is `value`.
    pub fn add(&mut self, value: u32, length: u64) {
        let crc = match self.crc {
            PartCrc::Crc32c => CRC32C,
            PartCrc::Crc32 => CRC32,
        };
        self.whole = low(crc.combine(self.whole.into(), value.into(), length));
        self.length = self.length.saturating_add(length);
        self.count += 1;
        for byte in value.to_be_bytes() {
            let [lowest, ..] = self.inverted.to_le_bytes();
            self.inverted = self.inverted >> 8 ^ crc.of_byte(lowest ^ byte);
        }
    }

    /// The CRC of the parts' CRCs, each in big-endian order.
    #[must_use]
    pub fn composite(&self) -> u32 {
        !low(self.inverted)
    }
}

/// A remainder modulo a polynomial of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "it has no more bits")]
fn low(remainder: u64) -> u32 {
    remainder as u32
}

/// Combines the CRCs of two halves into that of the whole, all as values of `algorithm`. `None` if those of the
/// algorithm cannot be combined, or a value has another width than they have.
pub(super) fn combine(
    algorithm: Algorithm,
    first: &[u8],
    second: &[u8],
    length: u64,
) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Crc32 => {
            let read = |value: &[u8]| Some(u32::from_be_bytes(value.try_into().ok()?).into());
            let whole = CRC32.combine(read(first)?, read(second)?, length);
            Some(whole.to_be_bytes()[4..].to_vec())
        }
        Algorithm::Crc64Nvme => {
            let read = |value: &[u8]| Some(u64::from_be_bytes(value.try_into().ok()?));
            let whole = CRC64_NVME.combine(read(first)?, read(second)?, length);
            Some(whole.to_be_bytes().to_vec())
        }
        Algorithm::Sha1 | Algorithm::Sha256 | Algorithm::Sha512 => None,
    }
}

impl Crc {
    fn combine(&self, first: u64, second: u64, length: u64) -> u64 {
        self.multiply(first, self.shift(length)) ^ second
    }

    /// x^(8 · `bytes`).
    fn shift(&self, bytes: u64) -> u64 {
        let one = 1 << (self.width - 1);
        let mut square = one >> 8;
        let mut power = one;
        let mut left = bytes;
        while left > 0 {
            if left & 1 == 1 {
                power = self.multiply(power, square);
            }
            square = self.multiply(square, square);
            left >>= 1;
        }
        power
    }

    fn multiply(&self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        for exponent in 1..=self.width {
            if a >> (self.width - exponent) & 1 == 1 {
                product ^= b;
            }
            b = self.times_x(b);
        }
        product
    }

    fn times_x(&self, a: u64) -> u64 {
        let overflow = a & 1 == 1;
        a >> 1 ^ if overflow { self.polynomial } else { 0 }
    }

    /// What `byte` comes to behind nothing.
    pub(super) fn of_byte(&self, byte: u8) -> u64 {
        (0..8).fold(byte.into(), |remainder, _| self.times_x(remainder))
    }
}
