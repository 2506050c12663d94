//! Any text as a key file: read again after it is written, and unlocked where that is cheap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxds::keyfile::{Kdf, KeyFile};

fuzz_target!(|data: &[u8]| {
    let Ok(file) = KeyFile::parse(data) else { return };
    if file.kdf() == Kdf::None {
        let _ = file.unlock(b"");
    }
    // A time can be beyond the years that have a name once its offset is gone.
    let Ok(text) = file.to_json() else { return };
    let again = KeyFile::parse(text.as_bytes()).unwrap();
    assert_eq!(again.to_json().unwrap(), text);
    assert_eq!((again.created(), again.modified(), again.kdf()), (file.created(), file.modified(), file.kdf()));
});
