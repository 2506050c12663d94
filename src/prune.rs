//! Which snapshots of a group are kept (docs/format.md, 12): PBS's decisions, as a function of times and counts, and
//! beside them what else may keep a snapshot.

use std::collections::BTreeSet;

use crate::calendar::{civil_from_days, format_time};
use crate::error::{Error, Kind, Result, reserve, try_collect};
use crate::sys;
use crate::zone::Zone;

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// A snapshot, as the decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The snapshot's time, in seconds since 1970.
    pub time: i64,
    /// It has a manifest.
    pub finished: bool,
    /// It is kept, whatever the rules say.
    pub protected: bool,
    /// All was well when it was verified the last time.
    pub verified: bool,
}

/// The outcome for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is kept.
    Keep,
    /// It is kept because it may still be in the making: the newest of all, and not finished.
    KeepPartial,
    /// It is kept because it is protected.
    Protected,
    /// It is to be removed.
    Remove,
}

impl Mark {
    /// As PBS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Mark::Keep => "keep",
            Mark::KeepPartial => "keep-partial",
            Mark::Protected => "protected",
            Mark::Remove => "remove",
        }
    }
}

/// A rule by which a snapshot is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It is one of the newest.
    Last,
    /// It is the newest of its hour.
    Hourly,
    /// It is the newest of its day.
    Daily,
    /// It is the newest of its week.
    Weekly,
    /// It is the newest of its month.
    Monthly,
    /// It is the newest of its year.
    Yearly,
    /// It is one of the newest that verified.
    Good,
    /// It is young.
    Within,
    /// It is the newest, and no other is kept.
    Newest,
}

impl Rule {
    /// Every one.
    pub const ALL: [Rule; 9] = [
        Rule::Last,
        Rule::Hourly,
        Rule::Daily,
        Rule::Weekly,
        Rule::Monthly,
        Rule::Yearly,
        Rule::Good,
        Rule::Within,
        Rule::Newest,
    ];
}

/// The rules that keep a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules(u16);

impl Rules {
    /// These, and `rule`.
    #[must_use]
    pub fn with(self, rule: Rule) -> Self {
        Rules(self.0 | 1 << rule as u16)
    }

    /// Whether `rule` is one of them.
    pub fn has(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u16 != 0
    }
}

/// The decision about a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The outcome.
    pub mark: Mark,
    /// Of one that is kept: why. None if no rule is set.
    pub rules: Rules,
}

/// What is kept. A count of 0 keeps none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest ones.
    pub last: u64,
    /// The newest of each hour.
    pub hourly: u64,
    /// The newest of each day.
    pub daily: u64,
    /// The newest of each ISO week, which begins on a Monday.
    pub weekly: u64,
    /// The newest of each month.
    pub monthly: u64,
    /// The newest of each year.
    pub yearly: u64,
    /// The newest that verified.
    pub good: u64,
    /// All that were made after this time, in seconds since 1970.
    pub after: Option<i64>,
}

impl Keep {
    /// Whether any rule is set. If not, everything is kept.
    pub fn keeps_something(&self) -> bool {
        *self != Keep::default()
    }

    /// PBS's counts in the order in which they are applied.
    fn by_period(&self) -> [(Rule, Period, u64); 6] {
        [
            (Rule::Last, Period::Second, self.last),
            (Rule::Hourly, Period::Hour, self.hourly),
            (Rule::Daily, Period::Day, self.daily),
            (Rule::Weekly, Period::Week, self.weekly),
            (Rule::Monthly, Period::Month, self.monthly),
            (Rule::Yearly, Period::Year, self.yearly),
        ]
    }
}

/// A period of time, in which one snapshot counts.
#[derive(Clone, Copy)]
enum Period {
    Second,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// The number of the period that `time` is in; `local` is the same as local time.
    fn number(self, time: i64, local: i64) -> i64 {
        let day = local.div_euclid(DAY);
        match self {
            Period::Second => time,
            Period::Hour => local.div_euclid(HOUR),
            Period::Day => day,
            // Day 0, in 1970, was a Thursday.
            Period::Week => (day + 3).div_euclid(7),
            Period::Month => {
                let (year, month, _) = civil_from_days(day);
                year * 12 + month
            }
            Period::Year => civil_from_days(day).0,
        }
    }
}

/// A row at work.
struct Candidate {
    number: usize,
    row: Row,
    local: i64,
    mark: Option<Mark>,
    rules: Rules,
}

impl Candidate {
    fn keep(&mut self, rule: Rule) {
        self.mark = Some(Mark::Keep);
        self.rules = self.rules.with(rule);
    }

    /// Whether rules apply to it.
    fn is_eligible(&self) -> bool {
        self.row.finished && !self.row.protected
    }
}

/// The decision about each row, in the rows' own order. If `keep` says nothing, no row is marked to be removed.
///
/// Rows of the same time count as newer the earlier they come.
///
/// Errors: `Argument` for a time outside the years 0000 to 9999, with the number of its row.
pub fn decide(rows: &[Row], keep: &Keep, zone: &Zone) -> Result<Vec<Decision>> {
    let mut candidates = Vec::new();
    reserve(&mut candidates, rows.len())?;
    for (number, &row) in rows.iter().enumerate() {
        let local = format_time(row.time).and_then(|_| zone.local(row.time));
        let local = local.map_err(|error| error.context(format_args!("row {number}")))?;
        candidates.push(Candidate { number, row, local, mark: None, rules: Rules::default() });
    }
    // Rows of the same time stay in order.
    candidates.sort_unstable_by_key(|candidate| (std::cmp::Reverse(candidate.row.time), candidate.number));

    mark_unfinished(&mut candidates);
    for (rule, period, count) in keep.by_period().into_iter().filter(|(_, _, count)| *count > 0) {
        mark_period(&mut candidates, rule, period, count)?;
    }
    keep_beside_counts(&mut candidates, keep);

    let mark = if keep.keeps_something() { Mark::Remove } else { Mark::Keep };
    let otherwise = Decision { mark, rules: Rules::default() };
    let mut decisions = try_collect(std::iter::repeat_n(Ok(otherwise), rows.len()))?;
    for Candidate { number, row, mark, rules, .. } in candidates {
        let slot = decisions.get_mut(number).ok_or_else(|| Error::new(Kind::Internal, "a row has lost its place"))?;
        *slot = match mark {
            _ if row.protected => Decision { mark: Mark::Protected, ..otherwise },
            None | Some(Mark::Remove) => otherwise,
            Some(mark) => Decision { mark, rules },
        };
    }
    Ok(decisions)
}

/// Marks what is not finished. These marks are made first, so that none of them uses up a count.
fn mark_unfinished(candidates: &mut [Candidate]) {
    let mut newest = true;
    for candidate in candidates {
        if !candidate.row.finished {
            candidate.mark = Some(if newest { Mark::KeepPartial } else { Mark::Remove });
        }
        newest = false;
    }
}

/// Keeps the newest of each of `count` periods. Periods in which one is kept already count for nothing, and what lies
/// in them is left to later calls.
///
/// Errors: `NoMemory`.
fn mark_period(candidates: &mut [Candidate], rule: Rule, period: Period, count: u64) -> Result<()> {
    let number = |candidate: &Candidate| period.number(candidate.row.time, candidate.local);
    let is_kept = |candidate: &&Candidate| candidate.mark == Some(Mark::Keep);
    let mut covered = try_collect(candidates.iter().filter(is_kept).map(number).map(Ok))?;
    covered.sort_unstable();
    let mut kept = BTreeSet::new();
    for candidate in candidates.iter_mut().filter(|candidate| candidate.mark.is_none() && !candidate.row.protected) {
        let number = number(candidate);
        if covered.binary_search(&number).is_ok() {
            continue;
        }
        if kept.contains(&number) {
            candidate.mark = Some(Mark::Remove);
        } else if kept.len() as u64 >= count {
            return Ok(());
        } else {
            sys::check_memory()?;
            kept.insert(number);
            candidate.keep(rule);
        }
    }
    Ok(())
}

/// Keeps, beside what the counts keep, the newest good ones and the young ones; and the newest of all, which the counts
/// always keep, if there is nothing else.
fn keep_beside_counts(candidates: &mut [Candidate], keep: &Keep) {
    let mut good = keep.good;
    for candidate in candidates.iter_mut().filter(|candidate| candidate.is_eligible()) {
        if candidate.row.verified && good > 0 {
            good -= 1;
            candidate.keep(Rule::Good);
        }
        if keep.after.is_some_and(|after| candidate.row.time > after) {
            candidate.keep(Rule::Within);
        }
    }
    let is_kept = |candidate: &Candidate| candidate.mark == Some(Mark::Keep);
    if keep.keeps_something()
        && !candidates.iter().any(is_kept)
        && let Some(newest) = candidates.iter_mut().find(|candidate| candidate.is_eligible())
    {
        newest.keep(Rule::Newest);
    }
}
