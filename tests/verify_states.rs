//! Which snapshots a verification takes, and what it notes of them (docs/format.md, 10).

mod common;
#[path = "common/verified.rs"]
mod verified;

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use common::{Rng, Scratch, kind, quick};
use pxds::callback::Callback;
use pxds::crypt::CryptKey;
use pxds::error::Kind;
use pxds::manifest::VerifyState;
use pxds::store::{Store, StoreOptions};
use pxds::sys::LockMode;
use pxds::verify::{Outcome, Scope, Verifier, VerifyOptions, new_upid};
use verified::{DAY, TIME, UPID, chunks, make, state_of, try_verify, verify, with_upid};

// ---- which snapshots ----

#[test]
fn the_benchmark_is_left_out_of_a_whole_store() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for path in ["host/benchmark", "ns/a/host/benchmark", "vm/benchmark"] {
        make(&store, path, TIME, b"abc", None);
    }
    assert_eq!(verify(&store, with_upid()).with(Outcome::Ok), BTreeSet::from(["vm/benchmark/2020-06-26T13:56:05Z"]));
    assert_eq!(try_verify(&store, "host/benchmark", with_upid()).unwrap().sums.ok, 1);
}

#[test]
fn what_was_found_good_lately_is_passed_over() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, b"abc", None);
    let now = pxds::sys::now();
    let run = |state: Option<(bool, i64)>, days: Option<u64>| {
        let upid = |started| format!("UPID:elsa:00004F37:0039E469:00000000:{started:08X}:verify::root@pam:");
        let state = state.map(|(ok, started)| VerifyState { ok, upid: upid(started) });
        store.tree().update_manifest(&snapshot, |manifest| manifest.set_verify_state(state.as_ref())).unwrap();
        verify(&store, VerifyOptions { skip_days: days, ..with_upid() }).done[0].1
    };
    assert_eq!(run(Some((true, now)), None), Outcome::Ok);
    assert_eq!(run(None, Some(u64::MAX)), Outcome::Ok);
    // What has failed is checked again, however lately that was.
    for (ok, lately) in [(false, Outcome::Ok), (true, Outcome::Recent)] {
        assert_eq!(run(Some((ok, now)), Some(0)), lately);
        assert_eq!(run(Some((ok, now - DAY - 9)), Some(0)), Outcome::Ok);
        assert_eq!(run(Some((ok, now - 8 * DAY + 99)), Some(7)), lately);
        assert_eq!(run(Some((ok, now - 8 * DAY - 9)), Some(7)), Outcome::Ok);
        assert_eq!(run(Some((ok, 0)), Some(u64::MAX)), lately);
        assert_eq!(run(Some((ok, 0)), Some(i64::MAX as u64)), lately);
    }
    // What cannot be read counts as never verified.
    let broken = serde_json::json!({"state": "ok", "upid": "UPID:x:"});
    store
        .tree()
        .update_manifest(&snapshot, |manifest| manifest.set_unprotected_member("verify_state", Some(broken)))
        .unwrap();
    assert_eq!(verify(&store, VerifyOptions { skip_days: Some(100), ..with_upid() }).done[0].1, Outcome::Ok);
}

#[test]
fn who_is_in_use_or_has_gone_is_passed_over() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let held = make(&store, "host/x", TIME, b"abc", None);
    let gone = make(&store, "host/x", TIME + 1, b"abc", None);
    let first = make(&store, "host/x", TIME + 2, b"abc", None);
    let other = common::reopen(&store);
    let _lock = other.tree().lock_snapshot(&held, LockMode::Exclusive).unwrap();
    let done = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&done);
    let on_done = move |entry: &pxds::verify::Done<'_>| {
        if *entry.snapshot == first {
            other.tree().destroy_snapshot(&gone).unwrap();
        }
        heard.lock().unwrap().push(entry.outcome);
        Ok(())
    };
    let options = VerifyOptions { on_done: Some(Callback(Arc::new(on_done))), ..with_upid() };
    let mut verifier = Verifier::new(&store, options).unwrap();
    verifier.run(&Scope::Store).unwrap();
    assert_eq!(verifier.sums().skipped, 2);
    assert_eq!(*done.lock().unwrap(), [Outcome::Ok, Outcome::Gone, Outcome::Busy]);
    assert_eq!(state_of(&store, &held.path()), None);
}

#[test]
fn while_it_is_checked_nobody_removes_a_snapshot() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, &Rng::new(6).bytes(20_000), None);
    fs::remove_file(store.chunks().chunk_path(&chunks(&store, &snapshot)[0].digest)).unwrap();
    let other = common::reopen(&store);
    let tried = Arc::new(Mutex::new(Vec::new()));
    let (heard, held) = (Arc::clone(&tried), other.clone());
    let on_damage = move |damage: &pxds::verify::Damage<'_>| {
        heard.lock().unwrap().push(kind(held.tree().destroy_snapshot(damage.snapshot)));
        Ok(())
    };
    let options = VerifyOptions { on_damage: Some(Callback(Arc::new(on_damage))), ..with_upid() };
    Verifier::new(&store, options).unwrap().run(&Scope::Store).unwrap();
    assert_eq!(*tried.lock().unwrap(), [Kind::Busy]);
    other.tree().destroy_snapshot(&snapshot).unwrap();
}

// ---- the state ----

#[test]
fn the_outcome_is_noted_and_all_else_stays() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let key = Arc::new(CryptKey::new(&[1; 32]));
    let snapshot = make(&store, "host/x", TIME, b"abc", Some(Arc::clone(&key)));
    store
        .tree()
        .update_manifest(&snapshot, |manifest| {
            manifest.set_notes(Some("weekly")).unwrap();
            manifest.set_unprotected_member("other", Some(serde_json::json!([1, null])))
        })
        .unwrap();
    let mut expected = store.tree().load_manifest(&snapshot).unwrap();
    verify(&store, with_upid());
    let state = serde_json::json!({"state": "ok", "upid": UPID});
    expected.set_unprotected_member("verify_state", Some(state)).unwrap();
    let found = store.tree().load_manifest(&snapshot).unwrap();
    assert_eq!(found.to_json().unwrap(), expected.to_json().unwrap());
    found.verify(&key).unwrap();

    let before = pxds::sys::now();
    verify(&store, VerifyOptions::default());
    let state = state_of(&store, &snapshot.path()).unwrap();
    let started = state.started().unwrap();
    assert!(state.ok && before <= started && started <= pxds::sys::now(), "{state:?}");
    assert!(state.upid.ends_with(":verify::root@pam:"), "{state:?}");
    assert!(VerifyState::new(true, new_upid()).is_some());
}

#[test]
fn a_state_that_cannot_be_written_is_told_and_is_no_failure() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, b"abc", None);
    let second = make(&store, "host/y", TIME, b"abc", None);
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let notice: pxds::base::Notice = Callback(Arc::new(move |_, message: &str, _| {
        heard.lock().unwrap().push(message.to_owned());
        Ok(())
    }));
    let other = Store::open(store.path(), &StoreOptions { notice: Some(notice), ..quick() }).unwrap();
    // The name of the manifest's successor is taken by nobody, but the manifest is held by another handle.
    let _lock = store.tree().lock_manifest(&snapshot).unwrap();
    let report = verify(&other, with_upid());
    assert_eq!((report.sums.ok, report.sums.failed, report.sums.unnoted, report.rows.len()), (2, 0, 1, 0));
    let said = said.lock().unwrap();
    assert!(said.len() == 1 && said[0].starts_with("the outcome of 1 snapshot is not noted: "), "{said:?}");
    assert_eq!(state_of(&store, &snapshot.path()), None);
    assert!(state_of(&store, &second.path()).unwrap().ok);
    for snapshot in [&snapshot, &second] {
        assert_eq!(common::names(&store.path().join(snapshot.path())), ["a.didx", "b.blob", "index.json.blob"]);
    }
}

/// Outcomes wait for others; what somebody changes meanwhile stays, and what has been removed is not made again.
#[test]
fn a_draft_of_a_manifest_takes_its_place_whatever_has_happened_meanwhile() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let snapshot = make(&store, "host/x", TIME, b"abc", None);
    let state = VerifyState { ok: true, upid: UPID.into() };
    let draft = || store.tree().draft_manifest(&snapshot, |manifest| manifest.set_verify_state(Some(&state))).unwrap();
    let place = |draft: pxds::tree::ManifestDraft| draft.take_place(|manifest| manifest.set_verify_state(Some(&state)));
    let dir = store.path().join(snapshot.path());
    let names = || common::names(&dir);
    let whole = ["a.didx", "b.blob", "index.json.blob"];

    drop(draft());
    assert_eq!((names(), state_of(&store, &snapshot.path())), (whole.map(str::to_owned).to_vec(), None));
    let waiting = draft();
    assert_eq!((names().len(), state_of(&store, &snapshot.path())), (4, None));
    let notes = |text: &'static str| {
        store.tree().update_manifest(&snapshot, |manifest| {
            manifest.set_notes(Some(text)).unwrap();
            Ok(())
        })
    };
    notes("meanwhile").unwrap();
    place(waiting).unwrap();
    let manifest = store.tree().load_manifest(&snapshot).unwrap();
    assert_eq!(
        (manifest.notes(), manifest.verify_state().unwrap().ok, &names()[..]),
        (Some("meanwhile"), true, &whole.map(str::to_owned)[..])
    );

    let waiting = draft();
    store.tree().destroy_snapshot(&snapshot).unwrap();
    assert_eq!(kind(place(waiting)), Kind::NotFound);
    assert!(!dir.exists());
}
