//! The unprotected part: notes, and what servers and checks leave there.
//!
//! Its content is free. A known member that is not as it should be counts as missing, as in PBS.

use serde_json::{Map, Value};

use super::Manifest;
use crate::error::{Error, Kind, Result, copy_text};
use crate::json;

/// The counts of a server during the upload of the snapshot, over all its indexes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UploadStats {
    /// Chunks.
    pub count: u64,
    /// Their plain bytes, and those of the blobs.
    pub size: u64,
    /// Their bytes as uploaded.
    pub compressed_size: u64,
    /// Chunks that were there already.
    pub duplicates: u64,
}

/// The outcome of the last verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyState {
    /// Whether all was well.
    pub ok: bool,
    /// The task that verified.
    pub upid: String,
}

impl VerifyState {
    /// `None` if `upid` does not name a task as PBS does.
    pub fn new(ok: bool, upid: String) -> Option<Self> {
        is_upid(&upid).then_some(VerifyState { ok, upid })
    }

    /// When the task began, in seconds since 1970; `None` if the text is no UPID.
    pub fn started(&self) -> Option<i64> {
        let time = self.upid.split(':').nth(5).filter(|_| is_upid(&self.upid))?;
        i64::from_str_radix(time, 16).ok()
    }
}

impl Manifest {
    /// A member of the unprotected part.
    pub fn unprotected_member(&self, name: &str) -> Option<&Value> {
        self.unprotected.get(name)
    }

    /// Sets a member of the unprotected part, or removes it.
    ///
    /// Errors: `Limit` for a value that is nested too deeply to be read again.
    pub fn set_unprotected_member(&mut self, name: &str, value: Option<Value>) -> Result<()> {
        let Some(value) = value else {
            self.unprotected.remove(name);
            return Ok(());
        };
        // The manifest and the unprotected part are around it.
        if json::depth(&value) > json::MAX_DEPTH - 2 {
            return Err(Error::new(Kind::Limit, format!("manifest: unprotected.{name} is nested too deeply")));
        }
        self.unprotected.insert(name.to_owned(), value);
        Ok(())
    }

    /// The notes. Their first line is the title.
    pub fn notes(&self) -> Option<&str> {
        self.unprotected.get("notes")?.as_str()
    }

    /// Sets the notes, or removes them.
    ///
    /// Errors: `NoMemory`.
    pub fn set_notes(&mut self, notes: Option<&str>) -> Result<()> {
        let notes = notes.map(copy_text).transpose()?;
        self.set("notes", notes.map(Value::from));
        Ok(())
    }

    /// The fingerprint of the key that the snapshot was made with, as it is written.
    pub fn key_fingerprint(&self) -> Option<&str> {
        self.unprotected.get("key-fingerprint")?.as_str()
    }

    /// The counts of a server during the upload.
    pub fn upload_stats(&self) -> Option<UploadStats> {
        let stats = self.unprotected.get("chunk_upload_stats")?;
        let number = |name| stats.get(name)?.as_u64();
        Some(UploadStats {
            count: number("count")?,
            size: number("size")?,
            compressed_size: number("compressed_size")?,
            duplicates: number("duplicates")?,
        })
    }

    /// Sets what a server counted during the upload, or removes it.
    pub fn set_upload_stats(&mut self, stats: Option<UploadStats>) {
        let object = |UploadStats { count, size, compressed_size, duplicates }| {
            let numbers =
                [("count", count), ("size", size), ("compressed_size", compressed_size), ("duplicates", duplicates)];
            numbers.into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect::<Map<_, _>>().into()
        };
        self.set("chunk_upload_stats", stats.map(object));
    }

    /// The outcome of the last verification.
    pub fn verify_state(&self) -> Option<VerifyState> {
        let state = self.unprotected.get("verify_state")?;
        let ok = match state.get("state")?.as_str()? {
            "ok" => true,
            "failed" => false,
            _ => return None,
        };
        let upid = state.get("upid")?.as_str().filter(|upid| is_upid(upid))?;
        Some(VerifyState { ok, upid: upid.to_owned() })
    }

    /// Sets the outcome of the last verification, or removes it.
    ///
    /// Errors: `Argument` if `upid` does not name a task as PBS does.
    pub fn set_verify_state(&mut self, state: Option<&VerifyState>) -> Result<()> {
        let object = |VerifyState { ok, upid }: &VerifyState| {
            if !is_upid(upid) {
                return Err(Error::new(Kind::Argument, format!("{upid:?} is no UPID")));
            }
            let mut members = Map::new();
            members.insert("state".into(), if *ok { "ok" } else { "failed" }.into());
            members.insert("upid".into(), upid.as_str().into());
            Ok(Value::Object(members))
        };
        let object = state.map(object).transpose()?;
        self.set("verify_state", object);
        Ok(())
    }

    pub(super) fn set(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => self.unprotected.insert(name.to_owned(), value),
            None => self.unprotected.remove(name),
        };
    }
}

/// Whether `text` names a task, `UPID:node:pid:pstart:task:starttime:type:id:user:` (docs/format.md, 8.2).
fn is_upid(text: &str) -> bool {
    let fields = text.strip_prefix("UPID:").and_then(|rest| rest.strip_suffix(':'));
    let fields: Vec<_> = fields.into_iter().flat_map(|fields| fields.split(':')).collect();
    let [node, pid, pstart, task, start, kind, id, user] = fields[..] else { return false };
    let hex = |text: &str, lens: std::ops::RangeInclusive<usize>| {
        lens.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let word = |text: &str| !text.contains(char::is_whitespace);
    let is_node = node.starts_with(|char: char| char.is_ascii_alphanumeric())
        && node.ends_with(|char: char| char.is_ascii_alphanumeric())
        && node.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let numbers = hex(pid, 8..=8) && hex(pstart, 8..=9) && hex(task, 8..=16) && hex(start, 8..=8);
    is_node && numbers && !kind.is_empty() && word(kind) && word(id) && !user.is_empty() && word(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::BackupType;
    use serde_json::json;

    const UPID: &str = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:";

    fn manifest() -> Manifest {
        Manifest::new(BackupType::Vm, "100", 1).unwrap()
    }

    fn with(name: &str, value: Value) -> Manifest {
        let mut manifest = manifest();
        manifest.set_unprotected_member(name, Some(value)).unwrap();
        manifest
    }

    #[test]
    fn members_come_and_go() {
        let mut manifest = with("a", json!([1]));
        assert_eq!(manifest.unprotected_member("a"), Some(&json!([1])));
        manifest.set_unprotected_member("a", None).unwrap();
        assert_eq!(manifest.unprotected_member("a"), None);
        manifest.set_unprotected_member("b", None).unwrap();

        manifest.set_notes(Some("first\nsecond")).unwrap();
        assert_eq!(manifest.notes(), Some("first\nsecond"));
        assert_eq!(manifest.unprotected_member("notes"), Some(&json!("first\nsecond")));
        manifest.set_notes(None).unwrap();
        assert_eq!(manifest, self::manifest());
        assert_eq!(with("notes", json!(5)).notes(), None);
        assert_eq!(with("key-fingerprint", json!("aa:bb")).key_fingerprint(), Some("aa:bb"));
        assert_eq!(with("key-fingerprint", json!(null)).key_fingerprint(), None);
    }

    #[test]
    fn a_member_is_no_deeper_than_can_be_read() {
        let nested = |depth| (0..depth).fold(json!(1), |value, _| json!([value]));
        let manifest = with("a", nested(json::MAX_DEPTH - 2));
        assert_eq!(Manifest::parse(&manifest.to_json().unwrap()).unwrap(), manifest);
        let mut manifest = self::manifest();
        let error = manifest.set_unprotected_member("a", Some(nested(json::MAX_DEPTH - 1))).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
        assert_eq!(manifest, self::manifest());
    }

    #[test]
    fn upload_stats() {
        let stats = UploadStats { count: 1, size: 2, compressed_size: 3, duplicates: u64::MAX };
        let json = json!({"count": 1, "size": 2, "compressed_size": 3, "duplicates": u64::MAX});
        let mut manifest = with("chunk_upload_stats", json.clone());
        assert_eq!(manifest.upload_stats(), Some(stats));
        manifest.set_upload_stats(None);
        assert_eq!(manifest.upload_stats(), None);
        manifest.set_upload_stats(Some(stats));
        assert_eq!(manifest.unprotected_member("chunk_upload_stats"), Some(&json));
        for name in ["count", "size", "compressed_size", "duplicates"] {
            let mut bad = json.clone();
            bad[name] = json!(-1);
            assert_eq!(with("chunk_upload_stats", bad).upload_stats(), None, "{name}");
        }
        assert_eq!(with("chunk_upload_stats", json!(1)).upload_stats(), None);
    }

    #[test]
    fn verify_state() {
        for (ok, text) in [(true, "ok"), (false, "failed")] {
            let json = json!({"state": text, "upid": UPID});
            let state = VerifyState { ok, upid: UPID.into() };
            assert_eq!(state.started(), Some(0x5ca7_8b83));
            let mut manifest = with("verify_state", json.clone());
            assert_eq!(manifest.verify_state().as_ref(), Some(&state));
            manifest.set_verify_state(None).unwrap();
            assert_eq!(manifest.verify_state(), None);
            manifest.set_verify_state(Some(&state)).unwrap();
            assert_eq!(manifest.unprotected_member("verify_state"), Some(&json));
            let error = manifest.set_verify_state(Some(&VerifyState { ok, upid: "x".into() })).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument);
            assert_eq!(manifest.verify_state(), Some(state));
        }
        for json in [
            json!("ok"),
            json!({"state": "ok"}),
            json!({"upid": UPID}),
            json!({"state": "OK", "upid": UPID}),
            json!({"state": "ok", "upid": "x"}),
            json!({"state": 1, "upid": UPID}),
        ] {
            assert_eq!(with("verify_state", json.clone()).verify_state(), None, "{json}");
        }
    }

    #[test]
    fn upids() {
        for good in [
            UPID,
            "UPID:a-1:00004f37:0039E4690:0000000000000000:5CA78B83:verify:a\\x3ab:root@pam!token:",
            "UPID:a:00004f37:0039E469:00000000:5CA78B83:t:ä:u:",
        ] {
            assert!(is_upid(good), "{good}");
        }
        for bad in [
            "",
            "UPID:",
            &UPID[1..],
            &UPID[..UPID.len() - 1],
            &format!("{UPID}:"),
            &format!("{UPID}\n"),
            &UPID.replace("elsa", ""),
            &UPID.replace("elsa", "-elsa"),
            &UPID.replace("elsa", "elsa-"),
            &UPID.replace("elsa", "el_sa"),
            &UPID.replace("00004F37", "00004F3"),
            &UPID.replace("00004F37", "000004F37"),
            &UPID.replace("0039E469", "0039E46"),
            &UPID.replace("0039E469", "000039E469"),
            &UPID.replace(":00000000:", ":0000000:"),
            &UPID.replace(":00000000:", ":00000000000000000:"),
            &UPID.replace("5CA78B83", "5CA78B830"),
            &UPID.replace("5CA78B83", "5CA78B8g"),
            &UPID.replace("verify", ""),
            &UPID.replace("verify", "ver ify"),
            &UPID.replace("::", ": :"),
            &UPID.replace("root@pam", ""),
            &UPID.replace("root@pam", "root\u{a0}@pam"),
        ] {
            assert!(!is_upid(bad), "{bad}");
        }
    }
}
