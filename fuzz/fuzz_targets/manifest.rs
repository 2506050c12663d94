//! Any text as a manifest: what is read is written, read again and the same; what is signed verifies, changed notes or
//! not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxds::crypt::CryptKey;
use pxds::manifest::{Manifest, Signature};

fuzz_target!(|data: &[u8]| {
    let key = CryptKey::new(&[7; 32]);
    let Ok(mut manifest) = Manifest::parse(data) else { return };
    let _ = manifest.verify(&key);
    let _ = manifest.check_fingerprint(Some(&key));
    let Ok(text) = manifest.to_json() else { return };
    let again = Manifest::parse(&text).unwrap();
    assert_eq!(again.to_json().unwrap(), text);
    assert_eq!(again.files(), manifest.files());
    if manifest.sign(&key).is_err() {
        return;
    }
    manifest.set_notes(Some("changed")).unwrap();
    let Ok(text) = manifest.to_json() else { return };
    assert_eq!(Manifest::parse(&text).unwrap().verify(&key).unwrap(), Signature::Valid);
});
