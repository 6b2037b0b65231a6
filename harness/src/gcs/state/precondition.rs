//! Preconditions on generation and metageneration
//! (<https://cloud.google.com/storage/docs/request-preconditions>).

use super::{Object, Refusal};

/// The four preconditions of one request. A generation of 0 stands for "no live object".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `ifGenerationMatch`.
    pub generation_match: Option<u64>,
    /// `ifGenerationNotMatch`.
    pub generation_not_match: Option<u64>,
    /// `ifMetagenerationMatch`.
    pub metageneration_match: Option<u64>,
    /// `ifMetagenerationNotMatch`.
    pub metageneration_not_match: Option<u64>,
}

impl Preconditions {
    /// Checks them for a change of `current`.
    ///
    /// # Errors
    ///
    /// [`Refusal::ConditionNotMet`] naming the first that does not hold.
    pub fn check_write(&self, current: Option<&Object>) -> Result<(), Refusal> {
        self.check(current, |name, wanted, found| {
            Refusal::ConditionNotMet(format!("{name}={wanted}, the object has {found}."))
        })
    }

    /// Checks them for a read of `current`.
    ///
    /// # Errors
    ///
    /// [`Refusal::ConditionNotMet`] for a `...Match`, [`Refusal::NotModified`] for a
    /// `...NotMatch` that does not hold.
    pub fn check_read(&self, current: &Object) -> Result<(), Refusal> {
        self.check(Some(current), |name, wanted, found| {
            if name.contains("NotMatch") {
                Refusal::NotModified
            } else {
                Refusal::ConditionNotMet(format!("{name}={wanted}, the object has {found}."))
            }
        })
    }

    fn check(
        &self,
        current: Option<&Object>,
        refuse: impl Fn(&'static str, u64, u64) -> Refusal,
    ) -> Result<(), Refusal> {
        let generation = current.map_or(0, |object| object.generation);
        let metageneration = current.map_or(0, |object| object.metageneration);
        let all = [
            ("ifGenerationMatch", self.generation_match, generation, true),
            (
                "ifGenerationNotMatch",
                self.generation_not_match,
                generation,
                false,
            ),
            (
                "ifMetagenerationMatch",
                self.metageneration_match,
                metageneration,
                true,
            ),
            (
                "ifMetagenerationNotMatch",
                self.metageneration_not_match,
                metageneration,
                false,
            ),
        ];
        for (name, wanted, found, equal) in all {
            if let Some(wanted) = wanted
                && (wanted == found) != equal
            {
                return Err(refuse(name, wanted, found));
            }
        }
        Ok(())
    }
}
