package pxds_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	"pxds"
)

// A snapshot of two archives, and what is in it.
func Example() {
	ctx := context.Background()
	directory, _ := os.MkdirTemp("", "pxds")
	defer os.RemoveAll(directory)

	store, err := pxds.OpenOrCreate(filepath.Join(directory, "store"), pxds.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	backup, err := store.NewBackup(ctx, "host/laptop", pxds.BackupOptions{
		Time: time.Date(2020, 6, 26, 13, 56, 5, 0, time.UTC), Notes: "before the trip"})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	if _, err := backup.AddReader(ctx, "letter.didx", bytes.NewReader([]byte("Dear reader"))); err != nil {
		log.Fatal(err)
	}
	if err := backup.AddBlob("settings.blob", []byte("colour=blue")); err != nil {
		log.Fatal(err)
	}
	if err := backup.Finish(ctx); err != nil {
		log.Fatal(err)
	}

	snapshots, err := store.Snapshots(ctx, pxds.ListOptions{Recursive: true, Manifests: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range snapshots {
		fmt.Println(s.Path, s.Notes)
	}

	snapshot, err := store.OpenSnapshot(ctx, backup.Snapshot(), pxds.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Close()
	file, err := snapshot.OpenFile("letter.didx")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", text)
	// Output:
	// host/laptop/2020-06-26T13:56:05Z before the trip
	// Dear reader
}

// A tar archive that is made while it is stored, and read where it lies.
func ExampleBackup_AddReader() {
	ctx := context.Background()
	store, done := scratchStore()
	defer done()

	reader, writer := io.Pipe()
	go func() {
		archive := tar.NewWriter(writer)
		data := []byte("hello")
		archive.WriteHeader(&tar.Header{Name: "greeting", Mode: 0o644, Size: int64(len(data))})
		archive.Write(data)
		writer.CloseWithError(archive.Close())
	}()
	backup, err := store.NewBackup(ctx, "host/laptop", pxds.BackupOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	stats, err := backup.AddReader(ctx, "root.didx", reader)
	if err != nil {
		log.Fatal(err)
	}
	if err := backup.Finish(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Size, "bytes in", stats.Chunks, "chunk")

	snapshot, err := store.OpenSnapshot(ctx, backup.Snapshot(), pxds.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Close()
	file, err := snapshot.OpenFile("root.didx")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	archive := tar.NewReader(file)
	header, err := archive.Next()
	if err != nil {
		log.Fatal(err)
	}
	text, _ := io.ReadAll(archive)
	fmt.Printf("%s: %s\n", header.Name, text)
	// Output:
	// 2048 bytes in 1 chunk
	// greeting: hello
}

// A part of an image, as an io.ReaderAt.
func ExampleFile_ReadAt() {
	store, done := scratchStore()
	defer done()
	snapshot := scratchSnapshot(store, "disk.fidx", bytes.Repeat([]byte("0123456789"), 1000))
	defer snapshot.Close()

	file, err := snapshot.OpenFile("disk.fidx")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	section, err := io.ReadAll(io.NewSectionReader(file, 5003, 7))
	fmt.Printf("%s %v of %d\n", section, err, file.Size())
	// Output: 3456789 <nil> of 10000
}

// The image of a virtual machine of which the hypervisor knows what has been written since the last backup.
func ExampleImage() {
	ctx := context.Background()
	store, done := scratchStore()
	defer done()
	const size = 12 << 20
	scratchImage(store, make([]byte, size)).Close()
	disk, err := os.CreateTemp("", "disk")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(disk.Name())
	defer disk.Close()
	disk.Truncate(size)
	disk.WriteAt([]byte("a guest was here"), 5<<20)
	dirty := make([]byte, size/65536/8) // a bit for each 64 KiB
	dirty[10] = 0x01

	backup, err := store.NewBackup(ctx, "vm/100", pxds.BackupOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	last, err := store.OpenSnapshot(ctx, backup.Previous(), pxds.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer last.Close()
	earlier, err := last.OpenIndex("disk.fidx")
	if err != nil {
		log.Fatal(err)
	}
	defer earlier.Close()
	image, err := backup.NewImage(ctx, "disk.fidx", size)
	if err != nil {
		log.Fatal(err)
	}
	defer image.Close()
	if err := image.ReuseBitmap(ctx, earlier, dirty, 65536); err != nil {
		log.Fatal(err)
	}
	if err := image.ReadFile(ctx, disk); err != nil { // reads only what has been written
		log.Fatal(err)
	}
	stats, err := image.Finish(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := backup.Finish(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Chunks, "chunks,", stats.NewChunks, "new")
	// Output: 3 chunks, 1 new
}

// A backup that only the key opens, which is under a password in a file.
func ExampleKey() {
	ctx := context.Background()
	store, done := scratchStore()
	defer done()
	path := filepath.Join(store.Path(), "..", "key.json")

	key, err := pxds.GenerateKey()
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	password := []byte("correct horse")
	if err := key.Save(path, password, pxds.KeyFileOptions{Hint: "a horse"}); err != nil {
		log.Fatal(err)
	}
	backup, err := store.NewBackup(ctx, "host/laptop", pxds.BackupOptions{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	if err := backup.AddBlob("letter.blob", []byte("Dear reader")); err != nil {
		log.Fatal(err)
	}
	if err := backup.Finish(ctx); err != nil {
		log.Fatal(err)
	}

	loaded, err := pxds.LoadKey(path, password)
	if err != nil {
		log.Fatal(err)
	}
	defer loaded.Close()
	snapshot, err := store.OpenSnapshot(ctx, backup.Snapshot(), pxds.OpenOptions{Key: loaded})
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Close()
	text, err := snapshot.ReadBlob("letter.blob")
	fmt.Printf("%s %v\n", text, err)
	_, err = pxds.LoadKey(path, []byte("wrong horse"))
	fmt.Println(errors.Is(err, pxds.ErrPassword))
	// Output:
	// Dear reader <nil>
	// true
}

// A key that is lost with its machine comes back by the master key, whose private half lies in a safe.
func ExampleKey_Seal() {
	ctx := context.Background()
	store, done := scratchStore()
	defer done()
	public, err := os.ReadFile("master-public.pem")
	if err != nil {
		log.Fatal(err)
	}

	key, err := pxds.LoadKey("key.json", []byte("correct horse"))
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	sealed, err := key.Seal(public, time.Time{})
	if err != nil {
		log.Fatal(err)
	}
	backup, err := store.NewBackup(ctx, "vm/100", pxds.BackupOptions{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	if err := backup.AddSealedKey(sealed); err != nil {
		log.Fatal(err)
	}
	// And so on; years later, without the key:
	snapshot, err := store.OpenSnapshot(ctx, "vm/100/2020-06-26T13:56:05Z", pxds.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer snapshot.Close()
	if sealed, err = snapshot.ReadBlob("rsa-encrypted.key.blob"); err != nil {
		log.Fatal(err)
	}
	private, err := os.ReadFile("master-private.pem")
	if err != nil {
		log.Fatal(err)
	}
	recovered, err := pxds.RecoverKey(sealed, private, []byte("the password of the PEM"))
	if err != nil {
		log.Fatal(err)
	}
	defer recovered.Close()
}

// What is there: groups, snapshots and the files of one.
func ExampleStore_Snapshots() {
	ctx := context.Background()
	store, done := scratchStore()
	defer done()
	scratchImage(store, make([]byte, 5<<20)).Close()

	snapshots, err := store.Snapshots(ctx, pxds.ListOptions{Recursive: true, Manifests: true})
	if errors.Is(err, pxds.ErrIncomplete) {
		log.Print(err) // and there is what could be seen
	} else if err != nil {
		log.Fatal(err)
	}
	for _, s := range snapshots {
		fmt.Println(s.Type, s.ID, s.Size, s.Verified == pxds.NotVerified)
		files, err := store.Files(ctx, s.Path)
		if err != nil {
			log.Fatal(err)
		}
		for _, f := range files {
			fmt.Println(f.Name)
		}
	}
	// Output:
	// vm 100 5242880 true
	// disk.fidx
	// index.json.blob
}

// A restore to a writer, which ends when its context does.
func ExampleSnapshot_Restore() {
	store, done := scratchStore()
	defer done()
	snapshot := scratchSnapshot(store, "letter.didx", []byte("Dear reader\n"))
	defer snapshot.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := snapshot.Restore(ctx, "letter.didx", os.Stdout, pxds.RestoreOptions{
		Progress: func(p pxds.Progress) { _ = float64(p.Done) / float64(p.Total) }})
	if errors.Is(err, context.DeadlineExceeded) {
		log.Fatal("it takes too long")
	}
	fmt.Println(n, err)
	// Output:
	// Dear reader
	// 12 <nil>
}

// A snapshot that is copied to another store, which has some of its chunks already.
func ExampleBackup_CopyArchive() {
	ctx := context.Background()
	store, done := scratchStore()
	defer done()
	there, doneThere := scratchStore()
	defer doneThere()
	snapshot := scratchSnapshot(store, "letter.didx", []byte("Dear reader"))
	defer snapshot.Close()

	source, err := store.Source(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()
	index, err := snapshot.OpenIndex("letter.didx")
	if err != nil {
		log.Fatal(err)
	}
	defer index.Close()
	backup, err := there.NewBackup(ctx, "host/laptop", pxds.BackupOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	stats, err := backup.CopyArchive(ctx, "letter.didx", source, index)
	if err != nil {
		log.Fatal(err)
	}
	if err := backup.Finish(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Size, "bytes in", stats.Chunks, "chunk")
	// Output: 11 bytes in 1 chunk
}

// Errors say what, where and why.
func ExampleError() {
	_, err := pxds.Open("/nowhere", pxds.Options{})
	fmt.Println(errors.Is(err, pxds.ErrNotFound), errors.Is(err, fs.ErrNotExist))
	var failure *pxds.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Status.Name(), failure.Path, failure.Errno)
	}
	// Output:
	// true true
	// PXDS_ERR_NOT_FOUND /nowhere no such file or directory
}

// What a nightly job does after its backup.
func ExampleStore_Prune() {
	ctx := context.Background()
	store, done := scratchStore()
	defer done()
	for day := 1; day <= 3; day++ {
		backup, err := store.NewBackup(ctx, "host/laptop", pxds.BackupOptions{
			Time: time.Date(2020, 6, day, 1, 0, 0, 0, time.UTC)})
		if err != nil {
			log.Fatal(err)
		}
		backup.AddBlob("day.blob", []byte{byte(day)})
		backup.Finish(ctx)
		backup.Close()
	}

	results, err := store.Prune(ctx, "host/laptop", pxds.PruneOptions{KeepLast: 1, KeepDaily: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.Path, r.Mark, r.KeptBy == pxds.KeptByLast, r.KeptBy == pxds.KeptByDaily, r.Err)
	}
	status, err := store.GC(ctx, pxds.GCOptions{})
	fmt.Println(status.MissingChunks, err)
	verified, err := store.Verify(ctx, "", pxds.VerifyOptions{})
	fmt.Println(verified.OK, verified.Failed, err)
	// Output:
	// host/laptop/2020-06-03T01:00:00Z keep true false <nil>
	// host/laptop/2020-06-02T01:00:00Z keep false true <nil>
	// host/laptop/2020-06-01T01:00:00Z remove false false <nil>
	// 0 <nil>
	// 2 0 <nil>
}

func scratchStore() (*pxds.Store, func()) {
	directory, err := os.MkdirTemp("", "pxds")
	if err != nil {
		log.Fatal(err)
	}
	store, err := pxds.Create(filepath.Join(directory, "store"), pxds.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return store, func() {
		store.Close()
		os.RemoveAll(directory)
	}
}

func scratchSnapshot(store *pxds.Store, name string, data []byte) *pxds.Snapshot {
	return scratchBackup(store, "host/laptop", name, data)
}

func scratchImage(store *pxds.Store, data []byte) *pxds.Snapshot {
	return scratchBackup(store, "vm/100", "disk.fidx", data)
}

func scratchBackup(store *pxds.Store, group, name string, data []byte) *pxds.Snapshot {
	ctx := context.Background()
	backup, err := store.NewBackup(ctx, group, pxds.BackupOptions{Time: time.Now().Add(-time.Minute)})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	if _, err := backup.AddReader(ctx, name, bytes.NewReader(data)); err != nil {
		log.Fatal(err)
	}
	if err := backup.Finish(ctx); err != nil {
		log.Fatal(err)
	}
	snapshot, err := store.OpenSnapshot(ctx, backup.Snapshot(), pxds.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	return snapshot
}
