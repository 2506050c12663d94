//! A change of a manifest in two steps. A caller that changes many brings all of them to the disk at once in between.

use std::ffi::CString;

use super::FILE_MODE;
use super::Tree;
use super::open::{read_manifest_file, read_manifest_of};
use crate::blob::Codec;
use crate::digest::Digest;
use crate::error::Result;
use crate::hash::sha256;
use crate::manifest::{MANIFEST_NAME, Manifest};
use crate::name::Snapshot;
use crate::sys::{TempFile, c_name};

/// The successor of a manifest, written under a temporary name beside it; removed if it does not take its place.
pub struct ManifestDraft {
    tree: Tree,
    snapshot: Snapshot,
    /// `None` when it is gone.
    name: Option<CString>,
    /// The SHA-256 of the manifest's file that it was made of.
    made_of: Digest,
}

impl Tree {
    /// Writes a changed manifest beside that of `snapshot`, without a sync.
    ///
    /// Errors: those of [`Tree::load_manifest`] and of `change`; `Io`.
    pub fn draft_manifest(
        &self,
        snapshot: &Snapshot,
        change: impl FnOnce(&mut Manifest) -> Result<()>,
    ) -> Result<ManifestDraft> {
        let (dir, target) = (self.open_snapshot(snapshot)?, c_name(MANIFEST_NAME)?);
        let raw = read_manifest_file(&dir)?.ok_or_else(|| self.no_manifest(snapshot))?;
        let mut manifest = read_manifest_of(self, &dir, &raw)?;
        change(&mut manifest)?;
        let mut file = TempFile::create(&dir, &target, 0o600)?;
        file.write(&Codec::new().encode_vec(&manifest.to_json()?, true)?)?;
        file.set_owner_and_mode(self.base().owner(), FILE_MODE)?;
        let (name, made_of) = (Some(file.keep()?), sha256(&raw));
        Ok(ManifestDraft { tree: self.clone(), snapshot: snapshot.clone(), name, made_of })
    }
}

impl ManifestDraft {
    /// Takes the manifest's place, under its lock. If the manifest has been replaced since the draft was made, `change`
    /// changes the new one.
    ///
    /// Errors: those of [`Tree::update_manifest`].
    pub fn take_place(mut self, change: impl FnOnce(&mut Manifest) -> Result<()>) -> Result<()> {
        let _lock = self.tree.lock_manifest(&self.snapshot)?;
        let dir = self.tree.open_snapshot(&self.snapshot)?;
        let raw = read_manifest_file(&dir)?.ok_or_else(|| self.tree.no_manifest(&self.snapshot))?;
        if sha256(&raw) == self.made_of
            && let Some(name) = self.name.take()
        {
            return dir.rename(&name, &c_name(MANIFEST_NAME)?).inspect_err(|_| self.name = Some(name));
        }
        let mut manifest = read_manifest_of(&self.tree, &dir, &raw)?;
        change(&mut manifest)?;
        self.tree.write_manifest(&dir, &manifest)
    }
}

impl Drop for ManifestDraft {
    fn drop(&mut self) {
        let Some(name) = &self.name else { return };
        // A draft that cannot be removed is never taken for anything else, and garbage collection removes it.
        let _ = self.tree.open_snapshot(&self.snapshot).and_then(|dir| dir.unlink(name));
    }
}
