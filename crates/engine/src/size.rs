//! Sizes as Docker's command line takes them.

use crate::error::Problem;
use crate::path::FieldPath;

/// A number and `b`, `k`, `m` or `g` (powers of 1024), as bytes.
///
/// # Errors
/// A text that is no such size.
pub fn parse(text: &str, path: &FieldPath) -> Result<i64, Problem> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: Option<i64> = match &lower[digits.len()..] {
        "" | "b" => Some(1),
        "k" | "kb" | "ki" => Some(1 << 10),
        "m" | "mb" | "mi" => Some(1 << 20),
        "g" | "gb" | "gi" => Some(1 << 30),
        _ => None,
    };
    let bytes = digits
        .parse::<i64>()
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor));
    bytes.ok_or_else(|| {
        Problem::new(
            path.clone(),
            format!("{text:?} is no size."),
            "Write it as in 512m or 2g.",
        )
    })
}

/// The shortest of these spellings that says the same.
pub fn render(bytes: i64) -> String {
    for (unit, letter) in [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")] {
        if bytes > 0 && bytes % unit == 0 {
            return format!("{}{letter}", bytes / unit);
        }
    }
    bytes.to_string()
}

/// Processors, 1.5 for instance, as Docker counts them: in billionths.
///
/// # Errors
/// A number that no machine has.
pub fn processors(number: f64, path: &FieldPath) -> Result<i64, Problem> {
    let billionths = (number * 1e9).round();
    if !(1e7..=1e12).contains(&billionths) {
        return Err(Problem::new(
            path.clone(),
            format!("{number} is not possible."),
            "Give 0.01 to 1000 processors.",
        ));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a thousand processors fit")]
    let billionths = billionths as i64;
    Ok(billionths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_in_billionths() {
        for (number, counted) in [
            (1.5, Some(1_500_000_000)),
            (0.01, Some(10_000_000)),
            (0.0, None),
            (-1.0, None),
            (1001.0, None),
            (f64::NAN, None),
        ] {
            let found = processors(number, &FieldPath::of("cpus")).ok();
            assert_eq!(found, counted, "{number}");
        }
    }

    #[test]
    fn sizes_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("512m", Some(512 << 20)),
            ("2G", Some(2 << 30)),
            ("1024", Some(1024)),
            ("7kb", Some(7 << 10)),
            ("", None),
            ("g", None),
            ("1.5g", None),
            ("2t", None),
        ] {
            let read = parse(text, &FieldPath::root()).ok();
            assert_eq!(read, bytes, "{text}");
            if let Some(bytes) = read {
                assert_eq!(parse(&render(bytes), &FieldPath::root()), Ok(bytes));
            }
        }
    }
}
