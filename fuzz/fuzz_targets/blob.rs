//! Any bytes as a blob, with a right CRC or not, with a key or not; and what is sealed opens again.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pxds::blob::{Blob, Codec, update_crc};
use pxds::crypt::{CryptKey, Tolerance};

const MOST: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let key = Arc::new(CryptKey::new(&[7; 32]));
    let tolerance = Tolerance { short_iv: true, long_header: true };
    let mut codecs = [Codec::new(), Codec::with_key(Some(key.clone())), Codec::with_key(Some(key)).tolerant(tolerance)];
    let mut raw = data.to_vec();
    let _ = update_crc(&mut raw);
    for codec in &mut codecs {
        for raw in [data, &raw] {
            let Ok(blob) = codec.load(raw) else { continue };
            let bound = blob.decoded_bound();
            if let Ok(decoded) = codec.decode_vec(blob, None, MOST) {
                assert!(decoded.len() <= MOST && bound.is_ok_and(|bound| decoded.len() <= bound));
                let mut out = vec![0; decoded.len()];
                assert_eq!(codec.decode(blob, None, &mut out).unwrap(), decoded.len());
                assert_eq!(out, decoded);
            }
        }
    }
    // An authentic envelope around anything: the frames inside are hostile.
    let sealed = codecs[1].seal_vec(data, false).unwrap();
    assert_eq!(codecs[1].decode_vec(Blob::load(&sealed).unwrap(), None, data.len()).unwrap(), data);
    let mut compressed = sealed;
    compressed[..8].copy_from_slice(&[230, 89, 27, 191, 11, 191, 216, 11]);
    let _ = codecs[1].decode_vec(Blob::load(&compressed).unwrap(), None, MOST);
});
