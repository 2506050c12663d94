package pxds_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"pxds"
)

// chunksOf gives the chunks of a store as a function does that gets them from elsewhere.
func chunksOf(store *pxds.Store, asked *int) func(pxds.Digest) ([]byte, error) {
	path := store.Path()
	return func(digest pxds.Digest) ([]byte, error) {
		*asked++
		name := digest.String()
		return os.ReadFile(filepath.Join(path, ".chunks", name[:2], name))
	}
}

func TestSources(t *testing.T) {
	key, err := pxds.GenerateKey()
	must(t, err)
	for name, options := range map[string]pxds.BackupOptions{"plain": {}, "encrypted": {Key: key}} {
		t.Run(name, func(t *testing.T) { readFrom(t, options) })
	}
}

func readFrom(t *testing.T, options pxds.BackupOptions) {
	store := newStore(t, pxds.Options{})
	data := noise(1, 300<<10)
	options.AverageSize, options.AnyChunkSize = smallChunks.AverageSize, true
	name := take(t, store, "host/x", "a.didx", data, options)
	index, err := open(t, store, name, pxds.OpenOptions{Key: options.Key}).OpenIndex("a.didx")
	must(t, err)
	defer index.Close()
	info, err := index.Info()
	must(t, err)
	asked := 0
	source, err := pxds.NewSource(chunksOf(store, &asked), options.Key)
	must(t, err)
	var memory bytes.Buffer
	n, err := source.Restore(background, index, &memory, pxds.RestoreOptions{})
	if n != 300<<10 || err != nil || !bytes.Equal(memory.Bytes(), data) {
		t.Error(n, err)
	}
	if uint64(asked) != info.Chunks {
		t.Error("asked", asked, "times for", info.Chunks, "chunks")
	}
	file, err := source.OpenFile(index, pxds.FileOptions{})
	must(t, err)
	defer file.Close()
	must(t, source.Close())
	p := make([]byte, 1000)
	if _, err := file.ReadAt(p, 150<<10); err != nil || !bytes.Equal(p, data[150<<10:150<<10+1000]) {
		t.Error(err)
	}
	if all, err := io.ReadAll(file); err != nil || !bytes.Equal(all, data) {
		t.Error(len(all), err)
	}

	other := newStore(t, pxds.Options{})
	backup := newBackup(t, other, "host/y", options)
	if _, err := backup.CopyArchive(background, "a.didx", source, index); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	backup.Close()
	from, err := store.Source(options.Key)
	must(t, err)
	defer from.Close()
	backup = newBackup(t, other, "host/y", options)
	stats, err := backup.CopyArchive(background, "a.didx", from, index)
	must(t, err)
	must(t, backup.Finish(background))
	got, err := io.ReadAll(openFile(t, open(t, other, backup.Snapshot(), pxds.OpenOptions{Key: options.Key}), "a.didx"))
	if err != nil || !bytes.Equal(got, data) || stats.NewChunks != info.Chunks {
		t.Error(len(got), err, stats)
	}
	if result, err := other.Verify(background, "", pxds.VerifyOptions{Key: options.Key}); result.OK != 1 || err != nil {
		t.Error(result, err)
	}
}

func TestSourcesFail(t *testing.T) {
	store := newStore(t, pxds.Options{})
	name := take(t, store, "host/x", "a.didx", noise(1, 300<<10), smallChunks)
	index, err := open(t, store, name, pxds.OpenOptions{}).OpenIndex("a.didx")
	must(t, err)
	defer index.Close()
	broken := errors.New("the line is dead")
	answer := func() ([]byte, error) { return nil, broken }
	source, err := pxds.NewSource(func(pxds.Digest) ([]byte, error) { return answer() }, nil)
	must(t, err)
	defer source.Close()
	file, err := source.OpenFile(index, pxds.FileOptions{})
	must(t, err)
	defer file.Close()
	backup := newBackup(t, newStore(t, pxds.Options{}), "host/y", pxds.BackupOptions{})
	_, err = backup.CopyArchive(background, "a.didx", source, index)
	itself(t, err, broken)
	_, err = source.Restore(background, index, io.Discard, pxds.RestoreOptions{})
	itself(t, err, broken)
	_, err = file.ReadAt(make([]byte, 10), 0)
	itself(t, err, broken)
	answer = func() ([]byte, error) { return nil, fs.ErrNotExist }
	if _, err = file.ReadAt(make([]byte, 10), 0); !errors.Is(err, pxds.ErrNotFound) {
		t.Error(err)
	}
	answer = func() ([]byte, error) { return []byte("no blob"), nil }
	if _, err = file.ReadAt(make([]byte, 10), 0); !errors.Is(err, pxds.ErrFormat) && !errors.Is(err, pxds.ErrCorrupt) {
		t.Error(err)
	}
	answer = func() ([]byte, error) { panic("source") }
	mustPanic(t, "source", func() { file.ReadAt(make([]byte, 10), 0) })
	mustPanic(t, "source", func() { source.Restore(background, index, io.Discard, pxds.RestoreOptions{}) })
}
