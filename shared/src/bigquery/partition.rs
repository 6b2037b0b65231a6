//! Which partition the rows of a file belong to, as its name says.

use jiff::civil::Date;

/// What a template may have between braces, its width in digits, and what a decorator has in its order.
const PLACEHOLDERS: [(&str, usize); 4] = [("yyyy", 4), ("mm", 2), ("dd", 2), ("hh", 2)];

/// A route's `partition`: literal text and `{yyyy}`, `{mm}`, `{dd}`, `{hh}`, which the names of the
/// partition's files begin with, behind the route's prefix. One partition has one such beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTemplate {
    text: String,
    pieces: Vec<Piece>,
    /// How many of the placeholders it has: 1 for years, to 4 for hours.
    units: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// A placeholder, by its place in [`PLACEHOLDERS`].
    Number(usize),
}

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// What goes behind the `$`: `2026`, `202611`, `20261127` or `2026112705`.
    pub decorator: String,
    /// What the names of its files begin with, behind the route's prefix.
    pub prefix: String,
}

impl PartitionTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, to be said after the option's name.
    pub fn parse(template: &str) -> Result<Self, String> {
        let expected = "is not a template such as \"dt={yyyy}-{mm}-{dd}/\"";
        let mut pieces = Vec::new();
        let mut seen = [false; PLACEHOLDERS.len()];
        let mut rest = template;
        while let Some((literal, behind)) = rest.split_once('{') {
            let (name, behind) = behind
                .split_once('}')
                .ok_or_else(|| format!("{expected}: a brace is not closed."))?;
            let place = PLACEHOLDERS.iter().position(|(known, _)| *known == name);
            let place = place.ok_or_else(|| {
                format!("{expected}: it may have {{yyyy}}, {{mm}}, {{dd}} and {{hh}}.")
            })?;
            seen[place] = true;
            pieces.push(Piece::Literal(literal.to_owned()));
            pieces.push(Piece::Number(place));
            rest = behind;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        if template.contains("}}") || pieces.iter().any(is_stray) {
            return Err(format!("{expected}: a brace is not opened."));
        }
        pieces.retain(|piece| !matches!(piece, Piece::Literal(text) if text.is_empty()));
        let units = seen.iter().take_while(|seen| **seen).count();
        if units == 0 || seen[units..].contains(&true) {
            return Err(format!(
                "{expected}: {{hh}} goes with {{dd}}, {{dd}} with {{mm}}, and {{mm}} with {{yyyy}}."
            ));
        }
        Ok(Self {
            text: template.to_owned(),
            pieces,
            units,
        })
    }

    /// As the route has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the table must be partitioned by: `YEAR`, `MONTH`, `DAY` or `HOUR`.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        ["YEAR", "MONTH", "DAY", "HOUR"][self.units - 1]
    }

    /// The partition of a file whose name goes on with `rest` behind the route's prefix; `None` for one
    /// that the template does not fit, or whose date does not exist.
    #[must_use]
    pub fn of(&self, rest: &str) -> Option<Partition> {
        let mut found: [Option<&str>; PLACEHOLDERS.len()] = [None; PLACEHOLDERS.len()];
        let mut behind = rest;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => behind = behind.strip_prefix(&**text)?,
                Piece::Number(place) => {
                    let (digits, after) = behind.split_at_checked(PLACEHOLDERS[*place].1)?;
                    let fits = digits.bytes().all(|byte| byte.is_ascii_digit());
                    let agrees = found[*place].is_none_or(|before| before == digits);
                    (fits && agrees).then_some(())?;
                    found[*place] = Some(digits);
                    behind = after;
                }
            }
        }
        let decorator: String = found.into_iter().flatten().collect();
        is_time(&decorator).then(|| Partition {
            decorator,
            prefix: rest[..rest.len() - behind.len()].to_owned(),
        })
    }

    /// The partition with this decorator; `None` if a table that is partitioned so has no such partition.
    #[must_use]
    pub fn with(&self, decorator: &str) -> Option<Partition> {
        let widths = PLACEHOLDERS.map(|(_, width)| width);
        let end: usize = widths[..self.units].iter().sum();
        (decorator.len() == end && is_time(decorator)).then_some(())?;
        let prefix = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => text,
            Piece::Number(place) => {
                let start: usize = widths[..*place].iter().sum();
                &decorator[start..start + widths[*place]]
            }
        });
        Some(Partition {
            decorator: decorator.to_owned(),
            prefix: prefix.collect(),
        })
    }
}

fn is_stray(piece: &Piece) -> bool {
    matches!(piece, Piece::Literal(text) if text.contains('}'))
}

/// Whether `decorator` has the digits of a time from the year 1 on.
fn is_time(decorator: &str) -> bool {
    if !decorator.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let number = |from: usize, to: usize, unsaid: i16| match decorator.get(from..to) {
        Some(digits) => digits.parse().ok(),
        None => Some(unsaid),
    };
    let parts = || {
        let [month, day, hour] = [(4, 6, 1), (6, 8, 1), (8, 10, 0)]
            .map(|(from, to, unsaid)| number(from, to, unsaid)?.try_into().ok());
        Some((number(0, 4, 0)?, month?, day?, hour?))
    };
    parts().is_some_and(|(year, month, day, hour): (i16, i8, i8, i8)| {
        year > 0 && hour < 24 && Date::new(year, month, day).is_ok()
    })
}
