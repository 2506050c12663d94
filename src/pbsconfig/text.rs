//! The form of PBS's configuration files: sections of lines, and values that are lists.

use std::borrow::Cow;

use crate::error::{Error, Kind, Result};

/// Most parts of a value: PBS knows a dozen.
const MAX_PROPERTIES: usize = 64;

/// Bytes of a line, at most: a path has up to 4095, and everything else that PBS writes is shorter. The parts of a line
/// that are kept or put into messages are so short that they need not be reserved first.
const MAX_LINE: usize = 5 << 10;

/// A key and its value, and where they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    key: &'a str,
    pub(super) value: &'a str,
    number: usize,
}

impl Line<'_> {
    /// The error that this line is wrong.
    pub(super) fn error(&self, what: &str) -> Error {
        wrong(self.number, what)
    }

    /// The error that this line says something that is not known.
    pub(super) fn unsupported(&self, what: &str) -> Error {
        self.error(what).with_kind(Kind::Unsupported)
    }
}

fn wrong(number: usize, what: &str) -> Error {
    Error::new(Kind::Format, format!("line {number}: {what}"))
}

/// Adds to a list that grows with the text.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    list.try_reserve(1).map_err(|_| Error::new(Kind::NoMemory, "no memory for a configuration"))?;
    list.push(item);
    Ok(())
}

/// `KIND: NAME`, and the lines below it.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    /// Its first line.
    pub(super) line: Line<'a>,
    lines: Vec<Line<'a>>,
}

impl<'a> Section<'a> {
    /// The line of `key`.
    ///
    /// Errors: `Format` if there are two.
    pub(super) fn get(&self, key: &str) -> Result<Option<&Line<'a>>> {
        let mut lines = self.lines.iter().filter(|line| line.key == key);
        let first = lines.next();
        match lines.next() {
            Some(second) => Err(second.error(&format!("a second {key}"))),
            None => Ok(first),
        }
    }
}

/// The sections of a configuration. A section begins at the margin, its lines are indented, and an empty line, or the
/// next section, ends it. A line that begins with `#` is a comment.
///
/// Errors: `Format` for a line that is neither, or too long, and for two sections of one kind and name.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut open = false;
    for (number, text) in (1..).zip(text.lines()) {
        if text.starts_with('#') {
            continue;
        }
        if text.len() > MAX_LINE {
            return Err(wrong(number, &format!("{} bytes are more than the {MAX_LINE} of a line", text.len())));
        }
        let trimmed = text.trim();
        if trimmed.is_empty() {
            open = false;
        } else if text.starts_with([' ', '\t']) {
            let section = sections.last_mut().filter(|_| open);
            let section = section.ok_or_else(|| wrong(number, "a key that belongs to no section"))?;
            let (key, value) = trimmed.split_once([' ', '\t']).unwrap_or((trimmed, ""));
            push(&mut section.lines, Line { key, value: value.trim_start(), number })?;
        } else {
            let header = trimmed.split_once(':').map(|(kind, name)| (kind.trim_end(), name.trim_start()));
            let header = header.filter(|(kind, name)| is_word(kind) && is_word(name));
            let (kind, name) = header.ok_or_else(|| wrong(number, "neither a section nor a key of one"))?;
            let line = Line { key: kind, value: name, number };
            push(&mut sections, Section { kind, name, line, lines: Vec::new() })?;
            open = true;
        }
    }
    check_unique(&sections)?;
    Ok(sections)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

/// Errors: `Format` if two sections have the same kind and name.
fn check_unique(sections: &[Section<'_>]) -> Result<()> {
    let mut order = Vec::new();
    for section in sections {
        push(&mut order, section)?;
    }
    order.sort_unstable_by_key(|section| (section.kind, section.name, section.line.number));
    for pair in order.windows(2) {
        let [first, second] = pair else { continue };
        if (first.kind, first.name) == (second.kind, second.name) {
            return Err(second.line.error(&format!("a second section {}: {}", second.kind, second.name)));
        }
    }
    Ok(())
}

/// The parts of a value that is a list.
#[derive(Debug)]
pub(super) struct Properties<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl Properties<'_> {
    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| *found == key).map(|(_, value)| value.as_ref())
    }

    /// The value of `key`, which may be left out in front of its value.
    pub(super) fn get_or_default(&self, key: &str) -> Option<&str> {
        self.get(key).or_else(|| self.get(""))
    }
}

/// Reads `KEY=VALUE,KEY=VALUE`, where a value may be in double quotes, with `\` in front of quotes in it, and one of
/// them may have no key.
///
/// Errors: `Format` for a quote that does not end or has something behind it, for a second value of a key, and for more
/// than [`MAX_PROPERTIES`].
pub(super) fn properties<'a>(line: &Line<'a>) -> Result<Properties<'a>> {
    let mut found: Vec<(&str, Cow<'_, str>)> = Vec::new();
    let mut rest = line.value;
    while !rest.is_empty() {
        let (key, behind) = match rest.find(['=', ',', '"']) {
            Some(at) if rest.as_bytes()[at] == b'=' => (rest[..at].trim(), rest[at + 1..].trim_start()),
            _ => ("", rest.trim_start()),
        };
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or_else(|| line.error("a quotation that does not end"))?,
            None => {
                let end = behind.find(',').unwrap_or(behind.len());
                (Cow::Borrowed(behind[..end].trim_end()), &behind[end..])
            }
        };
        rest = match behind.trim_start() {
            "" => "",
            behind => behind.strip_prefix(',').ok_or_else(|| line.error("something behind a quotation"))?.trim_start(),
        };
        if key.is_empty() && value.is_empty() {
            continue;
        }
        if found.iter().any(|(other, _)| *other == key) {
            return Err(line.error(&format!("a second value of {key:?}")));
        }
        if found.len() == MAX_PROPERTIES {
            return Err(line.error("too many parts"));
        }
        push(&mut found, (key, value))?;
    }
    Ok(Properties(found))
}

/// The text up to the closing quote, and what is behind that.
fn unquote(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut text = Cow::Borrowed("");
    let mut start = 0;
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => {
                text += &quoted[start..at];
                return Some((text, &quoted[at + 1..]));
            }
            '\\' => {
                text += &quoted[start..at];
                start = at + 1;
                chars.next()?;
            }
            _ => {}
        }
    }
    None
}

/// A boolean, as PBS reads it.
pub(super) fn is_true(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["1", "on", "yes", "true"]) {
        Some(true)
    } else {
        is_one_of(["0", "off", "no", "false"]).then_some(false)
    }
}
