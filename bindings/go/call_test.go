package pxds_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pxds"
)

// endless is a stream without an end, which calls `each` before every piece.
type endless struct{ each func() }

func (e endless) Read(p []byte) (int, error) {
	e.each()
	for i := range p {
		p[i] = byte(i * i >> 7)
	}
	return len(p), nil
}

func cancelled(t *testing.T, err error, cause error) {
	t.Helper()
	if !errors.Is(err, cause) || !errors.Is(err, pxds.ErrCancelled) {
		t.Errorf("not cancelled by %v: %v", cause, err)
	}
}

func TestContextsCancel(t *testing.T) {
	store := newStore(t, pxds.Options{})
	backup := newBackup(t, store, "host/x", pxds.BackupOptions{})
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	_, err := backup.AddReader(ctx, "a.didx", endless{func() {}})
	cancelled(t, err, context.DeadlineExceeded)
	if err := backup.AddBlob("b.blob", nil); !errors.Is(err, pxds.ErrState) {
		t.Error("it goes on:", err)
	}
	backup.Close()

	data := noise(1, 1<<20)
	snapshot := open(t, store, take(t, store, "host/x", "a.didx", data, smallChunks), pxds.OpenOptions{})
	ctx, stop := context.WithCancel(background)
	_, err = snapshot.Restore(ctx, "a.didx", writer(func(p []byte) (int, error) {
		stop()
		return len(p), nil
	}), pxds.RestoreOptions{})
	cancelled(t, err, context.Canceled)
	for name, err := range map[string]error{
		"Spaces":  second(store.Namespaces(ctx, pxds.ListOptions{})),
		"Groups":  second(store.Groups(ctx, pxds.ListOptions{})),
		"Lists":   second(store.Snapshots(ctx, pxds.ListOptions{})),
		"List":    second(store.GroupSnapshots(ctx, "host/x", pxds.ListOptions{})),
		"Files":   second(store.Files(ctx, snapshot.Path())),
		"GC":      second(store.GC(ctx, pxds.GCOptions{})),
		"Verify":  second(store.Verify(ctx, "", pxds.VerifyOptions{})),
		"Protect": store.Protect(ctx, snapshot.Path()),
		"Backup":  second(store.NewBackup(ctx, "host/x", pxds.BackupOptions{})),
	} {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, pxds.ErrCancelled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// In the middle of the work: by the callback that is told how far it is.
	ctx, stop = context.WithCancel(background)
	_, err = store.GC(ctx, pxds.GCOptions{Progress: func(pxds.Progress) { stop() }})
	cancelled(t, err, context.Canceled)
	if _, err := store.GC(background, pxds.GCOptions{}); err != nil {
		t.Error("the store is free again:", err)
	}
}

// A Read that blocks ends when its reader is closed, and the call with it, by the context.
func TestBlockedReadersEndWhenTheyAreClosed(t *testing.T) {
	store := newStore(t, pxds.Options{})
	for _, name := range []string{"a.didx", "a.fidx", "a.blob"} {
		backup := newBackup(t, store, "host/x", pxds.BackupOptions{})
		ctx, stop := context.WithCancel(background)
		reader, writer := io.Pipe()
		closed := make(chan struct{})
		go func() {
			writer.Write([]byte("the start"))
			stop()
			<-ctx.Done()
			reader.Close()
			close(closed)
		}()
		_, err := backup.AddReader(ctx, name, reader)
		cancelled(t, err, context.Canceled)
		<-closed
		if err := backup.Finish(background); !errors.Is(err, pxds.ErrState) {
			t.Error("it goes on:", err)
		}
		backup.Close()
	}
}

func second[T any](_ T, err error) error { return err }

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestLocksAreWaitedFor(t *testing.T) {
	store := newStore(t, pxds.Options{})
	running := newBackup(t, store, "host/x", pxds.BackupOptions{})
	if _, err := store.NewBackup(background, "host/x", pxds.BackupOptions{}); !errors.Is(err, pxds.ErrBusy) {
		t.Error(err)
	}
	patient := reopen(t, store, pxds.Options{LockWait: time.Hour})
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	_, err := patient.NewBackup(ctx, "host/x", pxds.BackupOptions{})
	cancelled(t, err, context.DeadlineExceeded)

	time.AfterFunc(50*time.Millisecond, func() { running.Close() })
	backup, err := patient.NewBackup(background, "host/x", pxds.BackupOptions{})
	must(t, err)
	must(t, backup.Close())
}

func TestReadersAndWritersFail(t *testing.T) {
	store := newStore(t, pxds.Options{})
	broken := errors.New("the line is dead")
	for _, name := range []string{"a.didx", "a.fidx", "a.blob"} {
		backup := newBackup(t, store, "host/x", pxds.BackupOptions{})
		_, err := backup.AddReader(background, name, io.MultiReader(bytes.NewReader(noise(1, 1000)), failing{broken}))
		itself(t, err, broken)
		backup.Close()
	}
	backup := newBackup(t, store, "host/x", pxds.BackupOptions{})
	_, err := backup.AddReader(background, "a.didx", failing{nil})
	itself(t, err, io.ErrNoProgress)
	backup.Close()

	// A reader that has the same context, and gives its error, is that context.
	ctx, stop := context.WithCancel(background)
	backup = newBackup(t, store, "host/x", pxds.BackupOptions{})
	_, err = backup.AddReader(ctx, "a.didx", stopping{stop})
	cancelled(t, err, context.Canceled)
	backup.Close()

	snapshot := open(t, store, take(t, store, "host/x", "a.didx", noise(1, 1000), smallChunks), pxds.OpenOptions{})
	_, err = snapshot.Restore(background, "a.didx", writer(func([]byte) (int, error) { return 1, broken }),
		pxds.RestoreOptions{})
	itself(t, err, broken)
	_, err = io.Copy(writer(func([]byte) (int, error) { return 1, nil }), openFile(t, snapshot, "a.didx"))
	itself(t, err, io.ErrShortWrite)
	_, err = store.Verify(background, "", pxds.VerifyOptions{Done: func(pxds.VerifiedSnapshot) error { return broken }})
	itself(t, err, broken)
}

// stopping is a reader that ends the context of the call, and fails by it.
type stopping struct{ stop func() }

func (s stopping) Read([]byte) (int, error) {
	s.stop()
	return 0, fmt.Errorf("get: %w", context.Canceled)
}

// itself compares an error with what a reader, writer or callback has returned.
func itself(t *testing.T, err, want error) {
	t.Helper()
	if err != want {
		t.Errorf("%v, and not %v as it is", err, want)
	}
}

// failing is a reader that fails, or gives nothing at all.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestPanicsPassThrough(t *testing.T) {
	store := newStore(t, pxds.Options{})
	backup := newBackup(t, store, "host/x", pxds.BackupOptions{})
	mustPanic(t, "reader", func() {
		backup.AddReader(background, "a.didx", endless{func() { panic("reader") }})
	})
	if err := backup.Finish(background); !errors.Is(err, pxds.ErrState) {
		t.Error(err)
	}
	backup.Close()
	name := take(t, store, "host/x", "a.didx", noise(1, 300<<10), smallChunks)
	snapshot := open(t, store, name, pxds.OpenOptions{})
	mustPanic(t, "writer", func() {
		snapshot.Restore(background, "a.didx", writer(func([]byte) (int, error) { panic("writer") }),
			pxds.RestoreOptions{})
	})
	mustPanic(t, "progress", func() {
		store.GC(background, pxds.GCOptions{Progress: func(pxds.Progress) { panic("progress") }})
	})
	mustPanic(t, "done", func() {
		store.Verify(background, "", pxds.VerifyOptions{Done: func(pxds.VerifiedSnapshot) error { panic("done") }})
	})
	must(t, os.Symlink("/", filepath.Join(store.Path(), "host", "link")))
	loud := reopen(t, store, pxds.Options{Notice: func(pxds.Notice) { panic("notice") }})
	mustPanic(t, "notice", func() { loud.Groups(background, pxds.ListOptions{}) })

	// Nothing is stuck after that.
	must(t, os.Remove(filepath.Join(store.Path(), "host", "link")))
	if result, err := store.Verify(background, "", pxds.VerifyOptions{}); err != nil || result.OK != 1 {
		t.Error(result, err)
	}
}

func TestCallsWithinCallbacks(t *testing.T) {
	store := newStore(t, pxds.Options{})
	name := take(t, store, "host/x", "a.didx", noise(1, 300<<10), smallChunks)
	file := openFile(t, open(t, store, name, pxds.OpenOptions{}), "a.didx")
	backup := newBackup(t, store, "host/y", pxds.BackupOptions{})
	inner, calls := noise(2, 1000), 0
	source := io.TeeReader(file, writer(func(p []byte) (int, error) {
		calls++
		take(t, store, "host/z", "b.didx", inner, pxds.BackupOptions{Time: start.Add(time.Duration(calls) * time.Hour)})
		return len(p), nil
	}))
	stats, err := backup.AddReader(background, "a.didx", source)
	must(t, err)
	must(t, backup.Finish(background))
	if stats.Size != 300<<10 || calls == 0 {
		t.Error(stats, calls)
	}
}

func TestUseAfterClose(t *testing.T) {
	store := newStore(t, pxds.Options{})
	name := take(t, store, "host/x", "a.didx", noise(1, 300<<10), smallChunks)
	snapshot := open(t, store, name, pxds.OpenOptions{})
	file := openFile(t, snapshot, "a.didx")
	index, err := snapshot.OpenIndex("a.didx")
	must(t, err)
	backup := newBackup(t, store, "host/y", pxds.BackupOptions{})
	must(t, backup.AddBlob("a.blob", []byte("x")))
	file.Read(make([]byte, 1)) // what is buffered is not given either
	for i := 0; i < 2; i++ {
		must(t, store.Close())
	}
	// What came of a store goes on without it.
	must(t, backup.Finish(background))
	if _, err := snapshot.Restore(background, "a.didx", io.Discard, pxds.RestoreOptions{}); err != nil {
		t.Error(err)
	}
	for i := 0; i < 2; i++ {
		must(t, snapshot.Close())
		must(t, backup.Close())
		must(t, index.Close())
	}
	if n, err := io.Copy(io.Discard, file); err != nil || n != 300<<10-1 {
		t.Error(n, err)
	}
	for i := 0; i < 2; i++ {
		must(t, file.Close())
	}
	for name, err := range map[string]error{
		"Groups":    second(store.Groups(background, pxds.ListOptions{})),
		"Protect":   store.Protect(background, name),
		"NewBackup": second(store.NewBackup(background, "host/x", pxds.BackupOptions{})),
		"OpenSnap":  second(store.OpenSnapshot(background, name, pxds.OpenOptions{})),
		"GC":        second(store.GC(background, pxds.GCOptions{})),
		"OpenFile":  second(snapshot.OpenFile("a.didx")),
		"Manifest":  second(snapshot.Manifest()),
		"AddBlob":   backup.AddBlob("b.blob", nil),
		"Finish":    backup.Finish(background),
		"Read":      second(file.Read(make([]byte, 1))),
		"ReadAt":    second(file.ReadAt(make([]byte, 1), 0)),
		"WriteTo":   second(file.WriteTo(io.Discard)),
		"Info":      second(index.Info()),
		"Chunks":    second(index.Chunks(0, 1)),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if store.Path() != "" || store.Layout() != pxds.LayoutDefault {
		t.Error("a closed store has no path")
	}
}

func TestCloseWhileInUse(t *testing.T) {
	store := newStore(t, pxds.Options{})
	data := noise(1, 1<<20)
	snapshot := open(t, store, take(t, store, "host/x", "a.didx", data, smallChunks), pxds.OpenOptions{})
	file := openFile(t, snapshot, "a.didx")
	var all sync.WaitGroup
	begun := make(chan bool, 4)
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for p := make([]byte, 100<<10); ; begun <- true {
				if _, err := file.ReadAt(p, 1000); errors.Is(err, fs.ErrClosed) {
					return
				} else if err != nil || !bytes.Equal(p, data[1000:1000+len(p)]) {
					t.Error(err)
					return
				}
			}
		}()
		<-begun
	}
	go func() {
		for range begun {
		}
	}()
	for _, close := range []func() error{file.Close, snapshot.Close, store.Close} {
		must(t, close())
	}
	all.Wait()
	close(begun)
}

func TestForgottenObjectsAreFreed(t *testing.T) {
	store := newStore(t, pxds.Options{})
	func() {
		backup, err := store.NewBackup(background, "host/x", pxds.BackupOptions{})
		must(t, err)
		_ = backup
		file, err := open(t, store, take(t, store, "host/y", "a.didx", noise(1, 1000), pxds.BackupOptions{}),
			pxds.OpenOptions{}).OpenFile("a.didx")
		must(t, err)
		_ = file
	}()
	// The lock of the group goes with the backup.
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		backup, err := store.NewBackup(background, "host/x", pxds.BackupOptions{})
		if err == nil {
			backup.Close()
			return
		}
		if !errors.Is(err, pxds.ErrBusy) || time.Since(begun) > time.Minute {
			t.Fatal(err)
		}
	}
}

func TestErrors(t *testing.T) {
	store := newStore(t, pxds.Options{})
	for name, err := range map[string]error{
		"NUL in a path":  second(pxds.Open("a\x00b", pxds.Options{})),
		"NUL in a group": second(store.LastSnapshot("host/a\x00b")),
		"negative wait":  second(pxds.Open(store.Path(), pxds.Options{LockWait: -1})),
		"no group":       second(store.LastSnapshot("hosts")),
		"no archive":     second(newBackup(t, store, "host/x", pxds.BackupOptions{}).AddFile(background, "a.zip", "/")),
	} {
		if !errors.Is(err, pxds.ErrArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := pxds.Create(store.Path(), pxds.Options{})
	if !errors.Is(err, pxds.ErrExists) || !errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	backup := newBackup(t, store, "host/y", pxds.BackupOptions{})
	_, err = backup.AddFile(background, "a.didx", "/nowhere")
	var failure *pxds.Error
	if !errors.As(err, &failure) || failure.Path != "/nowhere" || failure.Errno != syscall.ENOENT ||
		!errors.Is(err, syscall.ENOENT) || failure.Offset != -1 || failure.Digest != nil {
		t.Errorf("%#v", failure)
	}
	if pxds.ErrBusy.Name() != "PXDS_ERR_BUSY" || pxds.ErrBusy.Error() == "" || pxds.Version() == "" {
		t.Error(pxds.ErrBusy.Name(), pxds.ErrBusy)
	}
	must(t, backup.AddBlob("a.blob", nil)) // it goes on after a file that is not there
	must(t, backup.Finish(background))
}

// Run by TestExitWithOpenHandles, TestOtherLibrary and TestOtherStructure in a process of its own.
func TestMain(m *testing.M) {
	path := os.Getenv("PXDS_TEST_CHILD")
	if path == "" {
		os.Exit(m.Run())
	}
	store, err := pxds.OpenOrCreate(path, pxds.Options{})
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	if _, err := store.Snapshots(background, pxds.ListOptions{}); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	backup, err := store.NewBackup(background, "host/x", pxds.BackupOptions{})
	if err != nil {
		os.Exit(2)
	}
	reading := make(chan bool)
	go backup.AddReader(background, "a.didx", endless{func() {
		select {
		case reading <- true:
		default:
		}
	}})
	<-reading // and the process ends in the middle of it
}

func child(path string, env ...string) (string, error) {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), append(env, "PXDS_TEST_CHILD="+path)...)
	output, err := command.CombinedOutput()
	return string(output), err
}

func TestExitWithOpenHandles(t *testing.T) {
	store := newStore(t, pxds.Options{})
	if text, err := child(store.Path()); err != nil || text != "" {
		t.Fatal(err, text)
	}
	name := take(t, store, "host/x", "a.didx", noise(1, 1000), pxds.BackupOptions{})
	list, err := store.Snapshots(background, pxds.ListOptions{})
	if err != nil || len(list) != 1 || list[0].Path != name {
		t.Error(list, err)
	}
	if result, err := store.Verify(background, "", pxds.VerifyOptions{}); err != nil || result.OK != 1 {
		t.Error(result, err)
	}
}

// library makes a shared library of a line of C, to stand before libpxds.
func library(t *testing.T, code string) string {
	t.Helper()
	directory := t.TempDir()
	source, library := filepath.Join(directory, "other.c"), filepath.Join(directory, "other.so")
	must(t, os.WriteFile(source, []byte(code), 0o644))
	cc := strings.Fields(os.Getenv("CC"))
	if len(cc) == 0 {
		cc = []string{"cc"}
	}
	output, err := exec.Command(cc[0], append(cc[1:], "-shared", "-fPIC", "-o", library, source)...).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(output))
	}
	return "LD_PRELOAD=" + library
}

func TestOtherLibrary(t *testing.T) {
	text, err := child(t.TempDir(), library(t, "unsigned pxds_abi_version(void) { return 99; }\n"))
	if err == nil {
		t.Error("it runs")
	}
	contains(t, text, "libpxds", "has ABI 99", "was compiled for ABI 0")
}

// A library that does not take a structure of the header, as one is that needs a larger one.
func TestOtherStructure(t *testing.T) {
	store := newStore(t, pxds.Options{})
	take(t, store, "host/y", "a.didx", noise(1, 1000), pxds.BackupOptions{})
	text, err := child(store.Path(), library(t, "int pxds_snapshot_list_get(void) { return -1; }\n"))
	if err == nil {
		t.Error("it runs")
	}
	contains(t, text, pxds.ErrArgument.Error())
}

func TestZeroValues(t *testing.T) {
	var store pxds.Store
	var backup pxds.Backup
	var image pxds.Image
	var snapshot pxds.Snapshot
	var file pxds.File
	var index pxds.Index
	var key pxds.Key
	var source pxds.Source
	for i := 0; i < 2; i++ {
		for name, err := range map[string]error{
			"Groups":    second(store.Groups(background, pxds.ListOptions{})),
			"NewBackup": second(store.NewBackup(background, "host/x", pxds.BackupOptions{Key: &key})),
			"AddBlob":   backup.AddBlob("a.blob", nil),
			"AddReader": second(backup.AddReader(background, "a.didx", failing{nil})),
			"NewImage":  second(backup.NewImage(background, "a.fidx", 1)),
			"Write":     second(image.Write([]byte{1})),
			"WriteAt":   second(image.WriteAt([]byte{1}, 0)),
			"Reuse":     image.ReuseBitmap(background, &index, nil, 65536),
			"Finish":    second(image.Finish(background)),
			"Restore":   second(snapshot.Restore(background, "a.didx", io.Discard, pxds.RestoreOptions{})),
			"Read":      second(file.Read(make([]byte, 1))),
			"ReadAt":    second(file.ReadAt(make([]byte, 1), 0)),
			"Info":      second(index.Info()),
			"Source":    second(source.OpenFile(&index, pxds.FileOptions{})),
			"Print":     second(key.Fingerprint()),
		} {
			if !errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			} else {
				contains(t, err.Error(), "a zero value, which nothing of this package has opened")
			}
		}
		for _, c := range []io.Closer{&store, &backup, &image, &snapshot, &file, &index, &key, &source} {
			must(t, c.Close())
		}
	}
}
