//! The task that a verification is noted with.

use crate::sys;

/// The user in the UPID: PBS's superuser.
const USER: &str = "root@pam";

/// A task of this process that has begun now, as PBS writes it (docs/format.md, 10.5).
pub fn new_upid() -> String {
    upid(&sys::host_name(), std::process::id(), sys::process_start(), sys::now())
}

fn upid(host: &str, process: u32, process_start: u64, now: i64) -> String {
    let node = host.split('.').next().unwrap_or_default();
    let node: String = node.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '-').collect();
    let node = match node.trim_matches('-') {
        "" => "localhost",
        node => node,
    };
    // As many digits as the format has.
    let process_start = process_start.min(0xf_ffff_ffff);
    let now = u32::try_from(now.max(0)).unwrap_or(u32::MAX);
    format!("UPID:{node}:{process:08X}:{process_start:08X}:00000000:{now:08X}:verify::{USER}:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Manifest, VerifyState};
    use crate::name::BackupType;

    fn started(upid: &str) -> Option<i64> {
        let mut manifest = Manifest::new(BackupType::Host, "x", 0).unwrap();
        manifest.set_verify_state(Some(&VerifyState { ok: true, upid: upid.into() })).unwrap();
        manifest.verify_state().unwrap().started()
    }

    #[test]
    fn as_pbs_writes_it() {
        assert_eq!(
            upid("elsa", 0x4f37, 0x39_e469, 0x5ca7_8b83),
            "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:"
        );
    }

    #[test]
    fn whatever_the_machine_says_it_is_one() {
        for host in ["", "a", "a.b.c", "-x-", "ä", "a_b", "a:b", "x y"] {
            for start in [0, u64::MAX] {
                for now in [i64::MIN, -1, 0, 1, i64::MAX] {
                    let expected = now.clamp(0, u32::MAX.into());
                    assert_eq!(started(&upid(host, u32::MAX, start, now)), Some(expected), "{host} {start} {now}");
                }
            }
        }
        let (before, started, after) = (sys::now(), started(&new_upid()).unwrap(), sys::now());
        assert!(before <= started && started <= after);
    }
}
