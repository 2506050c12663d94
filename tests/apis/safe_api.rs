//! The safe Rust API.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::{Api, Archive, Input, Listed, Outcome, UUID};
use crate::common;
use pxds::backup::{Backup, BackupOptions};
use pxds::callback::Callback;
use pxds::chunker::Config;
use pxds::error::{Error, Kind, Result};
use pxds::index::Index;
use pxds::ingest::{Image, ImageOptions, Ingest, IngestOptions, OnChunk, StoredIndex};
use pxds::manifest::Manifest;
use pxds::name::{Group, Namespace, Snapshot};
use pxds::reader::{Reader, ReaderOptions};
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::Store;
use pxds::tree::{DestroyOptions, Destroyed, Listing, OpenSnapshot};

pub(crate) struct Safe {
    store: Store,
}

fn refuse_at(chunk: Option<u64>) -> Option<OnChunk> {
    let left = AtomicU64::new(chunk?);
    Some(Callback(Arc::new(move |_| {
        let is_enough = left.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_enough { Err(Error::cancelled("chunk callback", 7)) } else { Ok(()) }
    })))
}

impl Safe {
    pub(crate) fn open(path: &Path) -> Self {
        Safe { store: Store::open(path, &common::quick()).unwrap() }
    }

    fn start_stream(&self, refuse: Option<u64>) -> Result<Ingest> {
        let options = IngestOptions {
            chunker: Config::from_avg(4096)?,
            ctime: Some(1),
            uuid: Some(UUID),
            on_chunk: refuse_at(refuse),
            ..IngestOptions::default()
        };
        Ingest::new(self.store.chunks(), options)
    }

    fn stored(&self, input: Input<'_>, refuse: Option<u64>) -> (Result<()>, Option<StoredIndex>) {
        match input {
            Input::Stream(data) => {
                let mut ingest = match self.start_stream(refuse) {
                    Ok(ingest) => ingest,
                    Err(error) => return (Err(error), None),
                };
                match ingest.write(data).and_then(|()| ingest.finish()) {
                    Ok(index) => (Ok(()), Some(index)),
                    Err(error) => (Err(error), ingest.partial().ok()),
                }
            }
            Input::Image { data, size, chunk_size } => {
                let options = ImageOptions {
                    chunk_size,
                    ctime: Some(1),
                    uuid: Some(UUID),
                    on_chunk: refuse_at(refuse),
                    ..ImageOptions::default()
                };
                let all = || {
                    let mut image = Image::new(self.store.chunks(), size, options)?;
                    image.write(data)?;
                    image.finish()
                };
                match all() {
                    Ok(index) => (Ok(()), Some(index)),
                    Err(error) => (Err(error), None),
                }
            }
        }
    }

    fn namespaces_of(&self, ns: &str, recursive: bool) -> Result<Vec<Group>> {
        let ns = Namespace::parse(ns)?;
        if recursive { self.store.tree().groups_below(&ns) } else { self.store.tree().groups(&ns) }
            .and_then(Listing::whole)
    }

    fn make(
        &self,
        group: &str,
        time: i64,
        owner: Option<&str>,
        archives: &[(&str, Archive<'_>)],
    ) -> Result<(String, Option<String>)> {
        let options = BackupOptions { time: Some(time), owner: owner.map(str::to_owned), ..BackupOptions::default() };
        let mut backup = Backup::new(&self.store, &Group::parse(group)?, options)?;
        let paths = (backup.snapshot().path(), backup.previous().map(Snapshot::path));
        for (name, archive) in archives {
            match *archive {
                Archive::Blob(data) => backup.add_blob(name, data, true)?,
                Archive::Index(input) => {
                    let (outcome, index) = self.stored(input, None);
                    outcome?;
                    backup.add_index(name, &mut index.unwrap())?;
                }
            }
        }
        backup.finish()?;
        Ok(paths)
    }

    fn open_snapshot(&self, snapshot: &str) -> Result<OpenSnapshot> {
        OpenSnapshot::open(self.store.tree(), &Snapshot::parse(snapshot)?, None)
    }
}

impl Api for Safe {
    fn ingest(&self, input: Input<'_>, refuse: Option<u64>) -> (Outcome<()>, Option<Vec<u8>>) {
        let (outcome, index) = self.stored(input, refuse);
        (outcome.map_err(Into::into), index.map(|mut index| index.finish(usize::MAX).unwrap()))
    }

    fn restore(&self, index: &[u8], range: Option<(u64, u64)>, room: usize) -> (Outcome<()>, Vec<u8>, u64) {
        let mut restorer = Restorer::new(self.store.chunks(), RestoreOptions::default());
        let mut taken = Vec::new();
        let mut sink = |bytes: &[u8]| {
            if taken.len() + bytes.len() > room {
                return Err(Error::cancelled("write callback", 9));
            }
            taken.extend_from_slice(bytes);
            Ok(())
        };
        let outcome = Index::from_bytes(index, None).and_then(|index| match range {
            Some((offset, length)) => restorer.restore_range(&index, offset, length, &mut sink),
            None => restorer.restore(&index, &mut sink),
        });
        (outcome.map_err(Into::into), taken, restorer.written())
    }

    fn read_range(&self, index: &[u8], offset: u64, length: usize) -> (Outcome<u64>, Vec<u8>) {
        let mut data = vec![0xa5; length];
        let index = Index::from_bytes(index, None).unwrap();
        let mut restorer = Restorer::new(self.store.chunks(), RestoreOptions::default());
        let count = restorer.read_range(&index, offset, &mut data);
        (count.map(|count| count as u64).map_err(Into::into), data)
    }

    fn read_at(&self, index: &[u8], offset: u64, length: usize) -> (Outcome<usize>, Vec<u8>) {
        let mut data = vec![0xa5; length];
        let index = Arc::new(Index::from_bytes(index, None).unwrap());
        let reader = Reader::new(Arc::new(self.store.chunks().clone()), index, ReaderOptions::default()).unwrap();
        (reader.read_at(offset, &mut data).map_err(Into::into), data)
    }

    fn extent(&self, index: &[u8], offset: u64) -> Outcome<Option<(u64, bool)>> {
        let index = Arc::new(Index::from_bytes(index, None)?);
        let reader = Reader::new(Arc::new(self.store.chunks().clone()), index, ReaderOptions::default())?;
        Ok(reader.extent(offset, u64::MAX).map(|extent| (extent.length, extent.is_zero)))
    }

    fn backup(
        &self,
        group: &str,
        time: i64,
        owner: Option<&str>,
        archives: &[(&str, Archive<'_>)],
    ) -> Outcome<(String, Option<String>)> {
        Ok(self.make(group, time, owner, archives)?)
    }

    fn list(&self, ns: &str, recursive: bool) -> Outcome<Vec<Listed>> {
        let mut found = Vec::new();
        for group in self.namespaces_of(ns, recursive)? {
            let listed = self.store.tree().snapshots(&group)?.found;
            found.extend(listed.into_iter().map(|info| (info.snapshot.path(), info.protected, info.finished)));
        }
        Ok(found)
    }

    fn groups(&self, ns: &str, recursive: bool) -> Outcome<Vec<String>> {
        Ok(self.namespaces_of(ns, recursive)?.iter().map(Group::path).collect())
    }

    fn namespaces(&self, ns: &str, recursive: bool) -> Outcome<Vec<String>> {
        let found = self.store.tree().namespaces(&Namespace::parse(ns)?, recursive)?.whole()?;
        Ok(found.iter().map(|ns| ns.as_str().to_owned()).collect())
    }

    fn files(&self, snapshot: &str) -> Outcome<Vec<(String, u64)>> {
        let files = self.store.tree().snapshot_files(&Snapshot::parse(snapshot)?)?;
        Ok(files.into_iter().map(|file| (file.name, file.size)).collect())
    }

    fn read_blob(&self, snapshot: &str, name: &str, max_len: usize) -> Outcome<Vec<u8>> {
        Ok(self.open_snapshot(snapshot)?.blob(name, max_len)?)
    }

    fn read_archive(&self, snapshot: &str, name: &str) -> Outcome<Vec<u8>> {
        let archive = self.open_snapshot(snapshot)?.index(name)?;
        let mut restorer = Restorer::new(self.store.chunks(), RestoreOptions::default());
        let mut data = Vec::new();
        restorer.restore(&archive.index, &mut |bytes| {
            data.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(data)
    }

    fn notes(&self, snapshot: &str) -> Outcome<String> {
        let manifest = self.store.tree().load_manifest(&Snapshot::parse(snapshot)?)?;
        Ok(manifest.notes().unwrap_or_default().to_owned())
    }

    fn set_notes(&self, snapshot: &str, notes: &str) -> Outcome<()> {
        Ok(self.store.tree().update_manifest(&Snapshot::parse(snapshot)?, |manifest| {
            manifest.set_notes(Some(notes).filter(|notes| !notes.is_empty()))?;
            Ok(())
        })?)
    }

    fn protect(&self, snapshot: &str, protected: bool) -> Outcome<()> {
        Ok(self.store.tree().set_protected(&Snapshot::parse(snapshot)?, protected)?)
    }

    fn destroy(&self, snapshot: &str) -> Outcome<()> {
        Ok(self.store.tree().destroy_snapshot(&Snapshot::parse(snapshot)?)?)
    }

    fn destroy_group(&self, group: &str) -> (Outcome<()>, (u64, u64)) {
        let mut destroyed = Destroyed::default();
        let outcome = Group::parse(group)
            .and_then(|group| self.store.tree().destroy_group(&group, &DestroyOptions::default(), &mut destroyed));
        let Destroyed { removed, protected } = destroyed;
        // Here the counts say it, there a status does.
        let outcome = outcome.and_then(|()| match protected {
            0 => Ok(()),
            _ => {
                let path = self.store.path().join(group);
                let stay = if protected == 1 { "snapshot stays" } else { "snapshots stay" };
                let message = format!("{}: {protected} protected {stay}", path.display());
                Err(Error::new(Kind::Protected, message).with_path(&path))
            }
        });
        (outcome.map_err(Into::into), (removed, protected))
    }

    fn owner(&self, group: &str) -> Outcome<Option<String>> {
        Ok(self.store.tree().group_owner(&Group::parse(group)?)?)
    }

    fn set_owner(&self, group: &str, owner: &str) -> Outcome<()> {
        Ok(self.store.tree().set_group_owner(&Group::parse(group)?, owner)?)
    }

    fn manifest(&self, text: &[u8]) -> Outcome<Vec<u8>> {
        Ok(Manifest::parse(text)?.to_json()?)
    }

    fn parse_group(&self, path: &str) -> Outcome<(String, String, String, String)> {
        let group = Group::parse(path)?;
        let (ns, kind, id) = (group.namespace().as_str(), group.kind().as_str(), group.id());
        Ok((ns.to_owned(), kind.to_owned(), id.to_owned(), group.path()))
    }

    fn parse_snapshot(&self, path: &str) -> Outcome<(String, String, String, i64, String)> {
        let snapshot = Snapshot::parse(path)?;
        let group = snapshot.group();
        let (ns, kind, id) = (group.namespace().as_str(), group.kind().as_str(), group.id());
        Ok((ns.to_owned(), kind.to_owned(), id.to_owned(), snapshot.time(), snapshot.path()))
    }
}
