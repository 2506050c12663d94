//! Whether an index still has the entries that it was written with (docs/format.md, 11.2).

use super::GcOptions;
use super::tree::IndexPlace;
use crate::base::NoticeLevel;
use crate::error::{Error, Kind, Result};
use crate::index::IndexRead;
use crate::store::Store;

/// Checks the csum of an index that has been read: it must be that of its header, or that in the manifest of its
/// snapshot.
///
/// An index with neither has lost or changed entries, and chunks that only these name would be removed.
///
/// Errors: `Corrupt`, unless the options take any csum, where it is a notice; that of the notice.
pub(super) fn check(store: &Store, options: &GcOptions, place: &IndexPlace, read: &IndexRead) -> Result<()> {
    let IndexRead { csum, header_csum, .. } = read;
    if csum == header_csum {
        return Ok(());
    }
    let path = &place.path;
    let warn = |message: &str| store.base().notice(NoticeLevel::Warning, message, Some(path));
    let Err(why) = vouched(store, place, read) else {
        let shown = path.display();
        return warn(&format!("{shown}: the csum in its header is wrong; the manifest vouches for it"));
    };
    let message = format!("its entries have the csum {csum}, and its header says {header_csum}; {why}");
    let error = Error::new(Kind::Corrupt, message).of(path);
    if options.any_csum { warn(error.message()) } else { Err(error) }
}

/// Whether the manifest of its snapshot lists the index as it is; else why not.
fn vouched(store: &Store, place: &IndexPlace, read: &IndexRead) -> std::result::Result<(), String> {
    let Some((snapshot, name)) = &place.archive else { return Err("it is in no snapshot that has another".to_owned()) };
    store
        .tree()
        .load_manifest(snapshot)
        .and_then(|manifest| manifest.verify_file(name, &read.csum, read.size))
        .map_err(|error| error.message().to_owned())
}
