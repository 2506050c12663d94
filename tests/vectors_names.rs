//! Names and times against PBS: tests/vectors/names and tests/vectors/times.

mod common;

use common::{Json, vector_json};
use pxds::calendar::{format_time, parse_time};
use pxds::name::{ArchiveKind, BackupType, Group, Namespace, Snapshot, check_archive, check_id, is_archive_file};
use serde_json::Value;

fn candidates() -> Value {
    vector_json("names/names.json")["candidates"].take()
}

fn for_each_candidate(mut check: impl FnMut(&str, &Value)) {
    let candidates = candidates();
    let candidates = candidates.as_array().unwrap();
    assert_eq!(candidates.len(), 110);
    for candidate in candidates {
        check(candidate.get_str("input"), candidate);
    }
}

/// A name of more than 255 bytes is no file's: docs/format.md, 18. PBS's pattern has no maximum.
fn is_too_long_for_a_file(input: &str) -> bool {
    input.len() > 255
}

#[test]
fn ids() {
    let mut too_long = 0;
    for_each_candidate(|input, expected| {
        let mut expected = expected.get_bool("backup_id");
        if expected && is_too_long_for_a_file(input) {
            too_long += 1;
            expected = false;
        }
        assert_eq!(check_id(input).is_ok(), expected, "{input:?}");
    });
    assert_eq!(too_long, 3);
}

#[test]
fn types() {
    for_each_candidate(|input, expected| {
        let parsed = BackupType::parse(input);
        assert_eq!(parsed.is_ok(), expected.get_bool("backup_type"), "{input:?}");
        if let Ok(kind) = parsed {
            assert_eq!(kind.as_str(), input);
        }
    });
}

#[test]
fn namespaces() {
    for_each_candidate(|input, expected| {
        let expected = &expected["namespace_parse"];
        let parsed = Namespace::parse(input);
        assert_eq!(parsed.is_ok(), expected.is_ok(), "{input:?}");
        let Ok(namespace) = parsed else { return };
        let expected = &expected["value"];
        assert_eq!(namespace.as_str(), expected.get_str("display"));
        assert_eq!(namespace.to_string(), expected.get_str("display"));
        assert_eq!(namespace.as_str().len() as u64, expected.get_u64("name_len"));
        assert_eq!(namespace.depth() as u64, expected.get_u64("depth"));
        assert_eq!(namespace.path(), expected.get_str("path"));
        assert_eq!(namespace.path().len() as u64, expected.get_u64("path_len"));
    });
}

/// PBS reads the path of a group without its namespaces; here they belong to it.
#[test]
fn groups() {
    for_each_candidate(|input, expected| {
        let group = Group::parse(input).ok().filter(|group| group.namespace().is_root());
        assert_eq!(group.as_ref().map(Group::path).as_deref(), expected["group_path"].as_str(), "{input:?}");
    });
}

#[test]
fn snapshots() {
    for_each_candidate(|input, expected| {
        let snapshot = Snapshot::parse(input).ok();
        let in_root = snapshot.as_ref().filter(|snapshot| snapshot.group().namespace().is_root());
        assert_eq!(in_root.map(Snapshot::path).as_deref(), expected["snapshot_path"].as_str(), "{input:?}");

        let parts = snapshot.map(|snapshot| {
            let group = snapshot.group();
            let name = format!("{}/{}", group.name(), snapshot.time_name());
            assert_eq!(snapshot.path(), input);
            Value::from(vec![group.namespace().as_str().to_owned(), name])
        });
        assert_eq!(parts.unwrap_or(Value::Null), expected["ns_and_snapshot"], "{input:?}");
    });
}

#[test]
fn archives() {
    for_each_candidate(|input, expected| {
        let kind = match expected["archive_type"].as_str() {
            Some("didx") => Some(ArchiveKind::Dynamic),
            Some("fidx") => Some(ArchiveKind::Fixed),
            Some("blob") => Some(ArchiveKind::Blob),
            Some(other) => panic!("{other}"),
            // PBS takes the extension of a path, of which a leading dot is none.
            None if input == ".didx" => Some(ArchiveKind::Dynamic),
            None => None,
        };
        assert_eq!(ArchiveKind::of(input).ok(), kind, "{input:?}");
        assert_eq!(is_archive_file(input), expected.get_bool("backup_file_regex"), "{input:?}");
        // PBS's schema asks for a good name, and its uploads for an extension besides.
        let good = expected.get_bool("archive_name_schema") && !is_too_long_for_a_file(input);
        assert_eq!(check_archive(input).ok(), kind.filter(|_| good), "{input:?}");
    });
}

#[test]
fn groups_are_sorted_as_in_pbs() {
    let names = vector_json("names/names.json");
    let expected: Vec<_> = names.get_list("group_order").iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(expected.len(), 16);
    let mut groups: Vec<_> = expected.iter().rev().map(|path| Group::parse(path).unwrap()).collect();
    groups.sort();
    assert_eq!(groups.iter().map(Group::path).collect::<Vec<_>>(), expected);
}

#[test]
fn times_are_written() {
    let times = vector_json("times/times.json");
    let cases = times.get_list("epoch_to_string");
    assert_eq!(cases.len(), 40);
    for case in cases {
        let time = case["epoch"].as_i64().unwrap();
        let expected = &case["utc"];
        let text = format_time(time);
        assert_eq!(text.is_ok(), expected.is_ok(), "{time}");
        if let Ok(text) = text {
            assert_eq!(text, expected.get_str("value"));
            assert_eq!(parse_time(&text).unwrap(), time);
        }
    }
}

/// Names that PBS reads as the time of another name, such as a 30th of February: refused (docs/format.md, 18).
const NOT_OF_ITS_TIME: [&str; 8] = [
    "2001-02-29T00:00:00Z",
    "2020-02-30T00:00:00Z",
    "2020-02-31T12:00:00Z",
    "2020-04-31T00:00:00Z",
    "2020-00-10T00:00:00Z",
    "2020-01-00T00:00:00Z",
    "2020-01-01T23:59:60Z",
    "2020-12-31T23:59:60Z",
];

#[test]
fn times_are_read() {
    let times = vector_json("times/times.json");
    let cases = times.get_list("string_to_epoch");
    assert_eq!(cases.len(), 40);
    let mut refused = Vec::new();
    for case in cases {
        let input = case.get_str("input");
        // PBS reads other forms of a time too, but none of them names a snapshot.
        let expected = case["snapshot_path"]["value"]["time"].as_i64();
        let time = parse_time(input).ok();
        match input {
            // The C library's way to report an error is a time like any other.
            "1969-12-31T23:59:59Z" => assert_eq!((time, expected), (Some(-1), None)),
            _ if NOT_OF_ITS_TIME.contains(&input) => {
                assert!(time.is_none() && expected.is_some(), "{input}");
                refused.push(input);
            }
            _ => assert_eq!(time, expected, "{input:?}"),
        }
        let snapshot = Snapshot::parse(&format!("host/x/{input}")).ok();
        assert_eq!(snapshot.map(|snapshot| snapshot.time()), time, "{input:?}");
    }
    assert_eq!(refused, NOT_OF_ITS_TIME);
}
