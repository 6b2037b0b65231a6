//! NUMERIC and BIGNUMERIC
//! (<https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types>).

use super::{Field, Kind};

/// The digits of the largest BIGNUMERIC before the point, which has one more than 38 of them.
const LARGEST_BIGNUMERIC: &str = "578960446186580977117854925043439539266";

/// `text` as a NUMERIC or BIGNUMERIC, without zeros that say nothing.
///
/// The service rounds what has too many digits behind the point; here it is refused.
pub(super) fn canonical(text: &str, field: &Field) -> Option<String> {
    let (negative, digits, scale) = parse(text)?;
    let (whole, part) = digits.split_at(digits.len() - scale);
    let big = field.kind == Kind::Bignumeric;
    let most = if big { 38 } else { 9 };
    let most_scale = field
        .scale
        .unwrap_or(if field.precision.is_some() { 0 } else { most });
    if part.len() > most_scale as usize {
        return None;
    }
    let fits = match field.precision {
        Some(precision) => whole.len() <= (precision - most_scale.min(precision)) as usize,
        None if big && whole.len() == 39 => whole < LARGEST_BIGNUMERIC,
        None => whole.len() <= if big { 38 } else { 29 },
    };
    let sign = if negative && !digits.is_empty() {
        "-"
    } else {
        ""
    };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if part.is_empty() { "" } else { "." };
    fits.then(|| format!("{sign}{whole}{point}{part}"))
}

/// Sign, digits without zeros that say nothing, and how many of them are behind the point.
fn parse(text: &str) -> Option<(bool, String, usize)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let mut digits = format!("{whole}{part}");
    let scale = i64::try_from(part.len()).ok()? - exponent;
    if scale.abs() > 200 {
        return None;
    }
    if scale < 0 {
        let zeros = usize::try_from(-scale).ok()?;
        digits.extend(std::iter::repeat_n('0', zeros));
    }
    let mut scale = usize::try_from(scale).unwrap_or_default();
    if digits.len() < scale {
        digits.insert_str(0, &"0".repeat(scale - digits.len()));
    }
    while scale > 0 && digits.ends_with('0') {
        digits.pop();
        scale -= 1;
    }
    let leading = digits.len() - digits.trim_start_matches('0').len();
    digits.drain(..leading.min(digits.len() - scale));
    Some((negative, digits, scale))
}

/// The big-endian two's complement `bytes`, of which `scale` decimal digits are behind the point.
pub(crate) fn unscaled(bytes: &[u8], scale: usize) -> String {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (value, carried) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (value, carried);
        }
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut remainder = 0_u16;
        for byte in &mut magnitude {
            let value = remainder << 8 | u16::from(*byte);
            *byte = u8::try_from(value / 10).unwrap_or(u8::MAX);
            remainder = value % 10;
        }
        digits.push(char::from(
            b'0' + u8::try_from(remainder).unwrap_or_default(),
        ));
    }
    while digits.len() <= scale {
        digits.push('0');
    }
    digits.reverse();
    let digits = String::from_iter(digits);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if negative { "-" } else { "" };
    format!("{sign}{whole}.{part}0")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn numeric(text: &str) -> Option<String> {
        canonical(text, &Field::new("n", Kind::Numeric))
    }

    #[test]
    fn a_numeric_has_29_digits_before_the_point_and_9_behind() {
        for (text, wanted) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("+007.50", "7.5"),
            ("1e3", "1000"),
            ("12.5E-2", "0.125"),
            (".5", "0.5"),
            (
                "99999999999999999999999999999.999999999",
                "99999999999999999999999999999.999999999",
            ),
        ] {
            assert_eq!(numeric(text).as_deref(), Some(wanted), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "1.2.3",
            "1e",
            "0x1",
            " 1",
            "NaN",
            "1e9999",
            "0.0000000001",
            "100000000000000000000000000000",
        ] {
            assert_eq!(numeric(text), None, "{text}");
        }
    }

    #[test]
    fn a_bignumeric_has_38_digits_behind_the_point_and_a_bit_more_than_38_before() {
        let field = Field::new("n", Kind::Bignumeric);
        let fits = |text: &str| canonical(text, &field).is_some();
        assert!(fits(
            "578960446186580977117854925043439539265.99999999999999999999999999999999999999"
        ));
        assert!(!fits("578960446186580977117854925043439539267"));
        assert!(!fits("0.000000000000000000000000000000000000001"));
    }

    #[test]
    fn precision_and_scale_of_a_field_hold() {
        let mut field = Field::new("n", Kind::Numeric);
        (field.precision, field.scale) = (Some(5), Some(2));
        let fits = |text: &str| canonical(text, &field).is_some();
        assert!(fits("999.99") && !fits("1000") && !fits("0.001"));
    }

    #[test]
    fn unscaled_bytes_are_decimals() {
        for (number, scale, wanted) in [
            (12345_i32, 2, "123.45"),
            (-1, 3, "-0.001"),
            (0, 0, "0"),
            (-70_000, 0, "-70000"),
        ] {
            let text = unscaled(&number.to_be_bytes(), scale);
            assert_eq!(numeric(&text).unwrap(), wanted);
        }
    }
}
