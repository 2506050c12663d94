//! Any bytes as a time zone, a TZif file or a rule: what it says of any time, and what pruning by it keeps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxds::prune::{Keep, Mark, Row, decide};
use pxds::zone::Zone;

const TIMES: usize = 8;

fuzz_target!(|data: &[u8]| {
    let Some((times, data)) = data.split_first_chunk::<{ 8 * TIMES }>() else { return };
    let (times, _) = times.as_chunks::<8>();
    let times: Vec<_> = times.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect();
    let rule = std::str::from_utf8(data).ok().filter(|text| !text.starts_with('/'));
    for zone in [Zone::from_tzif(data).ok(), rule.and_then(|text| Zone::parse(text).ok())].into_iter().flatten() {
        for &time in &times {
            if let Ok(local) = zone.local(time) {
                // Offsets are 32 bits wide in a file.
                assert!(local.abs_diff(time) <= 1 << 31);
            }
        }
        let row = |time: i64| Row {
            time: time.rem_euclid(1 << 37),
            finished: time & 1 == 0,
            protected: time & 6 == 0,
            verified: time & 8 == 0,
        };
        let rows: Vec<_> = times.iter().map(|&time| row(time)).collect();
        let after = Some(times[0]);
        let keep = Keep { last: 1, hourly: 1, daily: 1, weekly: 1, monthly: 1, yearly: 1, good: 1, after };
        if let Ok(decisions) = decide(&rows, &keep, &zone) {
            assert_eq!(decisions.len(), rows.len());
            for (row, decision) in rows.iter().zip(decisions) {
                assert_eq!(decision.mark == Mark::Protected, row.protected, "{row:?}");
            }
        }
    }
});
