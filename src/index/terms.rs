//! Facts about an index that are not in it.

use crate::error::{Error, Kind, Result};

/// The facts that a manifest vouches for; none for an index that comes from elsewhere.
///
/// An index carries its terms, so that no code that takes chunks by it can pass them over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Its csum has been compared with something better than its header.
    pub vouched: bool,
    /// The form that every chunk must have.
    pub required_form: Option<RequiredForm>,
}

/// The form that every chunk of an index must have (docs/format.md, 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequiredForm {
    /// Encrypted.
    Encrypted,
    /// Not encrypted.
    Plain,
}

impl RequiredForm {
    /// Compares a chunk, `encrypted` or not, with what it must be.
    ///
    /// Errors: `CryptMode`.
    pub fn check(required: Option<Self>, encrypted: bool) -> Result<()> {
        match required {
            Some(RequiredForm::Encrypted) if !encrypted => {
                Err(Error::new(Kind::CryptMode, "the chunk is not encrypted and must be"))
            }
            Some(RequiredForm::Plain) if encrypted => {
                Err(Error::new(Kind::CryptMode, "the chunk is encrypted and must not be"))
            }
            _ => Ok(()),
        }
    }
}
