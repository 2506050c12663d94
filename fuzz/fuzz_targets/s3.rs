//! Any bytes as what a service of S3 answers: heads, bodies of any form, lists, errors, times.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxds::backend::PAGE_MAX;
use pxds::backend::s3::http::{Take, read};
use pxds::backend::s3::{time, xml};

/// Bytes of a body that are taken.
const MOST: usize = 1000;

fn bodies(data: &[u8]) {
    if let Ok(page) = xml::page(data, None) {
        assert!(page.entries.len() <= PAGE_MAX);
        assert!(page.entries.iter().all(|entry| !entry.key.is_empty() && entry.key.len() <= 1024));
    }
    if let Ok(failed) = xml::not_deleted(data) {
        assert!(failed.len() <= PAGE_MAX && failed.iter().all(|failed| failed.key.len() <= 1024));
    }
    if let Ok(Some(failed)) = xml::failed(data) {
        assert!(failed.code.chars().count() <= 300 && failed.message.chars().count() <= 300);
    }
}

fuzz_target!(|data: &[u8]| {
    bodies(data);
    for (method, take) in [
        ("GET", Take::Whole(MOST)),
        ("GET", Take::All(MOST)),
        ("PUT", Take::Begin(MOST)),
        ("HEAD", Take::All(MOST)),
    ] {
        if let Ok((head, body)) = read(method, data, take) {
            assert!((200..1000).contains(&head.status) && body.len() <= MOST);
            assert!(method != "HEAD" || body.is_empty());
            bodies(&body);
            for name in ["date", "last-modified", "retry-after"] {
                let _ = head.field(name).and_then(time::from_http);
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        for text in text.lines() {
            if let Some(time) = time::from_http(text) {
                assert_eq!(time::from_http(&time::to_http(time)), Some(time));
            }
            if let Some(time) = time::from_listing(text) {
                let _ = time::to_signature(time);
            }
        }
    }
});
