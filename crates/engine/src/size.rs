//! Sizes as Docker's command line takes them.

use crate::error::Problem;
use crate::path::FieldPath;

/// Docker gives no container less.
const LEAST: i64 = 6 << 20;

/// A number, with a fraction or without, and `b`, `k`, `m`, `g` or `t` (powers of 1024), as bytes; 0 is none.
///
/// # Errors
/// A text that is no such size, or one that Docker would refuse.
pub fn parse(text: &str, path: &FieldPath) -> Result<i64, Problem> {
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: Option<i64> = match &lower[number.len()..] {
        "" | "b" => Some(1),
        "k" | "kb" | "ki" | "kib" => Some(1 << 10),
        "m" | "mb" | "mi" | "mib" => Some(1 << 20),
        "g" | "gb" | "gi" | "gib" => Some(1 << 30),
        "t" | "tb" | "ti" | "tib" => Some(1 << 40),
        _ => None,
    };
    let bytes = factor.and_then(|factor| times(number.trim_end(), factor));
    let problem = |message: String, remedy: &str| Problem::new(path.clone(), message, remedy);
    match bytes {
        Some(bytes) if bytes == 0 || bytes >= LEAST => Ok(bytes),
        Some(_) => Err(problem(
            format!("{text:?} is less than Docker's minimum for a container."),
            "Use 6m or more.",
        )),
        None => Err(problem(
            format!("{text:?} is not a valid size."),
            "Use a size such as 512m, 1.5g or 2g.",
        )),
    }
}

/// A decimal number that is not negative, times a factor, without the rest of a byte.
fn times(number: &str, factor: i64) -> Option<i64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (number, "0"),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let scale = 10i128.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<i128>().ok()? * i128::from(factor) / scale;
    let all = whole.parse::<i128>().ok()?.checked_mul(factor.into())? + part;
    i64::try_from(all).ok()
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
            format!("{number} is out of range."),
            "Use 0.01 to 1000 processors.",
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
            ("6291456", Some(6 << 20)),
            ("7000kb", Some(7000 << 10)),
            ("1.5g", Some(3 << 29)),
            ("0.25 GiB", Some(1 << 28)),
            ("2t", Some(2 << 40)),
            ("0", Some(0)),
            ("", None),
            ("g", None),
            ("-1g", None),
            ("1.g", None),
            (".5g", None),
            ("1e3m", None),
            ("5m", None),
            ("99999999999t", None),
        ] {
            let read = parse(text, &FieldPath::root()).ok();
            assert_eq!(read, bytes, "{text}");
            if let Some(bytes) = read {
                assert_eq!(parse(&render(bytes), &FieldPath::root()), Ok(bytes));
            }
        }
    }
}
