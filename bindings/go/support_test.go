package pxds_test

import (
	"bytes"
	"context"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pxds"
)

// background is the context of calls that nothing cancels.
var background = context.Background()

// start is the time of the first snapshot of a test.
var start = time.Date(2020, 6, 26, 13, 56, 5, 0, time.UTC)

func noise(seed int64, size int) []byte {
	data := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(data)
	return data
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t *testing.T, options pxds.Options) *pxds.Store {
	t.Helper()
	store, err := pxds.Create(filepath.Join(t.TempDir(), "store"), options)
	must(t, err)
	t.Cleanup(func() { store.Close() })
	return store
}

// reopen opens the same store again, by a handle of its own.
func reopen(t *testing.T, store *pxds.Store, options pxds.Options) *pxds.Store {
	t.Helper()
	other, err := pxds.Open(store.Path(), options)
	must(t, err)
	t.Cleanup(func() { other.Close() })
	return other
}

func newBackup(t *testing.T, store *pxds.Store, group string, options pxds.BackupOptions) *pxds.Backup {
	t.Helper()
	backup, err := store.NewBackup(background, group, options)
	must(t, err)
	t.Cleanup(func() { backup.Close() })
	return backup
}

// take makes a snapshot with one archive.
func take(t *testing.T, store *pxds.Store, group, name string, data []byte, options pxds.BackupOptions) string {
	t.Helper()
	if options.Time.IsZero() {
		options.Time = start
	}
	backup := newBackup(t, store, group, options)
	_, err := backup.AddReader(background, name, bytes.NewReader(data))
	must(t, err)
	must(t, backup.Finish(background))
	return backup.Snapshot()
}

func open(t *testing.T, store *pxds.Store, snapshot string, options pxds.OpenOptions) *pxds.Snapshot {
	t.Helper()
	opened, err := store.OpenSnapshot(background, snapshot, options)
	must(t, err)
	t.Cleanup(func() { opened.Close() })
	return opened
}

func openFile(t *testing.T, snapshot *pxds.Snapshot, name string) *pxds.File {
	t.Helper()
	file, err := snapshot.OpenFile(name)
	must(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

// chunkPath is the file of the first chunk of an archive.
func chunkPath(t *testing.T, store *pxds.Store, snapshot *pxds.Snapshot, name string) (string, pxds.IndexChunk) {
	t.Helper()
	index, err := snapshot.OpenIndex(name)
	must(t, err)
	defer index.Close()
	chunks, err := index.Chunks(0, 1)
	must(t, err)
	digest := chunks[0].Digest.String()
	return filepath.Join(store.Path(), ".chunks", digest[:2], digest), chunks[0]
}

// damage overwrites the end of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	for i := len(data) - 16; i < len(data); i++ {
		data[i] ^= 0xff
	}
	must(t, os.Chmod(path, 0o644))
	must(t, os.WriteFile(path, data, 0o644))
}

// mustPanic runs f, which has to panic with this value.
func mustPanic(t *testing.T, value any, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); got != value {
			t.Errorf("recovered %v, not %v", got, value)
		}
	}()
	f()
	t.Error("no panic")
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %q", part, text)
		}
	}
}
