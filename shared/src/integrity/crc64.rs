//! CRC-64/NVME, sixteen bytes at a time: S3 has it of everything, and the runtime computes it slowly.
//!
//! Tables say what a byte comes to with so many bytes behind it ("slicing"). They are made when they
//! are first needed: ready-made they would be 32 KiB of the bundle.
//! [Parameters](https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme)

use std::sync::LazyLock;

use super::combine::CRC64_NVME;

/// `tables[n][byte]`: the remainder of `byte` with n more bytes behind it than in the first table.
type Tables = [[u64; 256]; 8];

/// Up to seven bytes behind, and eight to fifteen.
static TABLES: LazyLock<Box<[Tables; 2]>> = LazyLock::new(|| {
    let mut tables = Box::new([[[0; 256]; 8]; 2]);
    let all = tables.as_flattened_mut();
    for (byte, remainder) in (0..=255).zip(&mut all[0]) {
        *remainder = CRC64_NVME.of_byte(byte);
    }
    for n in 1..all.len() {
        for byte in 0..256 {
            let before = all[n - 1][byte];
            let [lowest, ..] = before.to_le_bytes();
            all[n][byte] = before >> 8 ^ all[0][usize::from(lowest)];
        }
    }
    tables
});

/// The CRC of the bytes so far.
#[derive(Debug, Clone)]
pub struct Crc64Nvme {
    inverted: u64,
}

impl Default for Crc64Nvme {
    /// That of no bytes.
    fn default() -> Self {
        Self { inverted: !0 }
    }
}

impl Crc64Nvme {
    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let [near, far] = &**TABLES;
        let (words, rest) = bytes.as_chunks::<8>();
        let (pairs, odd) = words.as_chunks::<2>();
        let mut crc = self.inverted;
        for pair in pairs {
            let [first, second] = pair.map(u64::from_le_bytes);
            crc = remainder(far, first ^ crc) ^ remainder(near, second);
        }
        for byte in odd.as_flattened().iter().chain(rest) {
            let [lowest, ..] = crc.to_le_bytes();
            crc = crc >> 8 ^ near[0][usize::from(lowest ^ byte)];
        }
        self.inverted = crc;
    }

    /// The value.
    #[must_use]
    pub fn finish(self) -> u64 {
        !self.inverted
    }
}

/// What the eight bytes of `word` come to. Not a loop: compiled for size, that takes twice as long.
fn remainder(tables: &Tables, word: u64) -> u64 {
    let bytes = word.to_le_bytes();
    let of = |n: usize| tables[7 - n][usize::from(bytes[n])];
    of(0) ^ of(1) ^ of(2) ^ of(3) ^ of(4) ^ of(5) ^ of(6) ^ of(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue_however_it_is_cut() {
        let bytes = b"123456789";
        for at in 0..=bytes.len() {
            let mut crc = Crc64Nvme::default();
            crc.update(&bytes[..at]);
            crc.update(&bytes[at..]);
            assert_eq!(crc.finish(), 0xae8b_1486_0a79_9888);
        }
    }
}
