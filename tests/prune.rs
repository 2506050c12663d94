//! Pruning (docs/format.md, 12): the decisions, held to PBS's and to a model of them; and what is removed by them.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use common::{Json, Rng, Scratch, failure, flock, kind, vector_json};
use pxds::base::SyncLevel;
use pxds::blob::Codec;
use pxds::calendar::{format_time, parse_time};
use pxds::callback::Callback;
use pxds::error::{Error, Kind};
use pxds::manifest::{Manifest, VerifyState};
use pxds::name::{Group, Snapshot};
use pxds::progress::{OnProgress, Stage};
use pxds::prune::{Decision, Keep, Mark, Row, Rule, decide};
use pxds::store::{Store, StoreOptions};
use pxds::tree::{PruneOptions, Pruned, Tree};
use pxds::zone::Zone;
use serde_json::Value;

fn keep(counts: [u64; 6]) -> Keep {
    let [last, hourly, daily, weekly, monthly, yearly] = counts;
    Keep { last, hourly, daily, weekly, monthly, yearly, ..Keep::default() }
}

fn row(time: i64) -> Row {
    Row { time, finished: true, protected: false, verified: false }
}

fn marks(rows: &[Row], keep: &Keep, zone: &Zone) -> pxds::error::Result<Vec<Mark>> {
    Ok(decide(rows, keep, zone)?.iter().map(|decision| decision.mark).collect())
}

/// The mark, and the rules that keep it.
fn why(decision: &Decision) -> String {
    let rules = Rule::ALL.into_iter().filter(|&rule| decision.rules.has(rule)).map(|rule| format!(" {rule:?}"));
    decision.mark.as_str().to_owned() + &rules.collect::<String>()
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

// ---- vectors and examples ----

fn vector_keep(case: &Value) -> Keep {
    let count = |name: &str| case["keep"].get(format!("keep-{name}")).map_or(0, |count| count.as_u64().unwrap());
    keep(["last", "hourly", "daily", "weekly", "monthly", "yearly"].map(count))
}

/// Without a count PBS's function marks everything to be removed, and its API removes nothing; here both are one.
#[test]
fn as_pbs_decides() {
    let vectors = vector_json("prune/prune.json");
    let mut without_counts = 0;
    for case in vectors.get_list("cases") {
        let name = case.get_str("name");
        let rows: Vec<Row> = case
            .get_list("snapshots")
            .iter()
            .map(|row| Row {
                time: row["time"].as_i64().unwrap(),
                finished: row.get_bool("finished"),
                protected: row.get_bool("protected"),
                verified: false,
            })
            .collect();
        let keep = vector_keep(case);
        assert_eq!(keep.keeps_something(), case.get_bool("keeps_something"), "{name}");
        without_counts += u32::from(!keep.keeps_something());

        let found = marks(&rows, &keep, &zone(case.get_str("tz"))).unwrap();
        let found: BTreeMap<i64, &str> =
            rows.iter().map(|row| row.time).zip(found.iter().map(|m| m.as_str())).collect();
        let expected: BTreeMap<i64, &str> = case
            .get_list("result")
            .iter()
            .map(|pair| match pair[1].as_str().unwrap() {
                "remove" if !keep.keeps_something() => (pair[0].as_i64().unwrap(), "keep"),
                mark => (pair[0].as_i64().unwrap(), mark),
            })
            .collect();
        assert_eq!(found, expected, "{name}");
        let kept: BTreeSet<i64> = found.iter().filter(|(_, mark)| **mark != "remove").map(|(time, _)| *time).collect();
        let by_the_api = case.get_list("api_keeps").iter().map(|time| time.as_i64().unwrap()).collect();
        assert_eq!(kept, by_the_api, "{name}");
    }
    assert_eq!(without_counts, 4);
}

fn assert_marks(rows: &[(&str, &str)], keep: &Keep, zone_name: &str, expected: &[&str]) {
    let read = |(time, state): &(&str, &str)| Row {
        time: parse_time(time).unwrap(),
        finished: !state.contains("unfinished"),
        protected: state.contains("protected"),
        verified: false,
    };
    let found = marks(&rows.iter().map(read).collect::<Vec<_>>(), keep, &zone(zone_name)).unwrap();
    let shown =
        |marks: &[&str]| rows.iter().zip(marks).map(|(row, mark)| format!("{} {mark}", row.0)).collect::<Vec<_>>();
    let found: Vec<&str> = found.iter().map(|mark| mark.as_str()).collect();
    assert_eq!(shown(&found), shown(expected), "{zone_name}");
}

/// The examples of docs/format.md, 12.
#[test]
fn examples() {
    let (k, r) = ("keep", "remove");
    let rows = [
        ("2024-03-10T20:00:00Z", k),
        ("2024-03-10T08:00:00Z", r),
        ("2024-03-09T20:00:00Z", k),
        ("2024-03-09T08:00:00Z", r),
        ("2024-03-08T20:00:00Z", k),
        ("2024-03-04T20:00:00Z", r),
        ("2024-03-01T20:00:00Z", k),
        ("2024-02-25T20:00:00Z", k),
        ("2024-02-11T20:00:00Z", r),
        ("2024-01-15T20:00:00Z", k),
    ];
    let expected = rows.map(|(_, mark)| mark);
    assert_marks(&rows.map(|(time, _)| (time, "")), &keep([1, 0, 2, 2, 2, 0]), "UTC", &expected);

    let rows = [
        ("2024-01-02T03:00:00Z", "unfinished"),
        ("2024-01-01T23:30:00Z", ""),
        ("2024-01-01T22:30:00Z", "unfinished"),
        ("2023-12-31T23:30:00Z", ""),
        ("2023-12-31T22:30:00Z", ""),
        ("2023-12-30T10:00:00Z", ""),
        ("2023-12-24T10:00:00Z", "protected"),
        ("2022-06-01T10:00:00Z", ""),
        ("2022-03-01T10:00:00Z", ""),
    ];
    let counts = keep([0, 0, 3, 0, 0, 1]);
    assert_marks(&rows, &counts, "UTC", &["keep-partial", k, r, k, r, k, "protected", k, r]);
    assert_marks(&rows, &counts, "Europe/Vienna", &["keep-partial", k, r, k, k, r, "protected", k, r]);
}

#[test]
fn what_is_not_finished() {
    let unfinished = "unfinished";
    let rows = [
        ("2024-01-04T00:00:00Z", unfinished),
        ("2024-01-03T00:00:00Z", unfinished),
        ("2024-01-02T00:00:00Z", "unfinished protected"),
        ("2024-01-01T00:00:00Z", ""),
    ];
    assert_marks(&rows, &keep([1, 0, 0, 0, 0, 0]), "UTC", &["keep-partial", "remove", "protected", "keep"]);
    assert_marks(&rows, &Keep::default(), "UTC", &["keep-partial", "keep", "protected", "keep"]);
    // Behind a protected one that is newer and finished it is not the newest.
    let rows = [("2024-01-04T00:00:00Z", "protected"), ("2024-01-03T00:00:00Z", unfinished)];
    assert_marks(&rows, &keep([9, 0, 0, 0, 0, 0]), "UTC", &["protected", "remove"]);
    let rows = [("2024-01-04T00:00:00Z", "protected unfinished"), ("2024-01-03T00:00:00Z", unfinished)];
    assert_marks(&rows, &keep([9, 0, 0, 0, 0, 0]), "UTC", &["protected", "remove"]);
}

#[test]
fn the_repeated_hour_is_one() {
    let rows = [("2024-10-27T01:30:00Z", ""), ("2024-10-27T00:30:00Z", ""), ("2024-10-26T23:30:00Z", "")];
    let counts = keep([0, 2, 0, 0, 0, 0]);
    assert_marks(&rows, &counts, "Europe/Vienna", &["keep", "remove", "keep"]);
    assert_marks(&rows, &counts, "UTC", &["keep", "keep", "remove"]);
}

#[test]
fn counts_beyond_all_bounds() {
    let rows: Vec<Row> = (1..=50).map(|i| row(i * 90_000)).collect();
    let all = marks(&rows, &keep([u64::MAX; 6]), &Zone::utc()).unwrap();
    assert!(all.iter().all(|mark| *mark == Mark::Keep));
    assert!(marks(&[], &keep([1; 6]), &Zone::utc()).unwrap().is_empty());
}

#[test]
fn times_beyond_all_bounds() {
    for time in [i64::MIN, i64::MAX, 253_402_300_800, -62_167_219_201] {
        let error = failure(marks(&[row(5), row(time)], &keep([1; 6]), &zone("Europe/Vienna")));
        assert_eq!(error.kind(), Kind::Argument);
        assert!(error.message().contains("row 1") && error.message().contains(&time.to_string()), "{error}");
    }
    let edges = [row(-62_167_219_200), row(253_402_300_799)];
    for name in ["UTC", "Europe/Vienna", "Pacific/Kiritimati", "Pacific/Niue"] {
        assert_eq!(marks(&edges, &keep([0, 0, 0, 0, 0, 2]), &zone(name)).unwrap(), [Mark::Keep; 2]);
    }
}

// ---- a model ----

/// A date by counting, as slowly as it goes.
struct Date {
    year: i64,
    month: i64,
    day: i64,
    /// From 1, as the day of the week from Monday on.
    day_of_year: i64,
    weekday: i64,
    hour: i64,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => 31,
    }
}

/// From 1970 on.
fn date(time: i64) -> Date {
    let weekday = (time / 86_400 + 3) % 7 + 1;
    let (mut year, mut month, mut days) = (1970, 1, time / 86_400);
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let day_of_year = days + 1;
    while days >= days_of(year, month) {
        days -= days_of(year, month);
        month += 1;
    }
    Date { year, month, day: days + 1, day_of_year, weekday, hour: time / 3600 % 24 }
}

/// As strftime's %G/%V: week 1 is the one with the first Thursday.
fn iso_week(date: &Date) -> String {
    let length = |year: i64| 365 + i64::from(is_leap(year));
    let (mut year, mut thursday) = (date.year, date.day_of_year - date.weekday + 4);
    if thursday < 1 {
        year -= 1;
        thursday += length(year);
    } else if thursday > length(year) {
        thursday -= length(year);
        year += 1;
    }
    format!("{year:04}/{:02}", (thursday + 6) / 7)
}

/// Whether summer time is on, by the rule of the European Union: from the last Sunday of March to the last of October,
/// at 01:00 UTC.
fn is_eu_summer(time: i64) -> bool {
    let Date { month, day, weekday, hour, .. } = date(time);
    let behind_the_change = {
        let last_sunday = (25..=31).find(|sunday| (weekday + sunday - day + 70) % 7 == 0).unwrap();
        day > last_sunday || (day == last_sunday && hour >= 1)
    };
    match month {
        3 => behind_the_change,
        10 => !behind_the_change,
        4..=9 => true,
        _ => false,
    }
}

#[derive(Debug, Clone, Copy)]
struct ModelZone {
    name: &'static str,
    offset: i64,
    eu: bool,
}

/// As they are since 1996.
const ZONES: [ModelZone; 5] = [
    ModelZone { name: "UTC", offset: 0, eu: false },
    ModelZone { name: "Europe/Vienna", offset: 3600, eu: true },
    ModelZone { name: "Europe/Athens", offset: 7200, eu: true },
    ModelZone { name: "Asia/Kolkata", offset: 19_800, eu: false },
    ModelZone { name: "<-0930>9:30", offset: -34_200, eu: false },
];

/// PBS's procedure step by step, with the texts that it compares. A mark is its name.
fn model(rows: &[Row], counts: &[u64; 6], zone: &ModelZone) -> Vec<String> {
    let id = |rule: usize, time: i64| {
        let local = date(time + zone.offset + if zone.eu && is_eu_summer(time) { 3600 } else { 0 });
        let Date { year, month, day, hour, .. } = local;
        match rule {
            0 => format_time(time).unwrap(),
            1 => format!("{year}/{month:02}/{day:02}/{hour:02}"),
            2 => format!("{year}/{month:02}/{day:02}"),
            3 => iso_week(&local),
            4 => format!("{year}/{month:02}"),
            _ => format!("{year}"),
        }
    };
    let mut list: Vec<usize> = (0..rows.len()).collect();
    list.sort_by(|&a, &b| rows[b].time.cmp(&rows[a].time).then(a.cmp(&b)));
    let mut mark: HashMap<usize, &str> = HashMap::new();

    let mut keep_unfinished = true;
    for &i in &list {
        if !rows[i].finished {
            mark.insert(i, if keep_unfinished { "keep-partial" } else { "remove" });
        }
        keep_unfinished = false;
    }
    for (rule, &count) in counts.iter().enumerate() {
        if count == 0 {
            continue;
        }
        let already: BTreeSet<String> =
            list.iter().filter(|i| mark.get(i) == Some(&"keep")).map(|&i| id(rule, rows[i].time)).collect();
        let mut included = BTreeSet::new();
        for &i in &list {
            if mark.contains_key(&i) {
                continue;
            }
            if rows[i].protected {
                mark.insert(i, "protected");
                continue;
            }
            let id = id(rule, rows[i].time);
            if already.contains(&id) {
                continue;
            }
            if included.contains(&id) {
                mark.insert(i, "remove");
            } else if included.len() as u64 >= count {
                break;
            } else {
                included.insert(id);
                mark.insert(i, "keep");
            }
        }
    }
    let nothing_said = counts.iter().all(|&count| count == 0);
    let result = |i: usize| match mark.get(&i).copied().unwrap_or("remove") {
        _ if rows[i].protected => "protected",
        "remove" if nothing_said => "keep",
        mark => mark,
    };
    (0..rows.len()).map(|i| result(i).to_owned()).collect()
}

/// Rows around a moment at which something changes, some of the same time, in any order.
fn random_rows(rng: &mut Rng) -> Vec<Row> {
    // Changes of the clocks, ends of years whose ISO years differ, a leap day, an ordinary one.
    const MOMENTS: [&str; 8] = [
        "2024-03-31T01:00:00Z",
        "2024-10-27T01:00:00Z",
        "2020-12-31T23:00:00Z",
        "2021-01-04T00:00:00Z",
        "2019-12-30T00:00:00Z",
        "2016-01-03T22:00:00Z",
        "2024-02-29T12:00:00Z",
        "2022-06-15T05:30:00Z",
    ];
    const STEPS: [i64; 8] = [1, 600, 1800, 3600, 21_600, 86_400, 7 * 86_400, 31 * 86_400];
    let moment = parse_time(MOMENTS[rng.below(MOMENTS.len())]).unwrap();
    let step = STEPS[rng.below(STEPS.len())];
    (0..rng.below(40))
        .map(|_| Row {
            time: moment + (rng.below(41) as i64 - 20) * step + rng.below(3) as i64 * rng.below(2000) as i64,
            finished: rng.below(8) > 0,
            protected: rng.below(8) == 0,
            verified: rng.below(2) == 0,
        })
        .collect()
}

#[test]
fn the_model_agrees() {
    let zones = ZONES.map(|zone| Zone::parse(zone.name).unwrap());
    let mut rng = Rng::new(12);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for round in 0..20_000 {
        let rows = random_rows(&mut rng);
        let counts = [(); 6].map(|()| if rng.below(2) == 0 { rng.below(6) as u64 } else { 0 });
        let chosen = rng.below(ZONES.len());
        let found = marks(&rows, &keep(counts), &zones[chosen]).unwrap();
        let found: Vec<&str> = found.iter().map(|mark| mark.as_str()).collect();
        let expected = model(&rows, &counts, &ZONES[chosen]);
        assert_eq!(found, expected, "round {round}: {counts:?} {:?} {rows:?}", ZONES[chosen]);
        for mark in expected {
            *seen.entry(mark).or_default() += 1;
        }
    }
    assert!(seen.len() == 4 && seen.values().all(|&count| count > 1000), "{seen:?}");
}

/// What follows from the rules, whatever the rows.
#[test]
fn what_always_holds() {
    let mut rng = Rng::new(13);
    for _ in 0..2000 {
        let rows = random_rows(&mut rng);
        let counts = [(); 6].map(|()| rng.below(4) as u64);
        let found = marks(&rows, &keep(counts), &zone(ZONES[rng.below(ZONES.len())].name)).unwrap();
        let kept = found.iter().filter(|mark| **mark == Mark::Keep).count() as u64;
        let eligible = rows.iter().filter(|row| row.finished && !row.protected).count() as u64;
        match counts.iter().sum::<u64>() {
            0 => assert!(!found.contains(&Mark::Remove)),
            most => assert!(kept <= most && kept >= eligible.min(1)),
        }
        assert!(found.iter().filter(|mark| **mark == Mark::KeepPartial).count() <= 1);
        for (row, mark) in rows.iter().zip(&found) {
            assert_eq!(row.protected, *mark == Mark::Protected);
            assert!(*mark != Mark::KeepPartial || !row.finished);
        }
    }
}

// ---- what is kept beside PBS's counts ----

/// Rows of noon of days from the 1st on, the last the newest; `states` has of each whether it is (f)inished,
/// (p)rotected, (v)erified.
fn days(states: &[&str]) -> Vec<Row> {
    let row = |(number, state): (usize, &&str)| Row {
        time: parse_time(&time_of(number as u32 + 1)).unwrap(),
        finished: state.contains('f'),
        protected: state.contains('p'),
        verified: state.contains('v'),
    };
    states.iter().enumerate().map(row).collect()
}

fn reasons(rows: &[Row], keep: &Keep) -> Vec<String> {
    decide(rows, keep, &Zone::utc()).unwrap().iter().map(why).collect()
}

#[test]
fn each_says_why_it_stays() {
    let rows = days(&["f", "fp", "f", "f", ""]);
    let counts = keep([1, 0, 1, 0, 0, 1]);
    assert_eq!(reasons(&rows, &counts), ["remove", "protected", "keep Daily", "keep Last", "keep-partial"]);
    assert_eq!(reasons(&rows[..4], &Keep::default()), ["keep", "protected", "keep", "keep"]);
}

#[test]
fn the_newest_good_ones() {
    let rows = days(&["fv", "fv", "fpv", "v", "f", "fv", "f"]);
    let good = |good| Keep { good, ..Keep::default() };
    let expected = ["remove", "keep Good", "protected", "remove", "remove", "keep Good", "remove"];
    assert_eq!(reasons(&rows, &good(2)), expected);
    let expected = ["remove", "remove", "protected", "remove", "remove", "keep Last Good", "keep Last"];
    assert_eq!(reasons(&rows, &Keep { last: 2, ..good(1) }), expected);
    assert_eq!(reasons(&days(&["fv", "f"]), &good(u64::MAX)), ["keep Good", "remove"]);
    // A group in which nothing has verified does not become empty.
    assert_eq!(reasons(&days(&["f", "f", "", "f"]), &good(1)), ["remove", "remove", "remove", "keep Newest"]);
    assert_eq!(reasons(&days(&["f", "fp"]), &good(1)), ["keep Newest", "protected"]);
    assert_eq!(reasons(&days(&["", ""]), &good(1)), ["remove", "keep-partial"]);
}

#[test]
fn the_young_ones() {
    let rows = days(&["f", "f", "fp", "", "f", "f"]);
    let after = |day, counts| Keep { after: Some(parse_time(&time_of(day)).unwrap()), ..keep(counts) };
    let expected = ["remove", "remove", "protected", "remove", "keep Within", "keep Within"];
    assert_eq!(reasons(&rows, &after(2, [0; 6])), expected);
    let expected = ["remove", "remove", "protected", "remove", "remove", "keep Last Within"];
    assert_eq!(reasons(&rows, &after(5, [1, 0, 0, 0, 0, 0])), expected);
    let expected = ["remove", "remove", "protected", "remove", "remove", "keep Newest"];
    assert_eq!(reasons(&rows, &after(6, [0; 6])), expected);
    let ever = Keep { after: Some(i64::MIN), ..Keep::default() };
    assert_eq!(reasons(&rows[..2], &ever), ["keep Within", "keep Within"]);
}

/// What the counts keep is what PBS keeps, whatever is kept besides.
#[test]
fn the_counts_are_not_changed() {
    let mut rng = Rng::new(14);
    for _ in 0..2000 {
        let rows = random_rows(&mut rng);
        let counts = keep([(); 6].map(|()| rng.below(4) as u64 + 1));
        let after = (rng.below(2) == 0).then(|| rows.first().map_or(0, |row| row.time));
        let more = Keep { good: rng.below(4) as u64, after, ..counts };
        let zone = Zone::utc();
        let (alone, besides) = (decide(&rows, &counts, &zone).unwrap(), decide(&rows, &more, &zone).unwrap());
        for (alone, besides) in alone.iter().zip(besides) {
            let [added_good, added_young] = [Rule::Good, Rule::Within].map(|rule| besides.rules.has(rule));
            assert!(!besides.rules.has(Rule::Newest));
            if alone.mark == besides.mark {
                assert!(Rule::ALL[..6].iter().all(|&rule| alone.rules.has(rule) == besides.rules.has(rule)));
            } else {
                assert!((alone.mark, besides.mark) == (Mark::Remove, Mark::Keep) && (added_good || added_young));
            }
        }
    }
}

// ---- groups ----

type OnNotice = Arc<dyn Fn(&str) -> i32 + Send + Sync>;

/// A store with a group of made-up snapshots.
struct Scene {
    scratch: Scratch,
    on_notice: Arc<OnceLock<OnNotice>>,
    notices: Arc<Mutex<Vec<String>>>,
}

const GROUP: &str = "ns/a/host/x";

fn time_of(number: u32) -> String {
    format!("2024-01-{number:02}T12:00:00Z")
}

impl Scene {
    /// Snapshots of the days 1 to `count`, finished and with an archive.
    fn new(count: u32) -> Self {
        let scene = Scene { scratch: Scratch::new(), on_notice: Arc::default(), notices: Arc::default() };
        for number in 1..=count {
            fs::create_dir_all(scene.dir(number)).unwrap();
            for name in ["index.json.blob", "root.pxar.didx"] {
                fs::write(scene.dir(number).join(name), "x").unwrap();
            }
        }
        scene
    }

    fn dir(&self, number: u32) -> std::path::PathBuf {
        self.scratch.join(GROUP).join(time_of(number))
    }

    fn tree(&self) -> Tree {
        let (notices, on_notice) = (self.notices.clone(), self.on_notice.clone());
        let options = StoreOptions {
            sync: SyncLevel::None,
            notice: Some(Callback(Arc::new(move |_, message: &str, path: Option<&Path>| {
                assert!(path.is_some(), "{message}");
                notices.lock().unwrap().push(message.to_owned());
                match on_notice.get().map_or(0, |callback| callback(message)) {
                    0 => Ok(()),
                    value => Err(Error::cancelled("notice callback", value)),
                }
            }))),
            ..StoreOptions::default()
        };
        Store::open_tree(self.scratch.path(), &options).unwrap()
    }

    fn prune(&self, last: u64, dry_run: bool) -> pxds::error::Result<Vec<Pruned>> {
        self.prune_with(last, dry_run, None)
    }

    fn prune_with(&self, last: u64, dry_run: bool, progress: Option<OnProgress>) -> pxds::error::Result<Vec<Pruned>> {
        self.prune_by(keep([last, 0, 0, 0, 0, 0]), dry_run, progress)
    }

    fn prune_by(&self, keep: Keep, dry_run: bool, progress: Option<OnProgress>) -> pxds::error::Result<Vec<Pruned>> {
        let group = Group::parse(GROUP).unwrap();
        let options = PruneOptions { keep, dry_run, progress, ..PruneOptions::default() };
        Ok(self.tree().prune_group(&group, &options)?.found)
    }

    /// Gives the snapshot of a day a manifest, with this outcome of a verification.
    fn note(&self, number: u32, ok: Option<bool>) {
        let snapshot = Snapshot::parse(&format!("{GROUP}/{}", time_of(number))).unwrap();
        let mut manifest = Manifest::new(snapshot.group().kind(), snapshot.group().id(), snapshot.time()).unwrap();
        let upid = "UPID:elsa:00004F37:0039E469:00000000:5CA78B83:verify::root@pam:";
        let state = ok.map(|ok| VerifyState::new(ok, upid.to_owned()).unwrap());
        manifest.set_verify_state(state.as_ref()).unwrap();
        let blob = Codec::new().encode_vec(&manifest.to_json().unwrap(), true).unwrap();
        fs::write(self.dir(number).join("index.json.blob"), blob).unwrap();
    }

    /// The days whose snapshots are there.
    fn left(&self) -> Vec<u32> {
        let names = common::names(&self.scratch.join(GROUP));
        (1..=31).filter(|&number| names.contains(&time_of(number))).collect()
    }
}

/// Day and mark of each, and whether it is gone.
fn shown(pruned: &[Pruned]) -> Vec<String> {
    let show = |pruned: &Pruned| {
        let day = &pruned.info.snapshot.time_name()[8..10];
        let gone = if pruned.removed { ", removed" } else { "" };
        let error = pruned.error.as_ref().map_or(String::new(), |error| format!(", {:?}", error.kind()));
        format!("{day} {}{gone}{error}", pruned.mark.as_str())
    };
    pruned.iter().map(show).collect()
}

#[test]
fn a_group_is_pruned() {
    let scene = Scene::new(5);
    fs::write(scene.dir(2).join(".protected"), "").unwrap();
    fs::remove_file(scene.dir(3).join("index.json.blob")).unwrap();
    let dry = scene.prune(2, true).unwrap();
    assert_eq!(shown(&dry), ["05 keep", "04 keep", "03 remove", "02 protected", "01 remove"]);
    assert_eq!(scene.left(), [1, 2, 3, 4, 5]);
    let done = scene.prune(2, false).unwrap();
    assert_eq!(shown(&done), ["05 keep", "04 keep", "03 remove, removed", "02 protected", "01 remove, removed"]);
    assert_eq!(common::names(&scene.scratch.join(GROUP)), [time_of(2), time_of(4), time_of(5)]);
    assert_eq!(shown(&scene.prune(2, false).unwrap()), ["05 keep", "04 keep", "02 protected"]);
    assert!(scene.notices.lock().unwrap().is_empty());
}

#[test]
fn manifests_say_what_is_good() {
    let scene = Scene::new(6);
    for (number, ok) in [(1, Some(true)), (2, Some(true)), (3, Some(false)), (4, Some(true)), (6, None)] {
        scene.note(number, ok);
    }
    let keep = Keep { good: 2, ..keep([1, 0, 0, 0, 0, 0]) };
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let heard = ticks.clone();
    let tell = move |stage: &Stage| {
        heard.lock().unwrap().push((stage.done, stage.total));
        Ok(())
    };
    let done = scene.prune_by(keep, false, Some(Callback(Arc::new(tell)))).unwrap();
    let expected = ["06 keep", "05 remove, removed", "04 keep", "03 remove, removed", "02 keep", "01 remove, removed"];
    assert_eq!(shown(&done), expected);
    assert_eq!(scene.left(), [2, 4, 6]);
    assert!(done[2].rules.has(Rule::Good) && !done[2].rules.has(Rule::Last) && done[0].rules.has(Rule::Last));
    assert_eq!(ticks.lock().unwrap()[0], (0, 0));
    assert!(scene.notices.lock().unwrap().is_empty());
}

#[test]
fn the_last_good_one_does_not_go_without_a_word() {
    // What is newest, of what stays: it failed, it cannot be read, it was not verified, it is protected and good.
    for (newest, state) in [(Some(false), "verified"), (None, "not verified")] {
        let scene = Scene::new(4);
        scene.note(1, Some(true));
        scene.note(2, newest.map(|_| true));
        scene.note(3, Some(false));
        if newest.is_some() {
            scene.note(4, newest);
        }
        for dry_run in [true, false] {
            scene.prune(1, dry_run).unwrap();
            let notices = std::mem::take(&mut *scene.notices.lock().unwrap());
            assert!(notices.len() == 1 && notices[0].contains(&format!("{}, the last", time_of(2))), "{notices:?}");
            assert!(notices[0].contains(&format!("({state})")), "{notices:?}");
        }
        assert_eq!(scene.left(), [4]);
    }
    for stays in ["not verified", "protected", "nothing good goes", "nothing goes"] {
        let scene = Scene::new(3);
        scene.note(3, (stays != "not verified").then_some(false));
        scene.note(2, Some(true));
        match stays {
            "protected" => fs::write(scene.dir(2).join(".protected"), "").unwrap(),
            "nothing good goes" => scene.note(2, Some(false)),
            _ => {}
        }
        scene.prune(if stays == "nothing goes" { 3 } else { 1 }, false).unwrap();
        assert!(scene.notices.lock().unwrap().is_empty(), "{stays}");
    }
    // The notice comes before anything goes, and can stop it.
    let scene = Scene::new(2);
    scene.note(1, Some(true));
    assert!(scene.on_notice.set(Arc::new(|_| 7)).is_ok());
    assert_eq!(failure(scene.prune(1, false)).callback_value(), 7);
    assert_eq!(scene.left(), [1, 2]);
}

#[test]
fn without_counts_nothing_is_removed() {
    let scene = Scene::new(3);
    fs::remove_file(scene.dir(2).join("index.json.blob")).unwrap();
    assert_eq!(shown(&scene.prune(0, false).unwrap()), ["03 keep", "02 keep", "01 keep"]);
    assert_eq!(scene.left(), [1, 2, 3]);
}

#[test]
fn groups_that_are_empty_or_missing() {
    let scene = Scene::new(0);
    let error = failure(scene.prune(1, false));
    assert_eq!((error.kind(), error.path()), (Kind::NotFound, Some(scene.scratch.join(GROUP).as_path())));
    fs::create_dir_all(scene.scratch.join(GROUP)).unwrap();
    assert!(scene.prune(1, false).unwrap().is_empty());
    assert!(scene.scratch.join(GROUP).is_dir());
}

#[test]
fn what_is_in_use_stays_and_the_others_go() {
    let scene = Scene::new(5);
    let reader = flock(&scene.dir(2), false).unwrap();
    // A backup may be running.
    let group = flock(&scene.scratch.join(GROUP), true).unwrap();
    let done = scene.prune(2, false).unwrap();
    assert_eq!(shown(&done), ["05 keep", "04 keep", "03 remove, removed", "02 remove, Busy", "01 remove, removed"]);
    assert_eq!(scene.left(), [2, 4, 5]);
    let notices = std::mem::take(&mut *scene.notices.lock().unwrap());
    assert!(notices.len() == 1 && notices[0].contains(&time_of(2)) && notices[0].contains("locked"), "{notices:?}");
    drop((reader, group));
    scene.prune(2, false).unwrap();
    assert_eq!(scene.left(), [4, 5]);
}

/// The oldest is in use; what the notice of that does is what somebody else does meanwhile.
#[test]
fn what_has_changed_meanwhile() {
    let scene = Scene::new(6);
    fs::remove_file(scene.dir(3).join("index.json.blob")).unwrap();
    let _reader = flock(&scene.dir(1), false).unwrap();
    let dirs: Vec<_> = (0..=6).map(|number| scene.dir(number)).collect();
    let meanwhile: OnNotice = Arc::new(move |_| {
        fs::write(dirs[2].join(".protected"), "").unwrap();
        fs::write(dirs[3].join("index.json.blob"), "x").unwrap();
        fs::remove_dir_all(&dirs[4]).unwrap();
        0
    });
    assert!(scene.on_notice.set(meanwhile).is_ok());
    let done = scene.prune(1, false).unwrap();
    let expected = ["06 keep", "05 remove, removed", "04 remove", "03 keep", "02 protected", "01 remove, Busy"];
    assert_eq!(shown(&done), expected);
    assert_eq!(scene.left(), [1, 2, 3, 6]);
}

#[test]
fn a_notice_can_stop_it() {
    let scene = Scene::new(5);
    let _reader = flock(&scene.dir(2), false).unwrap();
    assert!(scene.on_notice.set(Arc::new(|_| 7)).is_ok());
    let error = failure(scene.prune(1, false));
    assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
    // The oldest first.
    assert_eq!(scene.left(), [2, 3, 4, 5]);
}

#[test]
fn progress_is_told_and_can_stop_it() {
    let scene = Scene::new(6);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    // So slow that each of them is told of.
    let tell = move |stage: &Stage| {
        heard.lock().unwrap().push((stage.done, stage.total));
        std::thread::sleep(std::time::Duration::from_millis(101));
        if stage.done == 2 { Err(Error::cancelled("test", 7)) } else { Ok(()) }
    };
    let error = failure(scene.prune_with(2, false, Some(Callback(Arc::new(tell)))));
    assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
    assert_eq!(scene.left(), [3, 4, 5, 6]);
    let silent = |_: &Stage| panic!("nothing is removed");
    scene.prune_with(2, true, Some(Callback(Arc::new(silent)))).unwrap();
    assert_eq!(*told.lock().unwrap(), [(0, 4), (1, 4), (2, 4)]);
    scene.prune(2, false).unwrap();
    assert_eq!(scene.left(), [5, 6]);
}

#[test]
fn what_crashes_have_left_goes_unless_somebody_holds_the_group() {
    let scene = Scene::new(2);
    let left = scene.dir(1).with_extension("tmp_AbC123");
    fs::create_dir_all(left.join("below")).unwrap();
    fs::write(left.join("a.didx"), "half").unwrap();
    let backup = flock(&scene.scratch.join(GROUP), true).unwrap();
    scene.prune(1, false).unwrap();
    assert_eq!(scene.left(), [2]);
    assert!(left.join("a.didx").exists(), "a backup may be making it");
    drop(backup);
    scene.prune(1, true).unwrap();
    assert!(left.exists());
    scene.prune(1, false).unwrap();
    assert_eq!(common::names(&scene.scratch.join(GROUP)), [time_of(2)]);
    assert!(scene.notices.lock().unwrap().is_empty());
}

/// PBS reads a manifest through a link, so that the snapshot is no unfinished one, though it cannot be read here.
#[test]
fn a_manifest_that_is_a_link() {
    let scene = Scene::new(3);
    let (manifest, outside) = (scene.dir(1).join("index.json.blob"), scene.scratch.join("outside"));
    fs::rename(&manifest, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &manifest).unwrap();
    assert_eq!(shown(&scene.prune(3, false).unwrap()), ["03 keep", "02 keep", "01 keep"]);
    assert!(manifest.is_file());
}

#[test]
fn links_are_no_snapshots() {
    let scene = Scene::new(3);
    let whole = || scene.tree().prune_group(&Group::parse(GROUP).unwrap(), &PruneOptions::default()).unwrap().whole();
    assert_eq!(whole().unwrap().len(), 3);
    let outside = scene.scratch.join("outside");
    fs::rename(scene.dir(1), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, scene.dir(1)).unwrap();
    assert_eq!(shown(&scene.prune(1, false).unwrap()), ["03 keep", "02 remove, removed"]);
    assert!(outside.join("index.json.blob").is_file());
    assert_eq!(kind(whole()), Kind::Format);
    assert_eq!(kind(Zone::parse("../../etc/localtime")), Kind::Argument);
    assert_eq!(kind(Zone::parse("../../etc/localtime")), Kind::Argument);
}
