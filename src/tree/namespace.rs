//! Making and removing namespaces by themselves (docs/format.md, 7.2).

use std::ffi::CStr;

use super::{DIR_MODE, Tree};
use crate::error::{Error, Kind, Result};
use crate::name::Namespace;
use crate::sys::{Dir, c_name};

/// The entries that the directory of a namespace may have.
const PLACES: [&CStr; 4] = [c"ns", c"ct", c"host", c"vm"];

/// Attempts to make a directory that others keep removing.
const MAX_REMOVED: u32 = 100;

impl Tree {
    /// Makes a namespace, and those above it, if they are not there, and brings them to the disk by the sync level.
    ///
    /// Errors: `Exists` if something that is no directory is in the way; `Busy`, with the path, if others keep removing
    /// it; those of [`Base::check_writable`]; `Io`.
    pub fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        self.base().check_writable()?;
        let path = namespace.path();
        for _ in 0..MAX_REMOVED {
            match self.make_namespace(&path) {
                // Another process has removed the directory above it.
                Err(error) if error.kind() == Kind::NotFound => {}
                other => return other,
            }
        }
        Err(Error::at(Kind::Busy, &self.base().path().join(path), "is removed again and again"))
    }

    fn make_namespace(&self, path: &str) -> Result<()> {
        let mut dir = self.base().reopen()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let (child, _) = dir.open_or_make_child(&c_name(name)?, DIR_MODE, self.base().owner())?;
            if self.syncs() {
                dir.sync()?;
            }
            dir = child;
        }
        Ok(())
    }

    /// Removes a namespace that has neither groups nor namespaces. No lock is needed: a process that is about to put
    /// something in makes it again.
    ///
    /// Errors: `Argument` for the root; `NotFound`; `Exists`, with the path, of what is in it; those of
    /// [`Base::check_writable`]; `Io`.
    pub fn remove_namespace(&self, namespace: &Namespace) -> Result<()> {
        self.base().check_writable()?;
        let path = namespace.path();
        let Some((above, name)) = path.rsplit_once('/') else {
            return Err(Error::new(Kind::Argument, "the root is no namespace that could be removed"));
        };
        let missing = || self.missing("namespace", &path);
        let dir = self.open_place(&path)?.ok_or_else(missing)?;
        let above = self.open_place(above)?.ok_or_else(missing)?;
        // Before anything is removed.
        for place in PLACES {
            let Some(child) = dir.open_child(place)? else { continue };
            if let Some(name) = child.names()?.next() {
                return Err(Error::at(Kind::Exists, &child.join(&name?), "is in the namespace: it has to be empty"));
            }
        }
        for place in PLACES {
            if dir.open_child(place)?.is_some() {
                remove_empty(&dir, place)?;
            }
        }
        remove_empty(&above, &c_name(name)?)?;
        if self.syncs() { above.sync() } else { Ok(()) }
    }
}

fn remove_empty(parent: &Dir, name: &CStr) -> Result<()> {
    match parent.remove_empty_dir(name)? {
        true => Ok(()),
        false => Err(Error::at(Kind::Exists, &parent.join(name), "is not empty")),
    }
}
