package pxds_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pxds"
)

// Chunks of 64 KiB, so that there are several.
var smallChunks = pxds.BackupOptions{AverageSize: 64 << 10, ChunkSize: 64 << 10, AnyChunkSize: true}

func TestFileIsWhatWasStored(t *testing.T) {
	store := newStore(t, pxds.Options{})
	small := noise(1, 3000) // TestReader takes the square of it
	large := noise(1, 1<<20+4711)
	for i, name := range []string{"a.didx", "b.fidx", "c.blob"} {
		options := pxds.BackupOptions{AverageSize: 512, ChunkSize: 512, AnyChunkSize: true}
		snapshot := open(t, store, take(t, store, "host/"+name[:1], name, small, options), pxds.OpenOptions{})
		file := openFile(t, snapshot, name)
		if file.Name() != name || file.Size() != int64(len(small)) {
			t.Errorf("%s: %d bytes", file.Name(), file.Size())
		}
		if err := iotest.TestReader(file, small); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		options.Time = start.Add(time.Hour)
		snapshot = open(t, store, take(t, store, "host/"+name[:1], name, large, options), pxds.OpenOptions{})
		if got, err := io.ReadAll(openFile(t, snapshot, name)); err != nil || !bytes.Equal(got, large) {
			t.Errorf("%d: %d bytes, %v", i, len(got), err)
		}
	}
}

func TestSmallReadsAndSeeks(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(2, 600<<10)
	file := openFile(t, open(t, store, take(t, store, "host/x", "a.didx", data, smallChunks), pxds.OpenOptions{}),
		"a.didx")
	got, err := io.ReadAll(iotest.OneByteReader(io.LimitReader(file, 300<<10)))
	must(t, err)
	if !bytes.Equal(got, data[:300<<10]) {
		t.Error("one byte at a time")
	}
	for _, place := range []struct {
		offset int64
		whence int
		want   int64
	}{{-1, io.SeekEnd, 600<<10 - 1}, {10, io.SeekStart, 10}, {5, io.SeekCurrent, 16}, {599 << 10, io.SeekStart, 599 << 10},
		{-300 << 10, io.SeekCurrent, 299<<10 + 1}} {
		at, err := file.Seek(place.offset, place.whence)
		must(t, err)
		var b [1]byte
		_, err = io.ReadFull(file, b[:])
		must(t, err)
		if at != place.want || b[0] != data[at] {
			t.Errorf("%v: at %d", place, at)
		}
	}
	for _, bad := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {-700 << 10, io.SeekEnd}, {0, 3}} {
		if _, err := file.Seek(bad.offset, bad.whence); !errors.Is(err, pxds.ErrArgument) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := file.ReadAt(make([]byte, 1), -1); !errors.Is(err, pxds.ErrArgument) {
		t.Error(err)
	}
	at, err := file.Seek(1<<40, io.SeekStart)
	if n, err2 := file.Read(make([]byte, 1)); err != nil || at != 1<<40 || n != 0 || err2 != io.EOF {
		t.Error(n, err, err2)
	}
}

func TestWriteTo(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(3, 700<<10)
	for _, name := range []string{"a.didx", "b.blob"} {
		snapshot := open(t, store, take(t, store, "host/"+name[:1], name, data, smallChunks), pxds.OpenOptions{})
		for _, from := range []int64{0, 100, 700 << 10, 701 << 10} {
			file := openFile(t, snapshot, name)
			_, err := file.Seek(from, io.SeekStart)
			must(t, err)
			var memory bytes.Buffer
			n, err := io.Copy(&memory, file)
			must(t, err)
			want := data[min64(from, int64(len(data))):]
			if n != int64(len(want)) || !bytes.Equal(memory.Bytes(), want) {
				t.Errorf("%s from %d: %d bytes", name, from, n)
			}
			path := filepath.Join(t.TempDir(), "out")
			out, err := os.Create(path)
			must(t, err)
			out.WriteString("head")
			_, err = file.Seek(from, io.SeekStart)
			must(t, err)
			_, err = io.Copy(out, file)
			must(t, err)
			out.WriteString("tail")
			must(t, out.Close())
			got, err := os.ReadFile(path)
			must(t, err)
			if string(got) != "head"+string(want)+"tail" {
				t.Errorf("%s from %d to a file: %d bytes", name, from, len(got))
			}
		}
	}
}

func min64(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func TestFilesAsReaders(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(7, 300<<10)
	path := filepath.Join(t.TempDir(), "in")
	must(t, os.WriteFile(path, data, 0o644))
	for i, name := range []string{"a.didx", "a.fidx", "a.blob"} {
		for _, from := range []int64{0, 1000} {
			in, err := os.Open(path)
			must(t, err)
			_, err = in.Seek(from, io.SeekStart)
			must(t, err)
			backup := newBackup(t, store, fmt.Sprintf("host/%d-%d", i, from), pxds.BackupOptions{})
			stats, err := backup.AddReader(background, name, in)
			must(t, err)
			must(t, in.Close())
			must(t, backup.Finish(background))
			got, err := io.ReadAll(openFile(t, open(t, store, backup.Snapshot(), pxds.OpenOptions{}), name))
			if err != nil || !bytes.Equal(got, data[from:]) || stats.Size != uint64(len(got)) {
				t.Errorf("%s from %d: %d bytes, %v", name, from, len(got), err)
			}
		}
	}
	closed, err := os.Open(path)
	must(t, err)
	must(t, closed.Close())
	_, err = newBackup(t, store, "host/x", pxds.BackupOptions{}).AddReader(background, "a.didx", closed)
	if !errors.Is(err, os.ErrClosed) || errors.Is(err, pxds.ErrCancelled) {
		t.Error(err)
	}
}

func TestRestore(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(4, 300<<10)
	snapshot := open(t, store, take(t, store, "host/x", "a.didx", data, smallChunks), pxds.OpenOptions{})
	var memory bytes.Buffer
	var last pxds.Progress
	n, err := snapshot.Restore(background, "a.didx", &memory, pxds.RestoreOptions{
		Threads: 1, Progress: func(p pxds.Progress) { last = p }})
	must(t, err)
	if n != int64(len(data)) || !bytes.Equal(memory.Bytes(), data) || last.Bytes != uint64(n) || last.Done != last.Total {
		t.Error(n, last)
	}
	path := filepath.Join(t.TempDir(), "out")
	must(t, snapshot.RestoreFile(background, "a.didx", path, pxds.RestoreOptions{}))
	got, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, data) {
		t.Error("the file differs")
	}
	if _, err := snapshot.Restore(background, "b.didx", &memory, pxds.RestoreOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestBadChunks(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(5, 300<<10)
	snapshot := open(t, store, take(t, store, "host/x", "a.didx", data, smallChunks), pxds.OpenOptions{})
	path, chunk := chunkPath(t, store, snapshot, "a.didx")
	must(t, os.Remove(path))
	want := append(make([]byte, chunk.End), data[chunk.End:]...)

	_, err := io.ReadAll(openFile(t, snapshot, "a.didx"))
	var failure *pxds.Error
	if !errors.As(err, &failure) || failure.Status != pxds.ErrNotFound || failure.Offset != 0 ||
		failure.Digest == nil || *failure.Digest != chunk.Digest {
		t.Errorf("%#v", err)
	}
	var bad []pxds.BadChunk
	note := func(b pxds.BadChunk) error {
		bad = append(bad, b)
		return nil
	}
	file, err := snapshot.OpenFileWith("a.didx", pxds.FileOptions{BadChunk: note})
	must(t, err)
	defer file.Close()
	got := make([]byte, len(data))
	_, err = file.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, want) || len(bad) != 1 || bad[0].Digest != chunk.Digest || bad[0].Length != chunk.End ||
		bad[0].Status != pxds.ErrNotFound || bad[0].Message == "" {
		t.Error(bad)
	}
	var memory bytes.Buffer
	_, err = snapshot.Restore(background, "a.didx", &memory, pxds.RestoreOptions{SkipBad: true})
	must(t, err)
	if !bytes.Equal(memory.Bytes(), want) {
		t.Error("zeros take the place")
	}
	stop := errors.New("enough")
	_, err = snapshot.Restore(background, "a.didx", &memory, pxds.RestoreOptions{
		BadChunk: func(pxds.BadChunk) error { return stop }})
	if err != stop {
		t.Error(err)
	}
}

func TestReadersAtOnce(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(6, 1<<20)
	file := openFile(t, open(t, store, take(t, store, "host/x", "a.fidx", data, smallChunks), pxds.OpenOptions{}),
		"a.fidx")
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			p := make([]byte, 5000)
			for k := 0; k < 50; k++ {
				at := int64((i*7919 + k*104729) % (len(data) - len(p)))
				if _, err := file.ReadAt(p, at); err != nil || !bytes.Equal(p, data[at:int(at)+len(p)]) {
					t.Errorf("at %d: %v", at, err)
				}
			}
		}(i)
	}
	all.Wait()
}
