//! Text of others, on a terminal.

/// Text from elsewhere, with control characters escaped: a key must not move a terminal's cursor.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control();
            escaped
                .then(|| c.escape_default())
                .into_iter()
                .flatten()
                .chain((!escaped).then_some(c))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_drive_a_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\n\u{9b}ü +"), "a\\u{1b}[2Jb\\n\\u{9b}ü +");
    }
}
