//! The configuration of a store in Proxmox Backup Server's file `datastore.cfg` (docs/format.md, 7.10).
//!
//! # Contract
//!
//! - The text is untrusted: its length is bounded, and a line that matters and is not understood is an error that names
//!   it. Sections and keys that do not matter are passed over.
//! - A store is found by its directory, whatever path leads there, and never by its name.
//! - A maintenance mode that is not known keeps the store from being used, as the strictest of the known ones does.

mod text;

use std::path::{Path, PathBuf};

use crate::base::SyncLevel;
use crate::error::{Error, Kind, Result};
use crate::gc::{MAX_CUTOFF, MAX_REMEMBERED};
use crate::limits::{MAX_THREADS, PBS_CONFIG_MAX_SIZE};
use crate::name::check_store;
use crate::sys::{self, Dir};
use text::{Line, Section, is_true, properties, push, sections};

/// The type of the sections that are about stores.
const DATASTORE: &str = "datastore";

/// Where PBS mounts the stores that have a device of their own, each under its name.
const MOUNT_DIR: &str = "/mnt/datastore";

/// The configuration of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PbsStore {
    /// Its name.
    pub name: String,
    /// It may only be read for the time being; the text gives the reason, if there is one.
    pub read_only: Option<String>,
    /// It is the local cache of a store in S3.
    pub is_s3: bool,
    /// The configured tuning.
    pub tuning: Tuning,
    /// The other stores: names and directories.
    others: Vec<(String, PathBuf)>,
    /// Its directory.
    path: PathBuf,
}

/// How a store is used, as far as that is configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tuning {
    /// When chunks are brought to the disk.
    pub sync: Option<SyncLevel>,
    /// Minutes without a touch after which a chunk may go.
    pub cutoff_minutes: Option<u32>,
    /// Whether garbage collection tries out first whether access times are kept.
    pub probes_atime: Option<bool>,
    /// Digests that garbage collection remembers; 0 for none.
    pub remembered: Option<usize>,
    /// Whether a verification reads chunks in the order of their inodes.
    pub inode_order: Option<bool>,
    /// Threads that a verification checks chunks on.
    pub workers: Option<u32>,
}

impl PbsStore {
    /// Reads what the configuration file `config` says of the store in the directory `store`; `None` if it does not
    /// know it.
    ///
    /// Errors: `Busy` if the store is in a maintenance mode that allows no use; `Unsupported` for a mode, or a backend,
    /// that is not known; `Format`, with the line; `Limit` for a file that is too long; `NotFound`, `Io`.
    pub fn read(config: &Path, store: &Path) -> Result<Option<Self>> {
        let (file, size) = sys::open_regular(config)?;
        let text = sys::read_bounded(&file, size, PBS_CONFIG_MAX_SIZE);
        text.and_then(|text| Self::parse(&text, store)).map_err(|error| error.of(config))
    }

    /// As [`PbsStore::read`], of the content of such a file.
    ///
    /// Errors: as [`PbsStore::read`], without a path.
    pub fn parse(text: &[u8], store: &Path) -> Result<Option<Self>> {
        let text = std::str::from_utf8(text).map_err(|_| Error::new(Kind::Format, "it is not UTF-8"))?;
        let mut places = Vec::new();
        for section in sections(text)? {
            if section.kind != DATASTORE {
                continue;
            }
            check_store(section.name).map_err(|error| section.line.error(error.message()))?;
            let path = place(&section)?;
            sys::check_memory()?;
            push(&mut places, (section, path))?;
        }
        let Some(ours) = find(&places, store)? else { return Ok(None) };
        let (section, path) = places.swap_remove(ours);
        let mut found = PbsStore { name: section.name.to_owned(), path, ..PbsStore::default() };
        for (other, path) in places {
            sys::check_memory()?;
            push(&mut found.others, (other.name.to_owned(), path))?;
        }
        found.heed(&section)?;
        Ok(Some(found))
    }

    fn heed(&mut self, section: &Section<'_>) -> Result<()> {
        if let Some(line) = section.get("backend")? {
            self.is_s3 = match properties(line)?.get_or_default("type") {
                Some("filesystem") | None => false,
                Some("s3") => true,
                Some(other) => return Err(line.unsupported(&format!("the backend {other:?} is not known"))),
            };
        }
        if let Some(line) = section.get("tuning")? {
            self.tuning = Tuning::read(line)?;
        }
        match section.get("maintenance-mode")? {
            Some(line) => self.heed_maintenance(line),
            None => Ok(()),
        }
    }

    fn heed_maintenance(&mut self, line: &Line<'_>) -> Result<()> {
        let properties = properties(line)?;
        let message = properties.get("message").unwrap_or_default();
        let mode = properties.get_or_default("type").ok_or_else(|| line.error("it names no maintenance mode"))?;
        match mode {
            "read-only" => {
                self.read_only = Some(message.to_owned());
                Ok(())
            }
            "offline" | "delete" | "unmount" | "s3-refresh" => {
                let colon = if message.is_empty() { "" } else { ": " };
                let what = format!("the store {} is in maintenance mode {mode}{colon}{message}", self.name);
                Err(Error::new(Kind::Busy, what))
            }
            other => Err(line.unsupported(&format!("the maintenance mode {other:?} is not known"))),
        }
    }

    /// A store that lies in this one, or this one in it: its name and its directory. PBS collects no garbage then,
    /// since one store's chunks would be looked for in the indexes of the other.
    pub fn entangled(&self) -> Option<(&str, &Path)> {
        let resolve = |path: &Path| sys::resolved(path).unwrap_or_else(|_| path.to_owned());
        let ours = resolve(&self.path);
        self.others
            .iter()
            .find(|(_, path)| {
                let other = resolve(path);
                other.starts_with(&ours) || ours.starts_with(&other)
            })
            .map(|(name, path)| (name.as_str(), path.as_path()))
    }
}

impl Tuning {
    fn read(line: &Line<'_>) -> Result<Self> {
        let properties = properties(line)?;
        let number = |key: &str, least: u64, most: usize| match properties.get(key) {
            None => Ok(None),
            Some(value) => match value.parse::<u64>().ok().filter(|&value| value >= least && value <= most as u64) {
                Some(value) => Ok(Some(value)),
                None => Err(line.error(&format!("{key} is {value:?} and not a number from {least} to {most}"))),
            },
        };
        let unknown = |key: &str, value: &str| line.error(&format!("{key} cannot be {value:?}"));
        Ok(Tuning {
            sync: match properties.get("sync-level") {
                None => None,
                Some("none") => Some(SyncLevel::None),
                Some("file") => Some(SyncLevel::File),
                Some("filesystem") => Some(SyncLevel::Filesystem),
                Some(other) => return Err(unknown("sync-level", other)),
            },
            cutoff_minutes: number("gc-atime-cutoff", 1, MAX_CUTOFF as usize)?.map(|value| value as u32),
            probes_atime: match properties.get("gc-atime-safety-check") {
                None => None,
                Some(value) => Some(is_true(value).ok_or_else(|| unknown("gc-atime-safety-check", value))?),
            },
            remembered: number("gc-cache-capacity", 0, MAX_REMEMBERED)?.map(|value| value as usize),
            inode_order: match properties.get("chunk-order") {
                None => None,
                Some("none") => Some(false),
                Some("inode") => Some(true),
                Some(other) => return Err(unknown("chunk-order", other)),
            },
            workers: number("default-verification-workers", 1, MAX_THREADS)?.map(|value| value as u32),
        })
    }
}

/// The directory of a store.
fn place(section: &Section<'_>) -> Result<PathBuf> {
    if section.get("backing-device")?.is_some() {
        return Ok(Path::new(MOUNT_DIR).join(section.name));
    }
    match section.get("path")? {
        Some(line) if Path::new(line.value).is_absolute() => Ok(PathBuf::from(line.value)),
        Some(line) => Err(line.error(&format!("the path {:?} is not one from the root", line.value))),
        None => Err(section.line.error(&format!("the store {} has no path", section.name))),
    }
}

/// Which of the places is the directory `store`.
fn find(places: &[(Section<'_>, PathBuf)], store: &Path) -> Result<Option<usize>> {
    let absolute = sys::absolute(store)?;
    let resolved = sys::resolved(&absolute).ok();
    // The cheap looks first: a file system that does not answer would hold the costly ones up.
    let looks: [&dyn Fn(&Path) -> bool; 3] =
        [&|path| path == absolute, &|path| resolved.is_some() && sys::resolved(path).ok() == resolved, &|path| {
            is_same_dir(path, &absolute)
        }];
    for look in looks {
        let mut found = (0..places.len()).filter(|&i| look(&places[i].1));
        let Some(first) = found.next() else { continue };
        if let Some(second) = found.next() {
            let (name, line) = (places[first].0.name, places[second].0.line);
            return Err(line.error(&format!("it has the directory of the store {name} too")));
        }
        return Ok(Some(first));
    }
    Ok(None)
}

/// Whether two paths lead to one directory, which a mount can show in two places.
fn is_same_dir(one: &Path, other: &Path) -> bool {
    let identity = |path| Dir::open(path).and_then(|dir| dir.stat_self()).map(|stat| (stat.device, stat.inode));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}
