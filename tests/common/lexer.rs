//! Just enough of Rust's syntax to find the paths in a source file: no comments, no strings, no `#[cfg(test)]` items.

use std::collections::BTreeSet;

/// A word or a punctuation mark, and the line that it is on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A path such as `std::fs::File`; those of a braced `use` one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// Splits a source file into tokens. `::` is one; strings, characters, lifetimes and comments are none.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => at = end_of_line(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => at = end_of_comment(&chars, at),
            '"' => at = end_of_string(&chars, at),
            '\'' => at = end_of_quote(&chars, at),
            c if is_word(c) => {
                at = (at..chars.len()).find(|&at| !is_word(chars[at])).unwrap_or(chars.len());
                let word: String = chars[start..at].iter().collect();
                match raw_string(&chars, at, &word) {
                    Some(end) => at = end,
                    None => tokens.push(Token { text: word, line }),
                }
            }
            ':' if chars.get(at + 1) == Some(&':') => {
                at += 2;
                tokens.push(Token { text: "::".to_owned(), line });
            }
            c => {
                at += 1;
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.to_string(), line });
                }
            }
        }
        line += chars[start..at].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|&c| c == '\n').map_or(chars.len(), |len| at + len)
}

fn end_of_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// A character literal, or the mark of a lifetime.
fn end_of_quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let close = chars[at + 3..].iter().position(|&c| c == '\'');
            close.map_or(chars.len(), |len| at + 3 + len + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// The end of a raw string whose prefix is `word`, if there is one.
fn raw_string(chars: &[char], at: usize, word: &str) -> Option<usize> {
    if !matches!(word, "r" | "br" | "cr") {
        return None;
    }
    let hashes = chars[at..].iter().take_while(|&&c| c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = ['"'].into_iter().chain(std::iter::repeat_n('#', hashes)).collect();
    let body = at + hashes + 1;
    let len = chars[body..].windows(close.len()).position(|window| window == close)?;
    Some(body + len + close.len())
}

/// Takes out the items under `#[cfg(test)]`; gives the rest, and on how many lines they were.
pub(crate) fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, usize) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let is_mark = |at: usize| {
        tokens.len() >= at + MARK.len() && tokens[at..].iter().zip(MARK).all(|(token, text)| token.text == text)
    };
    let (mut kept, mut lines, mut at) = (Vec::new(), BTreeSet::new(), 0);
    while at < tokens.len() {
        if is_mark(at) {
            let end = end_of_item(&tokens, at + MARK.len());
            lines.extend(tokens[at].line..=tokens[end - 1].line);
            at = end;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, lines.len())
}

/// The place behind an item: behind its `;`, or behind the brace that closes it.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let is_use = tokens.get(start).is_some_and(|token| token.text == "use");
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && (token.text == ";" || (token.text == "}" && !is_use)) {
            return at + 1;
        }
    }
    tokens.len()
}

/// Every path in the tokens that has at least two segments.
pub(crate) fn paths(tokens: &[Token]) -> Vec<Found> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let begins = tokens[at].text.starts_with(is_word) && (at == 0 || tokens[at - 1].text != "::");
        if begins && tokens.get(at + 1).is_some_and(|next| next.text == "::") {
            follow(tokens, at, &[], &mut found);
        }
    }
    found
}

/// Follows the path that begins at `at`; gives the place behind it.
fn follow(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Found>) -> usize {
    let line = tokens[at].line;
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut segments = prefix.to_vec();
    loop {
        segments.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
        if text(at) == "{" {
            at += 1;
            while at < tokens.len() && text(at) != "}" {
                at = if text(at) == "," { at + 1 } else { follow(tokens, at, &segments, found) };
            }
            return at + 1;
        }
        if !text(at).starts_with(|c| is_word(c) || c == '*') {
            break;
        }
    }
    found.push(Found { segments, line });
    at
}
