//! Times as the names of snapshots write them: the Gregorian calendar, in UTC (docs/format.md, 7.3).

use crate::error::{Error, Kind, Result, refuse};

/// Bytes of a time, `2020-06-26T13:56:05Z`.
pub const TIME_LEN: usize = 20;

/// First and last second that has a name: the years 0000 to 9999.
const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

const DAY: i64 = 86_400;

/// Checks that `time`, in seconds since 1970, has a name.
///
/// Errors: `Argument` outside the years 0000 to 9999.
pub fn check_time(time: i64) -> Result<()> {
    if !TIMES.contains(&time) {
        return Err(Error::new(Kind::Argument, format!("the time {time} is outside the years 0000 to 9999")));
    }
    Ok(())
}

/// `time`, in seconds since 1970, as a snapshot's name: `2020-06-26T13:56:05Z`.
///
/// Errors: `Argument` outside the years 0000 to 9999.
pub fn format_time(time: i64) -> Result<String> {
    check_time(time)?;
    Ok(time_name(time))
}

/// As [`format_time`], of a time within the years.
pub(crate) fn time_name(time: i64) -> String {
    time_bytes(time).map(char::from).iter().collect()
}

/// The characters of [`time_name`]. A listing makes several for each snapshot.
fn time_bytes(time: i64) -> [u8; TIME_LEN] {
    let (days, seconds) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    let mut text = *b"0000-00-00T00:00:00Z";
    let mut put = |at: usize, len: usize, mut number: i64| {
        for digit in text[at..at + len].iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, seconds / 3600);
    put(14, 2, seconds / 60 % 60);
    put(17, 2, seconds % 60);
    text
}

/// Reads the name of a snapshot. Only a name that [`format_time`] would give is one: no 30th of February, no second 60.
///
/// Errors: `Argument`.
pub fn parse_time(text: &str) -> Result<i64> {
    let invalid = || refuse("snapshot time", text, "it must be a valid YYYY-MM-DDTHH:MM:SSZ");
    let bytes: &[u8; TIME_LEN] = text.as_bytes().try_into().map_err(|_| invalid())?;
    let number = |at: usize, len: usize| {
        bytes[at..at + len].iter().try_fold(0, |number, byte| match byte {
            b'0'..=b'9' => Some(number * 10 + i64::from(byte - b'0')),
            _ => None,
        })
    };
    let fields =
        (|| Some([number(0, 4)?, number(5, 2)?, number(8, 2)?, number(11, 2)?, number(14, 2)?, number(17, 2)?]))();
    let [year, month, day, hour, minute, second] = fields.ok_or_else(invalid)?;
    if !(1..=12).contains(&month) {
        return Err(invalid());
    }
    let time = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    // Separators and fields that are out of range show here.
    if TIMES.contains(&time) && time_bytes(time) == *bytes { Ok(time) } else { Err(invalid()) }
}

/// Days in 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years begin in March here, so that a leap day is the last of its year.
const EPOCH: i64 = 719_468;

/// Days since 1970 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH
}

/// Year, month and day of so many days since 1970.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_calendar_round_trips() {
        let mut last = String::new();
        for time in TIMES.step_by(DAY as usize * 13 + 7) {
            let name = format_time(time).unwrap();
            assert!(name > last, "{name} after {last}");
            assert_eq!(parse_time(&name).unwrap(), time);
            last = name;
        }
        assert!(format_time(TIMES.start() - 1).is_err() && format_time(TIMES.end() + 1).is_err());
        assert!(format_time(i64::MIN).is_err() && format_time(i64::MAX).is_err());
    }
}
