//! JSON, bounded on the way in and on the way out (docs/format.md, 8.4).

use std::io::{self, Write};

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::limits::JSON_MAX_SIZE;

/// Arrays and objects within each other, the outermost counted: as many as [`parse`] accepts.
pub const MAX_DEPTH: usize = 127;

/// Reads one value with nothing but white space around it. Of members of one name the last counts.
///
/// Errors: `Limit` above [`JSON_MAX_SIZE`]; `Format`, also for more than [`MAX_DEPTH`] levels.
pub fn parse(text: &[u8]) -> Result<Value> {
    if text.len() > JSON_MAX_SIZE {
        let message = format!("{} bytes of JSON are more than the {JSON_MAX_SIZE} that are read", text.len());
        return Err(Error::new(Kind::Limit, message));
    }
    serde_json::from_slice(text).map_err(|error| Error::new(Kind::Format, format!("it is no JSON: {error}")))
}

/// Arrays and objects within each other, the outermost counted; 0 for any other value.
pub fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    visit([value], |value, depth| {
        if value.is_array() || value.is_object() {
            deepest = deepest.max(depth);
        }
    });
    deepest
}

/// The canonical form, of at most `max_len` bytes: no white space, members sorted by the bytes of their names, no escapes
/// but the necessary ones.
///
/// Errors: `Format` if there is a null in it; `Limit`, `NoMemory`.
pub fn canonical(value: &Value, max_len: usize) -> Result<Vec<u8>> {
    refuse_null([value])?;
    write(max_len, |out| serde_json::to_writer(out, value))
}

/// Refuses values with a null in them, which have no canonical form.
///
/// Errors: `Format`.
pub fn refuse_null<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<()> {
    let mut found = false;
    visit(values, |value, _| found |= value.is_null());
    if found { Err(Error::new(Kind::Format, "canonical JSON has no null")) } else { Ok(()) }
}

/// Shows `values` and all that is in them, each with its depth from 1, in no order.
fn visit<'a>(values: impl IntoIterator<Item = &'a Value>, mut show: impl FnMut(&'a Value, usize)) {
    let mut left: Vec<_> = values.into_iter().map(|value| (value, 1)).collect();
    while let Some((value, depth)) = left.pop() {
        show(value, depth);
        match value {
            Value::Array(values) => left.extend(values.iter().map(|value| (value, depth + 1))),
            Value::Object(members) => left.extend(members.values().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
}

/// What `serialize` writes, at most `max_len` bytes.
///
/// Errors: `Limit`, `NoMemory`.
pub fn write(max_len: usize, serialize: impl FnOnce(&mut Bounded) -> serde_json::Result<()>) -> Result<Vec<u8>> {
    let mut out = Bounded { bytes: Vec::new(), max_len };
    serialize(&mut out).map_err(|error| match error.io_error_kind() {
        Some(io::ErrorKind::FileTooLarge) => Error::new(Kind::Limit, format!("the JSON has more than {max_len} bytes")),
        Some(io::ErrorKind::OutOfMemory) => Error::new(Kind::NoMemory, "cannot allocate the JSON"),
        _ => Error::new(Kind::Internal, format!("a value cannot be written: {error}")),
    })?;
    Ok(out.bytes)
}

/// Memory that takes so many bytes and no more.
pub struct Bounded {
    bytes: Vec<u8>,
    max_len: usize,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() > self.max_len - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.try_reserve(data.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert_eq!(depth(&parse(&nested(MAX_DEPTH)).unwrap()), MAX_DEPTH);
        assert_eq!(parse(&nested(MAX_DEPTH + 1)).unwrap_err().kind(), Kind::Format);
        assert_eq!(parse(&nested(100_000)).unwrap_err().kind(), Kind::Format);
        assert_eq!(depth(&json!(1)), 0);
        assert_eq!(depth(&json!([1, {"a": [], "b": 2}])), 3);
    }

    #[test]
    fn length_is_bounded() {
        let mut text = vec![b' '; JSON_MAX_SIZE];
        text[0] = b'1';
        assert_eq!(parse(&text).unwrap(), json!(1));
        text.push(b' ');
        assert_eq!(parse(&text).unwrap_err().kind(), Kind::Limit);

        let value = json!({"b": [1, 2], "a": "x"});
        let text = br#"{"a":"x","b":[1,2]}"#;
        assert_eq!(canonical(&value, text.len()).unwrap(), text);
        for max_len in 0..text.len() {
            assert_eq!(canonical(&value, max_len).unwrap_err().kind(), Kind::Limit, "{max_len}");
        }
    }

    #[test]
    fn null_is_refused_wherever_it_is() {
        for value in [json!(null), json!([1, [null]]), json!({"a": {"b": [true, null]}, "c": 1})] {
            assert_eq!(canonical(&value, 100).unwrap_err().kind(), Kind::Format, "{value}");
        }
    }
}
