//! A histogram drawn with block characters.

use super::output::duration;
use causeway_shared::api::{Bucket, Delays};

/// Characters that the fullest bucket's bar has.
const WIDTH: u64 = 40;

/// A line that sums it up, and one for each bucket from the first to the last that holds something.
pub(super) fn lines(title: &str, histogram: &Delays) -> Vec<String> {
    if histogram.count == 0 {
        return vec![format!("{title}: none yet")];
    }
    let facts = [
        ("p50", histogram.p50_ms),
        ("p99", histogram.p99_ms),
        ("longest", histogram.max_ms),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, ms)| Some(format!(", {name} {}", duration(ms?))));
    let head = format!("{title}: {}{}", histogram.count, facts.collect::<String>());
    std::iter::once(head)
        .chain(bars(&histogram.buckets))
        .collect()
}

fn bars(buckets: &[Bucket]) -> Vec<String> {
    let full = |bucket: &Bucket| bucket.count > 0;
    let (Some(first), Some(last)) = (
        buckets.iter().position(full),
        buckets.iter().rposition(full),
    ) else {
        return Vec::new();
    };
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(1);
    (first..=last)
        .map(|nth| {
            let Bucket { le_ms, count } = &buckets[nth];
            let label = match (le_ms, nth.checked_sub(1)) {
                (Some(bound), _) => format!("to {}", duration(*bound)),
                (None, Some(before)) => {
                    let bound = buckets[before].le_ms.map(duration);
                    format!("over {}", bound.unwrap_or_default())
                }
                (None, None) => "any".to_owned(),
            };
            format!("  {label:>12}  {:40}  {count}", bar(*count, most))
        })
        .collect()
}

/// `count` of `most` as a bar, in eighths of a character; what is not nothing is seen.
fn bar(count: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (u128::from(count) * u128::from(WIDTH * 8)).div_ceil(u128::from(most.max(1)));
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX);
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(le_ms: Option<u64>, count: u64) -> Bucket {
        Bucket { le_ms, count }
    }

    #[test]
    fn bars_are_true_to_scale_and_empty_ends_are_left_out() {
        let histogram = Delays {
            count: 1081,
            p50_ms: Some(70),
            p99_ms: None,
            max_ms: Some(6_000),
            buckets: vec![
                bucket(Some(10), 0),
                bucket(Some(100), 1000),
                bucket(Some(1_000), 0),
                bucket(Some(5_000), 80),
                bucket(None, 1),
                bucket(None, 0),
            ],
        };
        let lines = lines("event to commit", &histogram);
        assert_eq!(lines[0], "event to commit: 1081, p50 70 ms, longest 6 s");
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[1],
            format!("     to 100 ms  {}  1000", "█".repeat(40))
        );
        assert_eq!(lines[2], format!("        to 1 s  {}  0", " ".repeat(40)));
        assert_eq!(
            lines[3],
            format!("        to 5 s  ███▎{}  80", " ".repeat(36))
        );
        assert_eq!(lines[4], format!("      over 5 s  ▏{}  1", " ".repeat(39)));
    }

    #[test]
    fn nothing_yet_is_said() {
        assert_eq!(lines("x", &Delays::default()), ["x: none yet"]);
    }

    #[test]
    fn counts_beyond_all_measure_do_not_overflow() {
        assert_eq!(bar(u64::MAX, u64::MAX).chars().count(), 40);
        assert_eq!(bar(1, u64::MAX), "▏");
        assert_eq!(bar(0, 0), "");
    }
}
