//! Listings, page by page, checked like all that comes from outside.

use std::cmp::Ordering;

use super::{Answer, Backend, Call, Entry, Key, Object, PAGE_MAX};
use crate::error::{Error, Kind, Result, copy_text, harmless, push};

/// Characters of a foreign key that a message shows.
const SHOWN: usize = 80;

/// An object of a listing whose key is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// What is known of it.
    pub object: Object,
}

/// Where a listing of the objects below a prefix stands.
///
/// A page that is not as a backend promises ends it: keys without the prefix, not after those before, or in an order
/// that is neither that of bytes nor that of parts; more than [`PAGE_MAX`] of them; or none where more was promised. So
/// no service can lead it in a circle.
#[derive(Debug)]
pub struct Listing {
    prefix: String,
    /// The last key of the page before.
    after: String,
    orders: Orders,
    ended: bool,
    skipped: u64,
}

/// The orders that the keys so far are in.
#[derive(Debug, Clone, Copy)]
struct Orders {
    bytes: bool,
    parts: bool,
}

impl Orders {
    /// Those of these that `key` comes after `last` in; `None` if it does in none.
    fn with(self, last: &str, key: &str) -> Option<Orders> {
        let bytes = self.bytes && key > last;
        let parts = self.parts && by_parts(key, last) == Ordering::Greater;
        (bytes || parts).then_some(Orders { bytes, parts })
    }
}

/// The order of keys by their parts between slashes, each by its bytes: `a/b` comes before `a.b`.
pub fn by_parts(one: &str, other: &str) -> Ordering {
    // A slash ends a part, so it comes before every byte that a longer one may have there.
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    one.bytes().map(rank).cmp(other.bytes().map(rank))
}

impl Listing {
    /// One of the objects whose keys begin with `prefix` and come after `after`; an empty one is the beginning.
    pub fn new(prefix: &str, after: &str) -> Listing {
        Listing {
            prefix: prefix.into(),
            after: after.into(),
            orders: Orders { bytes: true, parts: true },
            ended: false,
            skipped: 0,
        }
    }

    /// The prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether all pages have been given.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// How many keys have been passed over that are none of a store's: [`Key::parse`] refuses them. Some services list
    /// directories so, with a slash behind them.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Puts the objects of the next page into `page`, in the place of what it has; that may be none. `false`: there
    /// are no more pages. After a failure the next call asks for the same page again.
    ///
    /// Errors: `Corrupt`, which another attempt does not mend; those of the backend.
    pub fn next(&mut self, backend: &dyn Backend, page: &mut Vec<Listed>, call: &Call<'_>) -> Answer<bool> {
        page.clear();
        if self.ended {
            return Ok(false);
        }
        let mut entries = Vec::new();
        let more = backend.list(&self.prefix, &self.after, &mut entries, call)?;
        Ok(self.take(entries, more, page).map(|()| true)?)
    }

    /// Checks a page and goes behind it.
    fn take(&mut self, entries: Vec<Entry>, more: bool, page: &mut Vec<Listed>) -> Result<()> {
        if entries.len() > PAGE_MAX {
            return Err(corrupt(format!("a page of {} objects, more than {PAGE_MAX}", entries.len())));
        }
        let (mut orders, mut skipped) = (self.orders, 0);
        let mut last = None;
        for Entry { key: text, object } in entries {
            orders = self.check(&text, last.as_deref().unwrap_or(&self.after), orders)?;
            match Key::parse(&text) {
                Ok(key) => push(page, Listed { key, object })?,
                Err(_) => skipped += 1,
            }
            last = Some(text);
        }
        match last {
            Some(last) => self.after = last,
            None if more => return Err(corrupt("a page without an object says that there are more".into())),
            None => {}
        }
        self.orders = orders;
        self.skipped = self.skipped.saturating_add(skipped);
        self.ended = !more;
        Ok(())
    }

    /// The orders that are left with `key` behind `last`.
    fn check(&self, key: &str, last: &str, orders: Orders) -> Result<Orders> {
        if !key.starts_with(&self.prefix) {
            return Err(corrupt(format!("the key {} does not begin with {:?}", shown(key)?, self.prefix)));
        }
        if last.is_empty() {
            return Ok(orders);
        }
        let Some(orders) = orders.with(last, key) else {
            return Err(corrupt(format!("the key {} does not come after {}", shown(key)?, shown(last)?)));
        };
        Ok(orders)
    }
}

/// A key that may be of any length and have any characters, for a message.
fn shown(key: &str) -> Result<String> {
    let end = key.char_indices().nth(SHOWN).map_or(key.len(), |(end, _)| end);
    copy_text(&key[..end]).map(harmless)
}

fn corrupt(what: String) -> Error {
    Error::new(Kind::Corrupt, format!("the listing is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str]) -> Vec<Entry> {
        keys.iter().map(|&key| Entry { key: key.into(), object: Object::default() }).collect()
    }

    /// The keys that are taken of pages, and how many are skipped; or the kind of the error.
    fn taken(prefix: &str, after: &str, pages: &[&[&str]]) -> std::result::Result<(Vec<String>, u64), Kind> {
        let mut listing = Listing::new(prefix, after);
        let mut keys = Vec::new();
        for (i, entries) in pages.iter().enumerate() {
            let mut taken = Vec::new();
            listing.take(page(entries), i + 1 < pages.len(), &mut taken).map_err(|error| error.kind())?;
            keys.extend(taken.into_iter().map(|listed| listed.key.as_str().to_owned()));
        }
        Ok((keys, listing.skipped()))
    }

    #[test]
    fn parts_come_before_what_is_longer() {
        let sorted = ["a", "a/", "a/b", "a/b/c", "a/b.c", "a.b", "a0", "b"];
        assert!(sorted.is_sorted_by(|one, other| by_parts(one, other) == Ordering::Less));
    }

    #[test]
    fn either_order_but_one_all_along() {
        let keys = |pages: &[&[&str]]| taken("", "", pages).map(|(keys, _)| keys.len());
        assert_eq!(keys(&[&["a.b", "a/b", "b"], &["b.c", "b/c"]]), Ok(5));
        assert_eq!(keys(&[&["a/b", "a.b", "b"], &["b/c", "b.c"]]), Ok(5));
        assert_eq!(keys(&[&["a.b", "a/b", "b/c", "b.c"]]), Err(Kind::Corrupt));
        assert_eq!(keys(&[&["a.b", "a/b"], &["b/c", "b.c"]]), Err(Kind::Corrupt));
        // Where one stands counts too.
        assert_eq!(taken("", "a.b", &[&["a/b", "a/c"]]).unwrap().0.len(), 2);
        assert_eq!(taken("", "a/b", &[&["a.b", "a/c"]]), Err(Kind::Corrupt));
    }

    #[test]
    fn what_is_no_listing() {
        for (prefix, after, pages) in [
            ("", "", &[&["b", "a"][..]][..]),
            ("", "", &[&["a", "a"]]),
            ("", "", &[&["a", "b"], &["a", "b"]]),
            ("", "", &[&["a", "b"], &["b"]]),
            ("", "b", &[&["b"]]),
            ("", "b", &[&["a"]]),
            ("", "", &[&["a"], &[], &["b"]]),
            ("", "", &[&[], &["b"]]),
            ("a/", "", &[&["a/b", "b/c"]]),
            ("a/", "", &[&["a"]]),
            ("a/", "", &[&["a/"], &["a/"]]),
        ] {
            assert_eq!(taken(prefix, after, pages), Err(Kind::Corrupt), "{pages:?}");
        }
        let many: Vec<_> = (0..=PAGE_MAX).map(|i| format!("{i:09}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(taken("", "", &[&many]), Err(Kind::Corrupt));
        assert_eq!(taken("", "", &[&many[1..]]).unwrap().0.len(), PAGE_MAX);
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        let pages: &[&[&str]] = &[&["a/", "a/b", "a/c d"], &["a/d/", "a/e//f"], &["a/e/f"]];
        assert_eq!(taken("a", "", pages), Ok((vec!["a/b".into(), "a/e/f".into()], 4)));
        assert_eq!(taken("a", "", &[&[]]), Ok((vec![], 0)));
    }
}
