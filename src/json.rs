//! JSON, bounded on the way in and on the way out (docs/format.md, 8.4).

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Serializer, Value};

use crate::error::{Error, Kind, Result, reserve};
use crate::limits::{JSON_MAX_SIZE, JSON_MAX_VALUES};

/// Arrays and objects within each other, the outermost counted: as many as [`parse`] accepts.
pub const MAX_DEPTH: usize = 127;

/// Bytes that a value takes in a tree, at most: an object of one member has a node with room for eleven. The bytes of
/// strings come on top of that, and are copied while they grow.
const VALUE_SIZE: usize = 768;

/// Values and bytes of JSON that is read without asking for memory before, as that of nearly every snapshot.
const SMALL_TREE: usize = 64;
const SMALL_TEXT: usize = 8 << 10;

/// Reads one value with nothing but white space around it. Of members of one name the last counts.
///
/// Errors: `Limit` above [`JSON_MAX_SIZE`] or [`JSON_MAX_VALUES`]; `Format`, also for more than [`MAX_DEPTH`] levels;
/// `NoMemory`.
pub fn parse(text: &[u8]) -> Result<Value> {
    if text.len() > JSON_MAX_SIZE {
        let message = format!("{} bytes of JSON are more than the {JSON_MAX_SIZE} that are read", text.len());
        return Err(Error::new(Kind::Limit, message));
    }
    let mut values = separators(text) + 1;
    if values > SMALL_TREE {
        values = most_values(text);
    }
    if values > JSON_MAX_VALUES {
        return Err(Error::new(
            Kind::Limit,
            format!("the JSON may have more than the {JSON_MAX_VALUES} values that are read"),
        ));
    }
    // The parser cannot handle a lack of memory, so as much as the tree can take is asked for before. The memory that
    // is set aside for small things is enough for a small tree.
    if values > SMALL_TREE || text.len() > SMALL_TEXT {
        reserve(&mut Vec::<u8>::new(), values * VALUE_SIZE + 3 * text.len())?;
    }
    serde_json::from_slice(text).map_err(|error| Error::new(Kind::Format, format!("it is no JSON: {error}")))
}

/// The commas and opening brackets in `text`, those in strings too. Each value but the first is behind one.
fn separators(text: &[u8]) -> usize {
    // Counted in bytes, as many as these can hold, so that the compiler takes many at a time.
    let is_one = |byte: u8| u8::from((byte == b',') | (byte == b'[') | (byte == b'{'));
    let count = |part: &[u8]| part.iter().fold(0_u8, |count, &byte| count.wrapping_add(is_one(byte)));
    text.chunks(usize::from(u8::MAX)).map(|part| usize::from(count(part))).sum()
}

/// No fewer than there are values in `text`, up to where they are too deep within each other to be read: each is the
/// first, or behind a comma or an opening bracket.
fn most_values(text: &[u8]) -> usize {
    let (mut count, mut depth, mut in_string, mut escaped) = (1, 0_usize, false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b',' => count += 1,
            b'[' | b'{' => (count, depth) = (count + 1, depth + 1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            break;
        }
    }
    count
}

/// Arrays and objects within each other, the outermost counted; 0 for any other value.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Writes `value` for people, two spaces a level, in at most `max_len` bytes.
///
/// Errors: `Limit`, `NoMemory`.
pub fn pretty(value: &impl Serialize, max_len: usize) -> Result<Vec<u8>> {
    write(value, max_len, PrettyFormatter::new())
}

/// The canonical form of `value`, of at most `max_len` bytes: no white space, members sorted by the bytes of their
/// names, no escapes but the necessary ones.
///
/// Errors: `Format` if there is a null in it; `Limit`, `NoMemory`.
pub fn canonical(value: &impl Serialize, max_len: usize) -> Result<Vec<u8>> {
    write(value, max_len, Canonical)
}

fn write(value: &impl Serialize, max_len: usize, formatter: impl Formatter) -> Result<Vec<u8>> {
    let mut out = Bounded { bytes: Vec::new(), max_len };
    value.serialize(&mut Serializer::with_formatter(&mut out, formatter)).map_err(|error| {
        match error.io_error_kind() {
            Some(io::ErrorKind::FileTooLarge) => {
                Error::new(Kind::Limit, format!("the JSON has more than {max_len} bytes"))
            }
            Some(io::ErrorKind::OutOfMemory) => Error::new(Kind::NoMemory, "cannot allocate the JSON"),
            Some(io::ErrorKind::InvalidData) => Error::new(Kind::Format, "canonical JSON has no null"),
            _ => Error::new(Kind::Internal, format!("cannot write JSON: {error}")),
        }
    })?;
    Ok(out.bytes)
}

/// The compact form, without null and with numbers as PBS writes them.
struct Canonical;

impl Formatter for Canonical {
    fn write_null<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Versions of serde_json differ in this: "1e21" or "1e+21". A signature covers it.
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, number: f64) -> io::Result<()> {
        let scientific = format!("{number:e}");
        let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
        match exponent {
            Some(-5..=15) if number.fract() == 0.0 => write!(writer, "{number}.0"),
            Some(-5..=15) => write!(writer, "{number}"),
            _ => writer.write_all(scientific.as_bytes()),
        }
    }
}

/// A writer to memory that takes so many bytes and no more.
struct Bounded {
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
    fn floats_are_written_as_by_pbs() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.00001, "0.00001"),
            (0.000012, "0.000012"),
            (0.0000099, "9.9e-6"),
            (-12.5, "-12.5"),
            (1e15, "1000000000000000.0"),
            (1234567890123456.7, "1234567890123456.8"),
            (9007199254740993e0, "9007199254740992.0"),
            (1e16, "1e16"),
            (1.5e16, "1.5e16"),
            (-1e21, "-1e21"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(String::from_utf8(canonical(&json!(number), 100).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn numbers_stay_the_same() {
        let mut bits = 1_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let number = f64::from_bits(bits);
            if number.is_finite() {
                let value = json!(number);
                assert_eq!(parse(&canonical(&value, 100).unwrap()).unwrap(), value);
                assert_eq!(parse(&pretty(&value, 100).unwrap()).unwrap(), value);
            }
        }
    }

    #[test]
    fn null_is_refused_wherever_it_is() {
        for value in [json!(null), json!([1, [null]]), json!({"a": {"b": [true, null]}, "c": 1})] {
            assert_eq!(canonical(&value, 100).unwrap_err().kind(), Kind::Format, "{value}");
        }
    }

    #[test]
    fn values_are_counted_before_they_take_memory() {
        for (text, count) in [
            (&b"0"[..], 1),
            (b"[]", 2),
            (b"[1,2]", 3),
            (br#"{"a":[1,{}],"b":"[,{"}"#, 6),
            (br#"["\"[",",\\",1]"#, 4),
            (b"\"[", 1),
        ] {
            assert_eq!(most_values(text), count, "{}", String::from_utf8_lossy(text));
        }
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert_eq!(parse(list(JSON_MAX_VALUES - 1).as_bytes()).unwrap().as_array().unwrap().len(), JSON_MAX_VALUES - 2);
        assert_eq!(parse(list(JSON_MAX_VALUES + 1).as_bytes()).unwrap_err().kind(), Kind::Limit);
    }
}
