//! Names of namespaces, groups, snapshots and archives, and the one place that turns them into paths
//! (docs/format.md, 7.1 to 7.3 and 7.8).
//!
//! A value of one of these types is a checked name: no path built from it leaves the store.

mod archive;
mod lock_file;

pub use archive::{ArchiveKind, check_archive, check_file, index_kind, is_archive_file};
pub use lock_file::lock_file;

use std::cmp::Ordering;
use std::fmt;

use crate::calendar::{check_time, parse_time, time_name};
use crate::error::{Result, push, refuse};

/// Bytes of the longest file name.
const NAME_MAX: usize = 255;

/// Components of the deepest namespace.
pub const NAMESPACE_MAX_DEPTH: usize = 7;

/// Bytes of the longest namespace, `a/b/c`; each component counts one more for its separator.
pub const NAMESPACE_MAX_LEN: usize = 256;

/// The type of a group: what was backed up. Ordered as PBS sorts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackupType {
    /// A container.
    Ct,
    /// A host.
    Host,
    /// A virtual machine.
    Vm,
}

impl BackupType {
    /// Every one, in order.
    pub const ALL: [BackupType; 3] = [BackupType::Ct, BackupType::Host, BackupType::Vm];

    /// As it is written: `ct`, `host` or `vm`.
    pub fn as_str(self) -> &'static str {
        match self {
            BackupType::Ct => "ct",
            BackupType::Host => "host",
            BackupType::Vm => "vm",
        }
    }

    /// Reads `ct`, `host` or `vm`, exactly.
    ///
    /// Errors: `Argument`.
    pub fn parse(text: &str) -> Result<Self> {
        let found = BackupType::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| refuse("backup type", text, "it is none of ct, host, vm"))
    }
}

impl fmt::Display for BackupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `text` begins with an ASCII letter, digit or `_`, and goes on with those, `.` or `-`.
fn is_safe_id(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match text.as_bytes() {
        [first, rest @ ..] => word(*first) && rest.iter().all(|&byte| word(byte) || matches!(byte, b'.' | b'-')),
        [] => false,
    }
}

fn check_component(what: &str, text: &str) -> Result<()> {
    if !is_safe_id(text) {
        return Err(refuse(what, text, "it must be letters, digits and _ . -, and not begin with . or -"));
    }
    if text.len() > NAME_MAX {
        return Err(refuse(what, text, "it has more than 255 bytes"));
    }
    Ok(())
}

/// Checks the id of a group.
///
/// Errors: `Argument`.
pub fn check_id(id: &str) -> Result<()> {
    check_component("backup id", id)
}

/// Checks the name of a store, as PBS knows it.
///
/// Errors: `Argument`.
pub fn check_store(name: &str) -> Result<()> {
    check_component("store name", name)
}

/// Checks who owns a group: `user@realm` or `user@realm!token`.
///
/// Errors: `Argument`.
pub fn check_owner(owner: &str) -> Result<()> {
    let parts = owner.rsplit_once('@').map(|(user, rest)| (user, rest.split_once('!').unwrap_or((rest, "token"))));
    let user_byte = |char: char| !char.is_whitespace() && !char.is_control() && !matches!(char, ':' | '/');
    match parts {
        Some((user, (realm, token)))
            if !user.is_empty()
                && user.chars().all(user_byte)
                && owner.len() <= NAME_MAX
                && is_safe_id(realm)
                && is_safe_id(token) =>
        {
            Ok(())
        }
        _ => Err(refuse("owner", owner, "it must be user@realm or user@realm!token")),
    }
}

/// A namespace, `a/b/c`; the root is empty. Ordered by its bytes, so that one comes before those below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

impl Namespace {
    /// The namespace of a store's own directory.
    pub fn root() -> Self {
        Namespace::default()
    }

    /// Reads `a/b/c`, or nothing for the root.
    ///
    /// Errors: `Argument`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        // The length is checked before the text is split: hostile ones can be long.
        if text.len() > NAMESPACE_MAX_LEN {
            return Err(refuse("namespace", text, "it has more than 256 bytes"));
        }
        text.split('/').try_fold(Self::root(), |namespace, component| namespace.join(component))
    }

    /// Reads `ns/a/ns/b`, as [`Namespace::path`] gives it, of one that is not the root. `None`: the path has another
    /// form.
    ///
    /// Errors: `Argument` for a bad name in it.
    pub fn from_path(path: &str) -> Result<Option<Self>> {
        // Seven levels of `ns/` and a name each, before the text is split.
        if path.len() > NAMESPACE_MAX_LEN + NAMESPACE_MAX_DEPTH * 3 {
            return Ok(None);
        }
        let mut components = path.split('/');
        let mut names = Vec::new();
        while let Some(first) = components.next() {
            match (first, components.next()) {
                ("ns", Some(name)) => push(&mut names, name)?,
                _ => return Ok(None),
            }
        }
        names.into_iter().try_fold(Self::root(), |namespace, name| namespace.join(name)).map(Some)
    }

    /// The namespace `component` below this one.
    ///
    /// Errors: `Argument` for a bad name, an eighth level, or more than 256 bytes.
    pub fn join(&self, component: &str) -> Result<Self> {
        check_component("namespace", component)?;
        if self.depth() == NAMESPACE_MAX_DEPTH {
            return Err(refuse("namespace", component, "there are seven levels at most"));
        }
        if self.0.len() + component.len() + 1 > NAMESPACE_MAX_LEN {
            return Err(refuse("namespace", component, "the whole has more than 256 bytes"));
        }
        Ok(Namespace(match self.is_root() {
            true => component.to_owned(),
            false => format!("{}/{component}", self.0),
        }))
    }

    /// `a/b/c`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Its components, the topmost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// How many components.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// The one that it is in; `None` for the root.
    pub fn parent(&self) -> Option<Namespace> {
        (!self.is_root()).then(|| Namespace(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()))
    }

    /// Its directory below the store, `ns/a/ns/b`; empty for the root.
    pub fn path(&self) -> String {
        let path: Vec<_> = self.components().map(|component| format!("ns/{component}")).collect();
        path.join("/")
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group: all backups of one thing. Ordered by namespace, type and id; ids that are numbers come first, by value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    namespace: Namespace,
    kind: BackupType,
    id: String,
}

impl Group {
    /// The group of `kind` and `id` in `namespace`.
    ///
    /// Errors: `Argument` for a bad id.
    pub fn new(namespace: Namespace, kind: BackupType, id: &str) -> Result<Self> {
        check_id(id)?;
        Ok(Group { namespace, kind, id: id.to_owned() })
    }

    /// Reads its path below the store, `[ns/a/[ns/b/]]host/x`.
    ///
    /// Errors: `Argument`.
    pub fn parse(path: &str) -> Result<Self> {
        let (namespace, rest) = split_namespaces(path)?;
        match rest.split_once('/') {
            Some((kind, id)) if BackupType::parse(kind).is_ok() && is_group_and_time(id) => {
                Err(refuse("group", path, "it is a snapshot: a group has no time"))
            }
            Some((kind, id)) => Group::new(namespace, BackupType::parse(kind)?, id),
            None => Err(refuse("group", path, "it must be [ns/NAME/...]TYPE/ID")),
        }
    }

    /// The namespace that it is in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its type.
    pub fn kind(&self) -> BackupType {
        self.kind
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its directory below the store, `ns/a/host/x`.
    pub fn path(&self) -> String {
        let separator = if self.namespace.is_root() { "" } else { "/" };
        format!("{}{separator}{}", self.namespace.path(), self.name())
    }

    /// `host/x`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// The key that ids are sorted by. It includes the length, since numbers of equal value can differ in it.
    fn id_order(&self) -> (bool, u64, usize, &str) {
        match self.id.parse::<u64>() {
            Ok(number) => (false, number, self.id.len(), ""),
            Err(_) => (true, 0, 0, &self.id),
        }
    }
}

impl Ord for Group {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.namespace, self.kind, self.id_order()).cmp(&(&other.namespace, other.kind, other.id_order()))
    }
}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// A snapshot: one backup of a group, named by its time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Snapshot {
    group: Group,
    time: i64,
}

impl Snapshot {
    /// The snapshot of `group` at `time`, in seconds since 1970.
    ///
    /// Errors: `Argument` outside the years 0000 to 9999.
    pub fn new(group: Group, time: i64) -> Result<Self> {
        check_time(time)?;
        Ok(Snapshot { group, time })
    }

    /// Reads its path below the store, `[ns/a/[ns/b/]]host/x/2020-06-26T13:56:05Z`.
    ///
    /// Errors: `Argument`.
    pub fn parse(path: &str) -> Result<Self> {
        let missing = "it must be [ns/NAME/...]TYPE/ID/TIME";
        if Group::parse(path).is_ok() {
            let why = format!("it is a group, and the time is missing: {missing}");
            return Err(refuse("snapshot", path, &why));
        }
        match path.rsplit_once('/') {
            Some((group, time)) => Snapshot::new(Group::parse(group)?, parse_time(time)?),
            None => Err(refuse("snapshot", path, missing)),
        }
    }

    /// The group that it is in.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Its time, in seconds since 1970.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The name of its directory in the group's.
    pub fn time_name(&self) -> String {
        time_name(self.time)
    }

    /// Its directory below the store.
    pub fn path(&self) -> String {
        format!("{}/{}", self.group.path(), self.time_name())
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Takes the leading `ns/NAME/` pairs off a path.
fn split_namespaces(path: &str) -> Result<(Namespace, &str)> {
    let mut namespace = Namespace::root();
    let mut rest = path;
    while let Some(below) = rest.strip_prefix("ns/") {
        let (component, after) =
            below.split_once('/').ok_or_else(|| refuse("group or snapshot", path, "it ends in a namespace"))?;
        namespace = namespace.join(component)?;
        rest = after;
    }
    Ok((namespace, rest))
}

/// Whether `text` is the id of a group and a time.
fn is_group_and_time(text: &str) -> bool {
    text.split_once('/').is_some_and(|(id, time)| check_id(id).is_ok() && parse_time(time).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn namespaces_are_bounded() {
        let seven = ["a"; 7].join("/");
        assert_eq!(Namespace::parse(&seven).unwrap().depth(), 7);
        assert_eq!(Namespace::parse(&seven).unwrap().path(), ["ns/a"; 7].join("/"));
        assert!(Namespace::parse(&format!("{seven}/a")).is_err());
        // A separator counts for the first component too.
        assert!(Namespace::parse(&"x".repeat(255)).is_ok());
        assert!(Namespace::parse(&"x".repeat(256)).is_err());
        let long = "x".repeat(127);
        assert!(Namespace::parse(&format!("{long}/{long}x")).is_ok());
        assert!(Namespace::parse(&format!("{long}/{long}xy")).is_err());
    }

    #[test]
    fn directories_of_namespaces() {
        for text in ["a", "a/b", "ns/ns", "vm/1", "a/b/c/d/e/f/g"] {
            let namespace = Namespace::parse(text).unwrap();
            assert_eq!(Namespace::from_path(&namespace.path()).unwrap(), Some(namespace), "{text}");
        }
        for path in ["", "ns", "ns/a/ns", "a", "vm/1", "ns/a/host/x", "ns/a/host/x/2020-06-26T13:56:05Z", "/ns/a"] {
            assert_eq!(Namespace::from_path(path).unwrap(), None, "{path}");
        }
        assert_eq!(Namespace::from_path(&"ns/a/".repeat(1000)).unwrap(), None);
        for path in ["ns/", "ns/..", &["ns/a"; 8].join("/")] {
            assert!(Namespace::from_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn parents() {
        let ns = |text: &str| Namespace::parse(text).unwrap();
        assert_eq!(ns("a/b").parent(), Some(ns("a")));
        assert_eq!(ns("a").parent(), Some(Namespace::root()));
        assert_eq!(ns("").parent(), None);
    }

    #[test]
    fn paths_that_climb_are_refused() {
        let long = "x".repeat(256);
        for id in ["", ".", "..", "../x", "a/b", "-a", ".a", "a b", "a\0", "a\n", "é", &long] {
            assert!(check_id(id).is_err(), "{id:?}");
            assert!(Group::parse(&format!("host/{id}")).is_err(), "{id:?}");
            assert!(Group::parse(&format!("ns/{id}/host/x")).is_err(), "{id:?}");
            assert!(Snapshot::parse(&format!("host/{id}/2020-06-26T13:56:05Z")).is_err(), "{id:?}");
            assert!(check_archive(&format!("{id}.blob")).is_err(), "{id:?}");
        }
        for path in ["", "host", "host/", "/host/x", "host//x", "Host/x", "ns/a", "ns//host/x", "a/host/x", "host/x/y"]
        {
            assert!(Group::parse(path).is_err(), "{path:?}");
        }
        assert!(check_archive(".blob").is_err());
    }

    #[test]
    fn a_group_for_a_snapshot_and_the_reverse_are_told_apart() {
        let message = |error: Error| error.message().to_owned();
        for path in ["vm/100", "ns/a/ns/b/host/x"] {
            let said = message(Snapshot::parse(path).unwrap_err());
            assert!(
                said.starts_with(&format!("{path:?} is no snapshot: it is a group, and the time is missing")),
                "{said}"
            );
            let said = message(Group::parse(&format!("{path}/2020-06-26T13:56:05Z")).unwrap_err());
            assert!(said.contains("is no group: it is a snapshot"), "{said}");
        }
        let said = message(Snapshot::parse("x/100/2020-06-26T13:56:05Z").unwrap_err());
        assert!(said.contains("backup type"), "{said}");
    }

    #[test]
    fn paths_round_trip() {
        for path in ["host/x", "ns/a/vm/100", "ns/ns/ns/host/ct/c-1.test_x"] {
            assert_eq!(Group::parse(path).unwrap().path(), path);
            let snapshot = format!("{path}/2020-06-26T13:56:05Z");
            assert_eq!(Snapshot::parse(&snapshot).unwrap().path(), snapshot);
            assert_eq!(Snapshot::parse(&snapshot).unwrap().time(), 1_593_179_765);
        }
        assert_eq!(Group::parse("ns/ns/ns/host/ct/1").unwrap().namespace().as_str(), "ns/host");
    }

    #[test]
    fn owners() {
        for owner in ["root@pam", "a.b+c@pbs", "u@r!token-1", "a@b@pam"] {
            check_owner(owner).unwrap();
        }
        for owner in ["", "root", "@pam", "root@", "root@pam!", "ro ot@pam", "a/b@pam", "root@pam\n", "root@-x"] {
            assert!(check_owner(owner).is_err(), "{owner:?}");
        }
    }
}
