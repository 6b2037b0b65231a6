//! The order of one key's events.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// S3's order of events on one key: hexadecimal, compared after padding on the left with zeros.
///
/// Says nothing about events on different keys
/// ([Event message structure](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html)).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequencer(pub String);

impl Sequencer {
    fn significant(&self) -> &str {
        self.0.trim_start_matches('0')
    }
}

impl Ord for Sequencer {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.significant(), other.significant());
        ours.len().cmp(&theirs.len()).then_with(|| {
            let upper = |c: u8| c.to_ascii_uppercase();
            ours.bytes().map(upper).cmp(theirs.bytes().map(upper))
        })
    }
}

impl PartialOrd for Sequencer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sequencer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sequencer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequencers_are_compared_as_if_padded_on_the_left() {
        let order = |a: &str, b: &str| Sequencer(a.into()).cmp(&Sequencer(b.into()));
        assert_eq!(
            order("0055AED6DCD90281E5", "55AED6DCD90281E5"),
            Ordering::Equal
        );
        assert_eq!(order("55aed6", "55AED6"), Ordering::Equal);
        assert_eq!(order("FF", "100"), Ordering::Less);
        assert_eq!(order("0A", "9"), Ordering::Greater);
        assert_eq!(order("", "000"), Ordering::Equal);
    }
}
