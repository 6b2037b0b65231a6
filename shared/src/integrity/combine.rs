//! The CRC of a whole from the CRCs of its parts.
//!
//! A CRC is the remainder of a polynomial over GF(2). Appending n bytes multiplies what stands
//! before them by x^(8n), so that CRC(AB) = CRC(A) · x^(8n) + CRC(B), all modulo the CRC's own
//! polynomial. (What is inverted before and after cancels out where both use the same value, as all
//! of these do.) The power is found by squaring: the cost grows with the length's logarithm.

use super::Algorithm;

/// A reflected CRC: the highest bit of a value is the coefficient of x^0.
struct Crc {
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
const CRC64_NVME: Crc = Crc {
    width: 64,
    polynomial: 0x9a6c_9329_ac4b_c9b5,
};

/// The CRC32C of some bytes of CRC32C `first` followed by `length` bytes of CRC32C `second`.
#[must_use]
pub fn combine_crc32c(first: u32, second: u32, length: u64) -> u32 {
    let whole = CRC32C.combine(first.into(), second.into(), length);
    u32::try_from(whole).expect("a product modulo the polynomial has its width")
}

/// The same for values of `algorithm`; `None` if it is not combinable or they are none of its.
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
            let overflow = b & 1 == 1;
            b >>= 1;
            if overflow {
                b ^= self.polynomial;
            }
        }
        product
    }
}
