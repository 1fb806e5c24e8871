//! Numbers as text, without the machinery of `fmt`, which costs more than the digits.

/// All that two digits can say, in order.
const PAIRS: &str = "00010203040506070809101112131415161718192021222324252627282930313233343536373839\
                     40414243444546474849505152535455565758596061626364656667686970717273747576777879\
                     8081828384858687888990919293949596979899";

/// Writes the last two digits of a number.
pub(super) fn pair(out: &mut String, number: u64) {
    let at = (number % 100) as usize * 2;
    out.push_str(&PAIRS[at..at + 2]);
}

/// Writes a number.
pub(super) fn whole(out: &mut String, number: u64) {
    if number >= 100 {
        whole(out, number / 100);
        pair(out, number);
    } else if number >= 10 {
        pair(out, number);
    } else {
        out.push(digit(number));
    }
}

/// Writes a float with at most three digits behind the point, which nearly all of a log are: durations. Says whether it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "whether something is lost is the question"
)]
pub(super) fn thousandths(out: &mut String, value: f64) -> bool {
    let number = (value * 1000.0 + 0.5) as u64;
    let exact = number as f64 / 1000.0 == value && value.is_sign_positive();
    // With so few digits no shorter decimal leads to the same float.
    if !exact || number >= 1 << 40 {
        return false;
    }
    whole(out, number / 1000);
    out.push('.');
    let (tenths, rest) = (number % 1000 / 100, number % 100);
    out.push(digit(tenths));
    if rest > 0 {
        out.push(digit(rest / 10));
    }
    if rest % 10 > 0 {
        out.push(digit(rest));
    }
    true
}

/// The last digit of a number.
fn digit(number: u64) -> char {
    char::from(b'0' + (number % 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_others_write_them() {
        let near = (0..20).map(|n| 10_u64.pow(n)).flat_map(|n| [n - 1, n, n + 1]);
        for number in (0..=1000).chain(near).chain([u64::MAX]) {
            let mut out = String::new();
            whole(&mut out, number);
            assert_eq!(out, number.to_string());
            out.clear();
            pair(&mut out, number);
            assert_eq!(out, format!("{:02}", number % 100));
        }
    }
}
