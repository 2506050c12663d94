//! The manifest of a snapshot: which archives it has, and what is noted about it (docs/format.md, 8).
//!
//! The JSON that was read is kept as it was, with typed access on top, so that unknown members survive a change. There
//! are two parts. A signature covers the *protected* one. The *unprotected* one holds notes and results of checks, and
//! may change at any time.

mod signature;
mod unprotected;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

pub use signature::Signature;
pub use unprotected::{UploadStats, VerifyState};

use crate::calendar;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, no_memory, push, try_collect};
use crate::index::{RequiredForm, Terms};
use crate::json;
use crate::limits::JSON_MAX_SIZE;
use crate::name::{self, BackupType, Snapshot};
use crate::sys;

/// A part of the JSON text, which is written from where it is.
enum Part<'a> {
    Value(&'a Value),
    Members(&'a Map<String, Value>),
    /// Null if there is none.
    Text(Option<&'a str>),
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Part::Value(value) => value.serialize(serializer),
            Part::Members(members) => members.serialize(serializer),
            Part::Text(Some(text)) => serializer.serialize_str(text),
            Part::Text(None) => serializer.serialize_unit(),
        }
    }
}

/// The file of a snapshot's manifest.
pub const MANIFEST_NAME: &str = "index.json.blob";

/// How an archive is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CryptMode {
    /// Nothing.
    #[default]
    None,
    /// Its data is encrypted, and the manifest signed.
    Encrypt,
    /// The manifest is signed.
    SignOnly,
}

impl CryptMode {
    const ALL: [CryptMode; 3] = [CryptMode::None, CryptMode::Encrypt, CryptMode::SignOnly];

    /// As it is written: `none`, `encrypt` or `sign-only`.
    pub fn as_str(self) -> &'static str {
        match self {
            CryptMode::None => "none",
            CryptMode::Encrypt => "encrypt",
            CryptMode::SignOnly => "sign-only",
        }
    }

    /// Reads `none`, `encrypt` or `sign-only`, exactly.
    pub fn parse(text: &str) -> Option<Self> {
        CryptMode::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// Whether the archive's chunks must be encrypted; otherwise they must not be.
    pub fn has_encrypted_chunks(self) -> bool {
        self == CryptMode::Encrypt
    }
}

/// An archive of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name, `root.pxar.didx`. In a manifest that was read it can be anything.
    pub filename: String,
    /// How it is protected.
    pub crypt_mode: CryptMode,
    /// For an index the bytes that it describes; for a blob those of its file.
    pub size: u64,
    /// For an index its csum; for a blob the SHA-256 of its file.
    pub csum: Digest,
}

impl FileInfo {
    /// The terms of the index that is listed so.
    pub fn terms(&self) -> Terms {
        let required_form = match self.crypt_mode.has_encrypted_chunks() {
            true => RequiredForm::Encrypted,
            false => RequiredForm::Plain,
        };
        Terms { vouched: true, required_form: Some(required_form) }
    }

    /// Reads entry `i` of `files`.
    fn read(i: usize, file: &Value) -> Result<Self> {
        let at = format!("files[{i}]");
        let Value::Object(members) = file else { return Err(format_error(format!("{at} must be an object"))) };
        let at = format!("{at}.");
        let crypt_mode = match members.contains_key("crypt-mode") {
            true => {
                let read = |value: &Value| value.as_str().and_then(CryptMode::parse);
                member(members, &at, "crypt-mode", read, "one of none, encrypt, sign-only")?
            }
            // Backups of early versions of PBS.
            false => CryptMode::None,
        };
        let digest = |value: &Value| value.as_str().and_then(|hex| Digest::from_hex(hex.as_bytes()).ok());
        Ok(FileInfo {
            filename: member(members, &at, "filename", Value::as_str, "a string")?.to_owned(),
            crypt_mode,
            size: member(members, &at, "size", Value::as_u64, "an integer of 64 bits without sign")?,
            csum: member(members, &at, "csum", digest, "64 hexadecimal digits")?,
        })
    }

    /// Sets its members in an entry of `files`, and leaves the others.
    fn write_to(&self, members: &mut Map<String, Value>) {
        members.insert("filename".into(), self.filename.as_str().into());
        members.insert("crypt-mode".into(), self.crypt_mode.as_str().into());
        members.insert("size".into(), self.size.into());
        members.insert("csum".into(), self.csum.to_string().into());
    }
}

fn format_error(message: String) -> Error {
    Error::new(Kind::Format, format!("manifest: {message}"))
}

/// The member `name`, which `read` must accept. `at` stands before its name in errors.
fn member<'a, T>(
    members: &'a Map<String, Value>,
    at: &str,
    name: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
    what: &str,
) -> Result<T> {
    let value = members.get(name).ok_or_else(|| format_error(format!("{at}{name} is missing")))?;
    read(value).ok_or_else(|| format_error(format!("{at}{name} must be {what}")))
}

/// A manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    kind: BackupType,
    id: String,
    time: i64,
    files: Vec<FileInfo>,
    signature: Option<String>,
    /// Every member but `signature` and `unprotected`. It says the same as the typed fields.
    protected: Map<String, Value>,
    unprotected: Map<String, Value>,
}

impl Manifest {
    /// The manifest of a new snapshot, without archives yet.
    ///
    /// Errors: `Argument` for a bad id, or a time outside the years 0000 to 9999.
    pub fn new(kind: BackupType, id: &str, time: i64) -> Result<Self> {
        name::check_id(id)?;
        calendar::format_time(time)?;
        let mut protected = Map::new();
        protected.insert("backup-type".into(), kind.as_str().into());
        protected.insert("backup-id".into(), id.into());
        protected.insert("backup-time".into(), time.into());
        protected.insert("files".into(), Value::Array(Vec::new()));
        Ok(Manifest {
            kind,
            id: id.to_owned(),
            time,
            files: Vec::new(),
            signature: None,
            protected,
            unprotected: Map::new(),
        })
    }

    /// Reads the JSON text of a manifest. The id and the names in it are not checked: do so before a path is made of
    /// one. A signature is not checked either.
    ///
    /// Errors: `Format`, which names the member; `Limit` above [`JSON_MAX_SIZE`] bytes.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let tree = json::parse(text).map_err(|error| error.context("manifest"))?;
        let Value::Object(mut protected) = tree else { return Err(format_error("it must be an object".into())) };
        let signature = match protected.remove("signature") {
            None | Some(Value::Null) => None,
            Some(Value::String(signature)) => Some(signature),
            Some(_) => return Err(format_error("signature must be a string or null".into())),
        };
        let unprotected = match protected.remove("unprotected") {
            None => Map::new(),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(format_error("unprotected must be an object".into())),
        };
        let kind = |value: &Value| value.as_str().and_then(|kind| BackupType::parse(kind).ok());
        let listed = member(&protected, "", "files", Value::as_array, "an array")?;
        let mut manifest = Manifest {
            kind: member(&protected, "", "backup-type", kind, "one of ct, host, vm")?,
            id: member(&protected, "", "backup-id", Value::as_str, "a string")?.to_owned(),
            time: member(&protected, "", "backup-time", Value::as_i64, "an integer of 64 bits")?,
            files: try_collect(listed.iter().enumerate().map(|(i, file)| FileInfo::read(i, file)))?,
            signature,
            protected,
            unprotected,
        };
        // A signature covers the spelling.
        if manifest.signature.is_none() {
            manifest.spell_out_files();
        }
        Ok(manifest)
    }

    /// Writes the members of every file as a new one's are written.
    fn spell_out_files(&mut self) {
        let listed = listed(&mut self.protected);
        for (file, info) in listed.iter_mut().filter_map(Value::as_object_mut).zip(&self.files) {
            info.write_to(file);
        }
    }

    /// The JSON text: two spaces a level, members sorted by the bytes of their names.
    ///
    /// Errors: `Limit` above [`JSON_MAX_SIZE`] bytes, which could not be read again; `NoMemory`.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut members = BTreeMap::new();
        for (name, value) in &self.protected {
            sys::check_memory()?;
            members.insert(name.as_str(), Part::Value(value));
        }
        members.insert("signature", Part::Text(self.signature.as_deref()));
        members.insert("unprotected", Part::Members(&self.unprotected));
        json::pretty(&members, JSON_MAX_SIZE).map_err(|error| error.context("manifest"))
    }

    /// The input of a signature: the canonical JSON of the protected part.
    ///
    /// Errors: `Format` if an unknown member holds null; `Limit`, `NoMemory`.
    pub fn canonical(&self) -> Result<Vec<u8>> {
        json::canonical(&self.protected, JSON_MAX_SIZE).map_err(|error| error.context("manifest"))
    }

    /// Whether it says that it is the manifest of `snapshot`; the namespace does not stand in it.
    pub fn is_of(&self, snapshot: &Snapshot) -> bool {
        let group = snapshot.group();
        (self.kind, self.id(), self.time) == (group.kind(), group.id(), snapshot.time())
    }

    /// Checks that it is the manifest of `snapshot`: a signed one that has been moved vouches for another.
    ///
    /// Errors: `Auth`.
    pub fn check_place(&self, snapshot: &Snapshot) -> Result<()> {
        match self.is_of(snapshot) {
            true => Ok(()),
            false => {
                Err(Error::new(Kind::Auth, format!("manifest: it is that of {}, and not of this", self.own_name())))
            }
        }
    }

    /// The name of its snapshot by its own account, for messages.
    pub fn own_name(&self) -> String {
        let time = calendar::format_time(self.time).unwrap_or_else(|_| self.time.to_string());
        format!("{}/{}/{time}", self.kind.as_str(), self.id.escape_debug())
    }

    /// The type: what was backed up.
    pub fn kind(&self) -> BackupType {
        self.kind
    }

    /// The id of the group. In a manifest that was read it can be anything.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The time of the snapshot, in seconds since 1970. In a manifest that was read it can be anything.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The signature as it is written; `None` without one.
    pub fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }

    /// The archives, in order.
    pub fn files(&self) -> &[FileInfo] {
        &self.files
    }

    /// The first archive of this name.
    pub fn find(&self, filename: &str) -> Option<&FileInfo> {
        self.files.iter().find(|file| file.filename == filename)
    }

    /// Adds an archive behind the others.
    ///
    /// Errors: `Argument` if the name is no archive's; `Exists` if there is one of this name; `State` if the manifest
    /// is signed, because the signature would no longer hold.
    pub fn add_file(&mut self, file: &FileInfo) -> Result<()> {
        name::check_archive(&file.filename)?;
        if self.signature.is_some() {
            return Err(Error::new(Kind::State, format!("manifest: {} is added to a signed one", file.filename)));
        }
        if self.find(&file.filename).is_some() {
            return Err(Error::new(Kind::Exists, format!("manifest: {} is listed already", file.filename)));
        }
        let mut members = Map::new();
        file.write_to(&mut members);
        let file = file.clone();
        // In both lists or in none.
        self.files.try_reserve(1).map_err(|_| no_memory(self.files.len() * size_of::<FileInfo>()))?;
        push(listed(&mut self.protected), Value::Object(members))?;
        push(&mut self.files, file)
    }

    /// Compares an archive with what the manifest says of it.
    ///
    /// Errors: `NotFound` if it is not listed; `Corrupt` if its size or csum is another.
    pub fn verify_file(&self, filename: &str, csum: &Digest, size: u64) -> Result<()> {
        let file = self
            .find(filename)
            .ok_or_else(|| Error::new(Kind::NotFound, format!("{filename:?} is not in the manifest")))?;
        let message = if file.size != size {
            format!("{filename:?} has size {size}, the manifest says {}", file.size)
        } else if file.csum != *csum {
            format!("{filename:?} has csum {csum}, the manifest says {}", file.csum)
        } else {
            return Ok(());
        };
        Err(Error::new(Kind::Corrupt, message))
    }
}

/// The entries of `files`.
fn listed(protected: &mut Map<String, Value>) -> &mut Vec<Value> {
    match protected.get_mut("files") {
        Some(Value::Array(listed)) => listed,
        _ => unreachable!("every manifest has files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree() -> Value {
        json!({
            "backup-type": "vm", "backup-id": "100", "backup-time": 1_593_179_765,
            "files": [
                {"filename": "a.fidx", "crypt-mode": "none", "size": 7, "csum": "ab".repeat(32)},
                {"filename": "b.blob", "crypt-mode": "sign-only", "size": u64::MAX, "csum": "00".repeat(32)},
            ],
            "signature": null, "unprotected": {},
        })
    }

    fn parse(tree: &Value) -> Result<Manifest> {
        Manifest::parse(tree.to_string().as_bytes())
    }

    fn written(manifest: &Manifest) -> Value {
        serde_json::from_slice(&manifest.to_json().unwrap()).unwrap()
    }

    fn file(filename: &str) -> FileInfo {
        FileInfo { filename: filename.into(), crypt_mode: CryptMode::Encrypt, size: 5, csum: Digest([0xcd; 32]) }
    }

    #[test]
    fn a_new_manifest_is_read_back() {
        let mut manifest = Manifest::new(BackupType::Host, "elsa", -1).unwrap();
        assert_eq!(
            String::from_utf8(manifest.to_json().unwrap()).unwrap(),
            "{\n  \"backup-id\": \"elsa\",\n  \"backup-time\": -1,\n  \"backup-type\": \"host\",\n  \"files\": [],\n  \
             \"signature\": null,\n  \"unprotected\": {}\n}"
        );
        manifest.add_file(&file("a.didx")).unwrap();
        manifest.add_file(&file("b.blob")).unwrap();
        manifest.set_notes(Some("x")).unwrap();
        assert_eq!(Manifest::parse(&manifest.to_json().unwrap()).unwrap(), manifest);
        assert_eq!(manifest.files(), [file("a.didx"), file("b.blob")]);
    }

    #[test]
    fn a_new_manifest_has_a_path() {
        assert_eq!(Manifest::new(BackupType::Vm, "../x", 1).unwrap_err().kind(), Kind::Argument);
        assert_eq!(Manifest::new(BackupType::Vm, "x", i64::MAX).unwrap_err().kind(), Kind::Argument);
    }

    #[test]
    fn errors_name_the_member() {
        let missing = |pointer: &str| {
            let mut tree = tree();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            tree.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
            tree
        };
        let with = |pointer: &str, value: Value| {
            let mut tree = tree();
            *tree.pointer_mut(pointer).unwrap() = value;
            tree
        };
        for (tree, message) in [
            (json!([]), "it must be an object"),
            (missing("/backup-type"), "backup-type is missing"),
            (missing("/backup-id"), "backup-id is missing"),
            (missing("/backup-time"), "backup-time is missing"),
            (missing("/files"), "files is missing"),
            (missing("/files/1/filename"), "files[1].filename is missing"),
            (missing("/files/0/size"), "files[0].size is missing"),
            (missing("/files/0/csum"), "files[0].csum is missing"),
            (with("/backup-type", json!("VM")), "backup-type must be one of ct, host, vm"),
            (with("/backup-type", json!(null)), "backup-type must be one of ct, host, vm"),
            (with("/backup-id", json!(100)), "backup-id must be a string"),
            (with("/backup-time", json!(1.0)), "backup-time must be an integer of 64 bits"),
            (with("/backup-time", json!("1")), "backup-time must be an integer of 64 bits"),
            (with("/backup-time", json!(1_u64 << 63)), "backup-time must be an integer of 64 bits"),
            (with("/files", json!(null)), "files must be an array"),
            (with("/files", json!({})), "files must be an array"),
            (with("/files/1", json!("a.didx")), "files[1] must be an object"),
            (with("/files/1/filename", json!(null)), "files[1].filename must be a string"),
            (with("/files/1/crypt-mode", json!(null)), "files[1].crypt-mode must be one of none, encrypt, sign-only"),
            (with("/files/1/crypt-mode", json!("None")), "files[1].crypt-mode must be one of none, encrypt, sign-only"),
            (with("/files/1/size", json!(-1)), "files[1].size must be an integer of 64 bits without sign"),
            (with("/files/1/size", json!(1.0)), "files[1].size must be an integer of 64 bits without sign"),
            (with("/files/1/csum", json!("0".repeat(63))), "files[1].csum must be 64 hexadecimal digits"),
            (with("/files/1/csum", json!("g".repeat(64))), "files[1].csum must be 64 hexadecimal digits"),
            (with("/signature", json!(5)), "signature must be a string or null"),
            (with("/unprotected", json!(null)), "unprotected must be an object"),
            (with("/unprotected", json!([])), "unprotected must be an object"),
        ] {
            let error = parse(&tree).unwrap_err();
            assert_eq!((error.kind(), error.message()), (Kind::Format, &*format!("manifest: {message}")));
        }
        let error = Manifest::parse(b"{").unwrap_err();
        assert_eq!(error.kind(), Kind::Format);
        assert!(error.message().starts_with("manifest: it is no JSON: "), "{error}");
        assert_eq!(Manifest::parse(&vec![b' '; JSON_MAX_SIZE + 1]).unwrap_err().kind(), Kind::Limit);
    }

    #[test]
    fn names_are_not_judged_when_read() {
        let mut tree = tree();
        tree["backup-id"] = json!("../\0");
        tree["backup-time"] = json!(i64::MIN);
        tree["files"][0]["filename"] = json!("/etc/passwd");
        tree["files"][1]["filename"] = json!("/etc/passwd");
        let manifest = parse(&tree).unwrap();
        assert_eq!((manifest.id(), manifest.time()), ("../\0", i64::MIN));
        assert_eq!(manifest.find("/etc/passwd").unwrap().size, 7, "the first");
        assert_eq!(written(&manifest), tree);
    }

    #[test]
    fn unknown_members_survive_a_change() {
        let mut tree = tree();
        tree["later"] = json!({"a": [null, 1.5]});
        tree["files"][0]["later"] = json!(true);
        tree["unprotected"] = json!({"later": [1], "notes": "x"});
        let mut manifest = parse(&tree).unwrap();
        manifest.set_notes(Some("y")).unwrap();
        manifest.add_file(&file("c.didx")).unwrap();
        tree["unprotected"]["notes"] = json!("y");
        tree["files"]
            .as_array_mut()
            .unwrap()
            .push(json!({"filename": "c.didx", "crypt-mode": "encrypt", "size": 5, "csum": "cd".repeat(32)}));
        assert_eq!(written(&manifest), tree);
    }

    #[test]
    fn files_are_spelled_out_unless_signed() {
        let mut tree = tree();
        tree["files"][0]["csum"] = json!("AB".repeat(32));
        tree["files"][0].as_object_mut().unwrap().remove("crypt-mode");
        tree.as_object_mut().unwrap().remove("unprotected");
        let manifest = parse(&tree).unwrap();
        assert_eq!(manifest.files()[0].crypt_mode, CryptMode::None);
        assert_eq!(manifest.files()[0].csum, Digest([0xab; 32]));
        assert_eq!(written(&manifest), self::tree());

        tree["signature"] = json!("x");
        let mut manifest = parse(&tree).unwrap();
        let signed = manifest.canonical().unwrap();
        manifest.set_notes(Some("x")).unwrap();
        let again = Manifest::parse(&manifest.to_json().unwrap()).unwrap();
        assert_eq!(again.canonical().unwrap(), signed);
        assert_eq!(again, manifest);
        tree["unprotected"] = json!({"notes": "x"});
        assert_eq!(written(&manifest), tree);
    }

    #[test]
    fn the_canonical_form_is_of_the_protected_part() {
        let mut tree = json!({
            "backup-type": "ct", "backup-time": 0, "backup-id": "ä\n", "files": [], "Z": 1.0,
            "signature": "s", "unprotected": {"notes": null},
        });
        let canonical = "{\"Z\":1.0,\"backup-id\":\"ä\\n\",\"backup-time\":0,\"backup-type\":\"ct\",\"files\":[]}";
        assert_eq!(parse(&tree).unwrap().canonical().unwrap(), canonical.as_bytes());
        tree["Z"] = json!([{"a": null}]);
        assert_eq!(parse(&tree).unwrap().canonical().unwrap_err().kind(), Kind::Format);
    }

    #[test]
    fn what_add_file_refuses() {
        let mut manifest = parse(&tree()).unwrap();
        for name in ["a", "a.pxar", "a.DIDX", "../a.didx", ".didx", "a.didx\0", ""] {
            assert_eq!(manifest.add_file(&file(name)).unwrap_err().kind(), Kind::Argument, "{name:?}");
        }
        assert_eq!(manifest.add_file(&file("b.blob")).unwrap_err().kind(), Kind::Exists);
        assert_eq!(written(&manifest), tree());
        let mut signed = tree();
        signed["signature"] = json!("s");
        let mut manifest = parse(&signed).unwrap();
        assert_eq!(manifest.add_file(&file("c.blob")).unwrap_err().kind(), Kind::State);
        assert_eq!(manifest.signature(), Some("s"));
        assert_eq!(written(&manifest), signed);
    }

    #[test]
    fn files_are_compared() {
        let manifest = parse(&tree()).unwrap();
        let csum = Digest([0xab; 32]);
        manifest.verify_file("a.fidx", &csum, 7).unwrap();
        let failure = |name: &str, csum: &Digest, size| manifest.verify_file(name, csum, size).unwrap_err();
        assert_eq!(failure("c.fidx", &csum, 7).kind(), Kind::NotFound);
        let other = Digest([0; 32]);
        for size in [6, 8] {
            let error = failure("a.fidx", &other, size);
            assert_eq!(error.kind(), Kind::Corrupt);
            assert_eq!(error.message(), format!("\"a.fidx\" has size {size}, the manifest says 7"), "size first");
        }
        let error = failure("a.fidx", &other, 7);
        assert_eq!(error.kind(), Kind::Corrupt);
        assert_eq!(error.message(), format!("\"a.fidx\" has csum {other}, the manifest says {csum}"));
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let mut manifest = parse(&tree()).unwrap();
        manifest.set_notes(Some(&"x".repeat(JSON_MAX_SIZE))).unwrap();
        assert_eq!(manifest.to_json().unwrap_err().kind(), Kind::Limit);
        manifest.set_notes(None).unwrap();
        assert_eq!(written(&manifest), tree());
    }

    #[test]
    fn crypt_modes() {
        for (mode, text, encrypted) in [
            (CryptMode::None, "none", false),
            (CryptMode::Encrypt, "encrypt", true),
            (CryptMode::SignOnly, "sign-only", false),
        ] {
            assert_eq!((mode.as_str(), CryptMode::parse(text)), (text, Some(mode)));
            assert_eq!(mode.has_encrypted_chunks(), encrypted);
        }
        assert_eq!(CryptMode::parse("Encrypt"), None);
    }
}
