//! The one source of chance: what a seed draws is the same on every machine and in every version.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng as _;

/// A generator whose algorithm is fixed. How its values become numbers and choices is this file's, so
/// that no library's update changes what a seed means.
#[derive(Debug)]
pub(crate) struct Rng(Pcg64Mcg);

impl Rng {
    /// The generator of `seed` for `purpose`: draws for one purpose do not move those for another.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let low = mix(seed ^ mix(purpose));
        Self(Pcg64Mcg::new(u128::from(mix(low)) << 64 | u128::from(low)))
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn wide(&mut self) -> u128 {
        u128::from(self.word()) << 64 | u128::from(self.word())
    }

    /// Below `limit`; 0 where that is 0. Its bias is that of one part in 2^64 / `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.word()) * u128::from(limit);
        u64::try_from(product >> 64).expect("the upper half of 128 bits has 64")
    }

    /// From `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// Whether something that happens `count` times in `of` happens now.
    pub(crate) fn chance(&mut self, count: u64, of: u64) -> bool {
        self.below(of) < count
    }

    /// One of `choices`, which are not none.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.place(choices.len())]
    }

    /// Another order, each as likely.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.place(at + 1));
        }
    }

    /// A place in something of `length` entries.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a usize")
    }
}

/// SplitMix64's finaliser: spreads values that differ in a few bits over all 64.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_seed_draws_never_changes() {
        let mut rng = Rng::new(7, 1);
        let drawn: Vec<_> = (0..4).map(|_| rng.below(1000)).collect();
        assert_eq!(drawn, [203, 566, 742, 865]);
        assert_ne!(Rng::new(7, 2).word(), Rng::new(7, 1).word());
    }
}
