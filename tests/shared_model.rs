//! The protocol by which several machines share one store (docs/shared.md), held by its model: with all rules nothing
//! is lost in any schedule, and without one of them something is.

#[path = "common/model/mod.rs"]
mod model;

use std::env;

use model::rules::{RULES, Rule, UNKNOWN};
use model::schedule::run;

/// Schedules of `cargo test`; `make soak-model SEEDS=…` has more.
fn seeds() -> u64 {
    env::var("PXDS_MODEL_SEEDS").ok().map_or(10_000, |seeds| seeds.parse().expect("PXDS_MODEL_SEEDS is a number"))
}

#[test]
fn with_all_rules_nothing_is_lost_and_garbage_goes() {
    for seed in 0..seeds() {
        if let Err(what) = run(seed, None, false) {
            panic!("seed {seed}: {what}");
        }
    }
}

/// Schedules that are tried for a rule, from the seed on that has been found to lose.
const TRIED: u64 = 2_000;

/// The first seed whose schedule loses something.
fn counterexample(rule: Rule, from: u64) -> Option<(u64, String)> {
    (from..from + TRIED).find_map(|seed| run(seed, Some(rule), false).err().map(|what| (seed, what)))
}

#[test]
fn without_a_rule_something_is_lost() {
    let mut needless = Vec::new();
    for (rule, from) in RULES.iter().filter(|(_, from)| *from != UNKNOWN) {
        match counterexample(*rule, *from) {
            Some((seed, what)) => println!("without {rule:?}: seed {seed}, {what}"),
            None => needless.push(rule),
        }
    }
    assert!(needless.is_empty(), "nothing is lost without {needless:?}");
}

/// Prints all requests of one schedule: `PXDS_MODEL_SEED=5 cargo test --test shared_model -- --ignored --nocapture`,
/// with `PXDS_MODEL_WITHOUT=Fence` that of a rule left out.
#[test]
#[ignore = "shows what others have found"]
fn one_schedule() {
    let seed = env::var("PXDS_MODEL_SEED").map_or(0, |seed| seed.parse().expect("PXDS_MODEL_SEED is a number"));
    let without = env::var("PXDS_MODEL_WITHOUT").ok();
    let rule = RULES
        .iter()
        .map(|(rule, _)| *rule)
        .find(|rule| without.as_ref().is_some_and(|name| *name == format!("{rule:?}")));
    println!("{:?}", run(seed, rule, true));
}
