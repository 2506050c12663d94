//! Any bytes as a configuration of PBS: whatever it says of a store, it is within its bounds.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pxds::name::check_store;
use pxds::pbsconfig::PbsStore;

fuzz_target!(|data: &[u8]| {
    let Ok(Some(found)) = PbsStore::parse(data, Path::new("/s")) else { return };
    check_store(&found.name).unwrap();
    assert!(found.tuning.cutoff_minutes.is_none_or(|minutes| (1..=2880).contains(&minutes)));
    assert!(found.tuning.remembered.is_none_or(|count| count <= 1 << 23));
    assert!(found.tuning.workers.is_none_or(|count| (1..=1024).contains(&count)));
    if let Some((name, path)) = found.entangled() {
        check_store(name).unwrap();
        assert!(path.is_absolute());
    }
});
