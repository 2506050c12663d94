//! Times as S3 writes them: in signatures, in the fields of answers, and in listings.

use crate::calendar::{civil_from_days, format_time, parse_time};

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `time`, in seconds since 1970, as signatures have it: `20130524T000000Z`. A time without a name is the first.
pub fn to_signature(time: i64) -> String {
    let name = format_time(time).unwrap_or_else(|_| "1970-01-01T00:00:00Z".into());
    name.replace(['-', ':'], "")
}

/// `time` as the field `Date` has it: `Fri, 24 May 2013 00:00:00 GMT`. A time without a name is the first.
pub fn to_http(time: i64) -> String {
    let time = if format_time(time).is_ok() { time } else { 0 };
    let (days, seconds) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    let (weekday, month) = (WEEKDAYS[days.rem_euclid(7) as usize], MONTHS[(month - 1).rem_euclid(12) as usize]);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The time that a field of an answer has, in seconds since 1970: `Fri, 24 May 2013 00:00:00 GMT`, the form that all
/// servers write. `None` for any other text.
pub fn from_http(text: &str) -> Option<i64> {
    let (weekday, rest) = text.trim().split_once(", ")?;
    let fields: Vec<&str> = rest.splitn(5, ' ').collect();
    let &[day, month, year, time, "GMT"] = &fields[..] else { return None };
    let month = MONTHS.iter().position(|&name| name == month)? + 1;
    // A day of one digit is written so by some.
    let time = parse_time(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()?;
    WEEKDAYS.contains(&weekday).then_some(time)
}

/// The time that a listing has: `2009-10-12T17:50:30.000Z`, with or without a fraction, and with an offset in the place
/// of `Z`. `None` for any other text.
pub fn from_listing(text: &str) -> Option<i64> {
    let text = text.trim();
    let (time, rest) = text.split_at_checked(19)?;
    let time = parse_time(&format!("{time}Z")).ok()?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let behind = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (behind.len() < fraction.len()).then_some(behind)?
        }
        None => rest,
    };
    Some(time - offset(rest)?)
}

/// The seconds that `Z`, `+01:00` or `-0130` is before the time of Greenwich.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text[1..].replace(':', "");
    let number = |part: Option<&str>| part?.parse::<i64>().ok();
    if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (number(digits.get(..2))?, number(digits.get(2..))?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_and_back() {
        // date -u -d @1369353600 and so on.
        for (time, signature, http) in [
            (1_369_353_600, "20130524T000000Z", "Fri, 24 May 2013 00:00:00 GMT"),
            (784_111_777, "19941106T084937Z", "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "20000229T000000Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (0, "19700101T000000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "19691231T235959Z", "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] {
            assert_eq!(to_signature(time), signature);
            assert_eq!(to_http(time), http);
            assert_eq!(from_http(http), Some(time));
        }
        assert_eq!(to_signature(i64::MAX), "19700101T000000Z");
        assert_eq!(to_http(i64::MIN), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(from_http("Sun, 6 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for (text, time) in [
            ("2013-05-24T00:00:00Z", 1_369_353_600),
            ("2013-05-24T00:00:00.000Z", 1_369_353_600),
            ("2013-05-24T00:00:00.999999999Z", 1_369_353_600),
            ("2013-05-24T02:00:00+02:00", 1_369_353_600),
            ("2013-05-23T22:30:00.5-0130", 1_369_353_600),
        ] {
            assert_eq!(from_listing(text), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "Sun",
            "Sun, ",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, -6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 99999 08:49:37 GMT",
        ] {
            assert_eq!(from_http(text), None, "{text}");
        }
        for text in [
            "",
            "2013-05-24",
            "2013-05-24T00:00:00",
            "2013-05-24T00:00:00.Z",
            "2013-05-24T00:00:00.000",
            "2013-05-24 00:00:00Z",
            "2013-02-30T00:00:00Z",
            "2013-05-24T00:00:00+2",
            "2013-05-24T00:00:00+25:00",
            "2013-05-24T00:00:00+ä0:0",
            "2013-05-24T00:00:0äZ",
        ] {
            assert_eq!(from_listing(text), None, "{text}");
        }
    }
}
