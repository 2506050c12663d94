package pxds_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pxds"
)

func TestTree(t *testing.T) {
	store := newStore(t, pxds.Options{Sync: pxds.SyncNone})
	if store.Layout() != pxds.LayoutHex2 || !filepath.IsAbs(store.Path()) {
		t.Error(store.Layout(), store.Path())
	}
	name := take(t, store, "ns/a/ns/b/vm/100", "disk.fidx", noise(1, 100<<10), pxds.BackupOptions{
		Owner: "me@pbs", Notes: "first\nsecond"})
	if name != "ns/a/ns/b/vm/100/2020-06-26T13:56:05Z" {
		t.Error(name)
	}
	must(t, store.CreateNamespace(background, "a/c"))
	namespaces, err := store.Namespaces(background, pxds.ListOptions{Recursive: true})
	if err != nil || strings.Join(namespaces, " ") != " a a/b a/c" {
		t.Error(namespaces, err)
	}
	must(t, store.RemoveNamespace(background, "a/c"))
	if err := store.RemoveNamespace(background, "a"); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	groups, err := store.Groups(background, pxds.ListOptions{Namespace: "a/b"})
	if err != nil || len(groups) != 1 || groups[0] != (pxds.Group{"ns/a/ns/b/vm/100", "a/b", pxds.VM, "100"}) {
		t.Error(groups, err)
	}
	if groups[0].Type.String() != "vm" {
		t.Error(groups[0].Type)
	}
	list, err := store.Snapshots(background, pxds.ListOptions{Recursive: true, Owners: true, Manifests: true})
	must(t, err)
	want := pxds.SnapshotInfo{Path: name, Namespace: "a/b", Type: pxds.VM, ID: "100", Time: start, Finished: true,
		Owner: "me@pbs", Notes: "first\nsecond", Size: 100 << 10, FileCount: 1, Crypt: pxds.CryptNone}
	if len(list) != 1 || list[0] != want {
		t.Errorf("%+v", list)
	}
	want.Owner, want.Notes, want.Size, want.FileCount, want.Crypt = "", "", 0, 0, pxds.CryptDefault
	if info, err := store.SnapshotInfo(name); err != nil || info != want {
		t.Errorf("%+v %v", info, err)
	}
	files, err := store.Files(background, name)
	if err != nil || len(files) != 2 || files[0].Name != "disk.fidx" || files[0].PlainSize != 100<<10 {
		t.Error(files, err)
	}
}

func TestGroupsAndSnapshotsAreTended(t *testing.T) {
	store := newStore(t, pxds.Options{})
	const group = "host/x"
	if last, err := store.LastSnapshot(group); last != "" || err != nil {
		t.Error(last, err)
	}
	name := take(t, store, group, "a.didx", noise(1, 1000), pxds.BackupOptions{})
	last, err := store.LastSnapshot(group)
	if last != name || err != nil {
		t.Error(last, err)
	}
	must(t, store.SetGroupOwner(background, group, "you@pam"))
	must(t, store.SetGroupNotes(background, group, "a host"))
	must(t, store.SetNotes(background, name, "a note"))
	must(t, store.SetUnprotected(background, name, "x", `{"a":1}`))
	owner, err := store.GroupOwner(group)
	must(t, err)
	notes, err := store.GroupNotes(group)
	must(t, err)
	note, err := store.Notes(name)
	must(t, err)
	if owner != "you@pam" || notes != "a host" || note != "a note" {
		t.Error(owner, notes, note)
	}
	manifest, err := store.Manifest(name)
	must(t, err)
	var members struct{ Unprotected struct{ X struct{ A int } } }
	must(t, json.Unmarshal(manifest.JSON, &members))
	if manifest.Notes != "a note" || manifest.ID != "x" || manifest.Type != pxds.Host || !manifest.Time.Equal(start) ||
		len(manifest.Files) != 1 || manifest.Files[0].Size != 1000 || members.Unprotected.X.A != 1 {
		t.Errorf("%+v", manifest)
	}
	if again, err := pxds.ParseManifest(manifest.JSON); err != nil || again.Files[0] != manifest.Files[0] {
		t.Error(again, err)
	}
	must(t, store.Protect(background, name))
	if err := store.RemoveSnapshot(background, name); !errors.Is(err, pxds.ErrProtected) {
		t.Error(err)
	}
	for _, dry := range []bool{true, false} {
		removed, err := store.RemoveGroup(background, group, pxds.RemoveGroupOptions{DryRun: dry})
		if !errors.Is(err, pxds.ErrProtected) || removed.Protected != 1 {
			t.Error(removed, err)
		}
	}
	must(t, store.Unprotect(background, name))
	for _, dry := range []bool{true, false} {
		if list, err := store.GroupSnapshots(background, group, pxds.ListOptions{}); len(list) != 1 || err != nil {
			t.Error("a dry run has removed it:", list, err)
		}
		told := 0
		removed, err := store.RemoveGroup(background, group, pxds.RemoveGroupOptions{
			DryRun: dry, Progress: func(pxds.Progress) { told++ }})
		if err != nil || removed.Removed != 1 || told == 0 && !dry {
			t.Error(removed, told, err)
		}
	}
	if list, err := store.GroupSnapshots(background, group, pxds.ListOptions{}); len(list) != 0 || err != nil {
		t.Error(list, err)
	}
}

func TestWhatCannotBeSeenIsTold(t *testing.T) {
	var notices []pxds.Notice
	store := newStore(t, pxds.Options{Notice: func(n pxds.Notice) { notices = append(notices, n) }})
	take(t, store, "host/x", "a.didx", noise(1, 1000), pxds.BackupOptions{})
	must(t, os.Symlink("/", filepath.Join(store.Path(), "host", "link")))
	list, err := store.Snapshots(background, pxds.ListOptions{})
	if !errors.Is(err, pxds.ErrIncomplete) || len(list) != 1 {
		t.Error(list, err)
	}
	if len(notices) != 1 || !notices[0].Warning || !strings.HasSuffix(notices[0].Path, "/host/link") {
		t.Error(notices)
	}

	// A group that has become something else since it was found, and a context that is done since then.
	take(t, store, "vm/1", "a.didx", noise(1, 1000), pxds.BackupOptions{})
	notices = nil
	then := func() {}
	store = reopen(t, store, pxds.Options{Notice: func(n pxds.Notice) { notices = append(notices, n); then() }})
	ctx, stop := context.WithCancel(background)
	then = stop
	_, err = store.Snapshots(ctx, pxds.ListOptions{})
	cancelled(t, err, context.Canceled)
	then = func() {
		then = func() {}
		must(t, os.RemoveAll(filepath.Join(store.Path(), "vm", "1")))
		must(t, os.WriteFile(filepath.Join(store.Path(), "vm", "1"), nil, 0o600))
	}
	notices = nil
	list, err = store.Snapshots(background, pxds.ListOptions{})
	if err != pxds.ErrIncomplete || len(list) != 1 || list[0].ID != "x" {
		t.Error(list, err)
	}
	if len(notices) != 2 || !notices[1].Warning || !strings.HasSuffix(notices[1].Path, "/vm/1") {
		t.Error(notices)
	}
}

func TestPruneTellsOfWhatItPassedOver(t *testing.T) {
	store := newStore(t, pxds.Options{})
	name := take(t, store, "host/x", "a.didx", noise(1, 1000), pxds.BackupOptions{})
	must(t, os.Symlink("/", filepath.Join(store.Path(), "host", "x", "2020-06-25T00:00:00Z")))
	results, err := store.Prune(background, "host/x", pxds.PruneOptions{KeepLast: 1})
	if err != pxds.ErrIncomplete || len(results) != 1 || results[0].Path != name {
		t.Error(results, err)
	}
}

func TestVerify(t *testing.T) {
	store := newStore(t, pxds.Options{})
	name := take(t, store, "host/x", "a.didx", noise(1, 300<<10), smallChunks)
	other := newStore(t, pxds.Options{})
	take(t, other, "host/x", "a.didx", noise(1, 300<<10), smallChunks)
	path, chunk := chunkPath(t, store, open(t, store, name, pxds.OpenOptions{}), "a.didx")
	damage(t, path)

	var places []pxds.Damage
	var done []pxds.VerifiedSnapshot
	options := pxds.VerifyOptions{ReadOnly: true,
		Damage: func(d pxds.Damage) error { places = append(places, d); return nil },
		Done:   func(d pxds.VerifiedSnapshot) error { done = append(done, d); return nil }}
	result, err := store.Verify(background, "host/x", options)
	must(t, err)
	if result.Failed != 1 || result.Bad != 1 || len(places) != 1 || !places[0].Chunk ||
		places[0].Digest != chunk.Digest || places[0].Length != chunk.End || places[0].Status != pxds.ErrCorrupt ||
		len(done) != 1 || done[0].Path != name || done[0].Outcome != pxds.OutcomeFailed {
		t.Errorf("%+v %+v %+v", result, places, done)
	}
	result, err = store.Verify(background, name, pxds.VerifyOptions{RepairFrom: other})
	if err != nil || result.OK != 1 || result.Repaired != 1 {
		t.Errorf("%+v %v", result, err)
	}
	list, err := store.Snapshots(background, pxds.ListOptions{Manifests: true})
	if err != nil || list[0].Verified != pxds.VerifiedOK ||
		time.Since(list[0].VerifyTime) > time.Hour {
		t.Errorf("%+v %v", list, err)
	}
}

func TestStatsAndGC(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(1, 300<<10)
	take(t, store, "host/x", "a.didx", data, smallChunks)
	take(t, store, "host/y", "a.didx", data, smallChunks)
	stats, err := store.Stats(background, pxds.StatsOptions{Exact: true})
	must(t, err)
	if stats.Described.LogicalBytes != 600<<10 || stats.Used.Bytes != 300<<10 || stats.AcrossGroups != stats.Used ||
		len(stats.Groups) != 2 || stats.Groups[1].Path != "host/y" || len(stats.Snapshots) != 2 ||
		!stats.Snapshots[0].Time.Equal(start) || stats.Snapshots[1].Group != 1 {
		t.Errorf("%+v", stats)
	}
	if factor := pxds.DedupFactor(600, 300); factor != 2 {
		t.Error(factor)
	}
	if _, found, err := store.LastGC(); found || err != nil {
		t.Error(found, err)
	}
	status, err := store.GC(background, pxds.GCOptions{Cutoff: 24 * time.Hour})
	if err != nil || status.IndexFiles != 2 || status.StoredChunks != stats.Used.Chunks {
		t.Errorf("%+v %v", status, err)
	}
	noted, found, err := store.LastGC()
	if err != nil || !found || noted.StoredChunks != status.StoredChunks {
		t.Errorf("%+v %v", noted, err)
	}
	if _, err := store.GC(background, pxds.GCOptions{Cutoff: 72 * time.Hour}); !errors.Is(err, pxds.ErrArgument) {
		t.Error(err)
	}
}

func TestConvert(t *testing.T) {
	store := newStore(t, pxds.Options{})
	take(t, store, "host/x", "a.didx", noise(1, 1000), pxds.BackupOptions{})
	path := store.Path()
	store.Close()
	dry := pxds.ConvertOptions{DryRun: true}
	result, err := pxds.Convert(background, path, pxds.LayoutHex4, pxds.Options{}, dry)
	if err != nil || result.Files != 1 {
		t.Errorf("%+v %v", result, err)
	}
	result, err = pxds.Convert(background, path, pxds.LayoutHex2, pxds.Options{}, pxds.ConvertOptions{})
	if err != nil || result.Files != 0 {
		t.Errorf("%+v %v", result, err)
	}
}

func TestKeys(t *testing.T) {
	store := newStore(t, pxds.Options{})
	key, err := pxds.NewKey([32]byte{1, 2, 3})
	must(t, err)
	path := filepath.Join(t.TempDir(), "key.json")
	must(t, key.Save(path, []byte("correct horse"), pxds.KeyFileOptions{KDF: pxds.PBKDF2, Hint: "a horse"}))
	if err := key.Save(path, nil, pxds.KeyFileOptions{KDF: pxds.NoKDF}); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if _, err := pxds.LoadKey(path, []byte("wrong horse")); !errors.Is(err, pxds.ErrPassword) {
		t.Error(err)
	}
	loaded, err := pxds.LoadKey(path, []byte("correct horse"))
	must(t, err)
	defer loaded.Close()
	a, err := key.Fingerprint()
	must(t, err)
	b, err := loaded.Fingerprint()
	if err != nil || a != b || len(a.String()) != 95 {
		t.Error(a, b, err)
	}
	data := noise(1, 100<<10)
	name := take(t, store, "host/x", "a.didx", data, pxds.BackupOptions{Key: key})
	must(t, key.Close())
	if _, err := store.NewBackup(background, "host/x", pxds.BackupOptions{Key: key}); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	plain := open(t, store, name, pxds.OpenOptions{})
	_, err = plain.Restore(background, "a.didx", &bytes.Buffer{}, pxds.RestoreOptions{})
	if !errors.Is(err, pxds.ErrKey) {
		t.Error(err)
	}
	sealed := open(t, store, name, pxds.OpenOptions{Key: loaded})
	must(t, loaded.Close()) // what is open keeps it
	var memory bytes.Buffer
	if _, err := sealed.Restore(background, "a.didx", &memory, pxds.RestoreOptions{}); err != nil ||
		!bytes.Equal(memory.Bytes(), data) || sealed.Signature() != pxds.SignatureValid {
		t.Error(err, sealed.Signature())
	}
	got := make([]byte, len(data))
	if _, err := openFile(t, sealed, "a.didx").ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Error(err)
	}
	stranger, err := pxds.GenerateKey()
	must(t, err)
	tolerant, err := stranger.Tolerant()
	must(t, err)
	if _, err := store.OpenSnapshot(background, name, pxds.OpenOptions{Key: tolerant}); !errors.Is(err,
		pxds.ErrKeyMismatch) {
		t.Error(err)
	}
}

func TestIndex(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(1, 300<<10)
	name := take(t, store, "host/x", "a.didx", data, smallChunks)
	index, err := pxds.OpenIndex(filepath.Join(store.Path(), name, "a.didx"))
	must(t, err)
	defer index.Close()
	must(t, index.Check())
	info, err := index.Info()
	must(t, err)
	chunks, err := index.Chunks(0, 1000)
	must(t, err)
	if info.Fixed || info.Size != 300<<10 || info.Chunks != uint64(len(chunks)) || len(chunks) < 2 ||
		chunks[len(chunks)-1].End != info.Size || time.Since(info.Created) > time.Hour {
		t.Errorf("%+v %d", info, len(chunks))
	}
	if more, err := index.Chunks(info.Chunks, 10); len(more) != 0 || err != nil {
		t.Error(more, err)
	}
}
