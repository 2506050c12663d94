//! Names of lock files.

use super::{NAME_MAX, Namespace};
use crate::hash::sha256;

/// The lock file of a group, snapshot or manifest, below the directory of a store's lock files, as newer PBS names it:
/// a directory, empty for the root namespace, and a name. `path` is relative to the namespace, `host/x/...`.
pub fn lock_file(namespace: &Namespace, path: &str) -> (String, String) {
    let dir = namespace.as_str().replace('/', ":");
    let mut name = String::new();
    for (i, byte) in path.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if i == 0 => name.push_str("\\x2e"),
            b'_' | b'.' => name.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => name.push(byte.into()),
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    if name.len() < NAME_MAX {
        return (dir, name);
    }
    let (first, last) = (&name[..80], &name[name.len() - 80..]);
    let separator = if dir.is_empty() { "" } else { "/" };
    (format!("{dir}{separator}hashed"), format!("{first}...{last}-{}", sha256(path.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files() {
        let root = Namespace::root();
        let (dir, name) = lock_file(&root, "vm/100/2022-05-02T08:11:33Z");
        assert_eq!((dir.as_str(), name.as_str()), ("", "vm-100-2022\\x2d05\\x2d02T08\\x3a11\\x3a33Z"));
        let ns = Namespace::parse("a/b").unwrap();
        assert_eq!(lock_file(&ns, "host/x").0, "a:b");
        assert_eq!(
            lock_file(&ns, "host/x/2022-05-02T08:11:33Z/.index.json.lck").1.split_once("Z-").unwrap().1,
            ".index.json.lck"
        );
        let long = format!("host/{}", "-".repeat(100));
        let (dir, name) = lock_file(&ns, &long);
        assert_eq!(dir, "a:b/hashed");
        assert_eq!(
            name,
            format!(
                "{}...{}-{}",
                &format!("host-{}", "\\x2d".repeat(100))[..80],
                "\\x2d".repeat(20),
                sha256(long.as_bytes())
            )
        );
    }
}
