package pxds_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pxds"
)

const chunk = 64 << 10

// addImage adds disk.fidx to a backup of vm/100 by what `fill` does, and gives the sums.
func addImage(t *testing.T, store *pxds.Store, options pxds.BackupOptions, size int64,
	fill func(*pxds.Backup, *pxds.Image)) (*pxds.Snapshot, pxds.AddStats) {
	t.Helper()
	options.ChunkSize, options.AnyChunkSize = chunk, true
	backup := newBackup(t, store, "vm/100", options)
	image, err := backup.NewImage(background, "disk.fidx", size)
	must(t, err)
	defer image.Close()
	fill(backup, image)
	stats, err := image.Finish(background)
	must(t, err)
	must(t, backup.Finish(background))
	return open(t, store, backup.Snapshot(), pxds.OpenOptions{Key: options.Key}), stats
}

// previous is the index of the last backup.
func previous(t *testing.T, store *pxds.Store, backup *pxds.Backup, key *pxds.Key) *pxds.Index {
	t.Helper()
	index, err := open(t, store, backup.Previous(), pxds.OpenOptions{Key: key}).OpenIndex("disk.fidx")
	must(t, err)
	t.Cleanup(func() { index.Close() })
	return index
}

func isImage(t *testing.T, snapshot *pxds.Snapshot, want []byte) {
	t.Helper()
	got, err := io.ReadAll(openFile(t, snapshot, "disk.fidx"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestImageOfWhatHasChanged(t *testing.T) {
	key, err := pxds.GenerateKey()
	must(t, err)
	for name, options := range map[string]pxds.BackupOptions{"plain": {}, "encrypted": {Key: key},
		"signed": {Key: key, Crypt: pxds.CryptSignOnly}} {
		t.Run(name, func(t *testing.T) { changedImage(t, options) })
	}
}

func changedImage(t *testing.T, options pxds.BackupOptions) {
	store := newStore(t, pxds.Options{})
	data := noise(1, 5*chunk+100)
	size := int64(len(data))
	options.Time = start
	snapshot, stats := addImage(t, store, options, -1, func(_ *pxds.Backup, image *pxds.Image) {
		n, err := io.Copy(image, bytes.NewReader(data))
		if n != size || err != nil {
			t.Error(n, err)
		}
	})
	if isImage(t, snapshot, data); stats.NewChunks != 6 {
		t.Errorf("%+v", stats)
	}

	// A guest has written to chunks 1 and 3; the bitmap has a bit for 4 KiB.
	copy(data[chunk+5000:], "hello")
	copy(data[3*chunk:], "world")
	bitmap := make([]byte, 11)
	bitmap[2], bitmap[6] = 1<<1, 1<<0
	path := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(path, data, 0o600))
	disk, err := os.Open(path)
	must(t, err)
	defer disk.Close()
	options.Time = start.Add(time.Hour)
	snapshot, stats = addImage(t, store, options, size, func(backup *pxds.Backup, image *pxds.Image) {
		must(t, image.ReuseBitmap(background, previous(t, store, backup, options.Key), bitmap, 4096))
		_, err := image.Finish(background)
		var failure *pxds.Error
		if !errors.As(err, &failure) || failure.Status != pxds.ErrState || failure.Offset != chunk {
			t.Error("the first that is missing is named:", err)
		}
		must(t, image.ReadFile(background, disk))
	})
	if isImage(t, snapshot, data); stats.NewChunks != 2 || stats.Chunks != 6 {
		t.Errorf("%+v", stats)
	}

	// The last two chunks, by ranges and by hand.
	copy(data[4*chunk+1:], "again")
	copy(data[5*chunk+1:], "and again")
	options.Time = start.Add(2 * time.Hour)
	snapshot, stats = addImage(t, store, options, size, func(backup *pxds.Backup, image *pxds.Image) {
		changed := []pxds.Range{{5*chunk + 1, 20}, {4*chunk + 1, 5}}
		must(t, image.ReuseRanges(background, previous(t, store, backup, options.Key), changed))
		n, err := image.WriteAt(data[4*chunk:], 4*chunk)
		if n != chunk+100 || err != nil {
			t.Error(n, err)
		}
	})
	if isImage(t, snapshot, data); stats.NewChunks != 2 {
		t.Errorf("%+v", stats)
	}

	// Nothing has changed.
	options.Time = start.Add(3 * time.Hour)
	snapshot, stats = addImage(t, store, options, size, func(backup *pxds.Backup, image *pxds.Image) {
		must(t, image.ReuseRanges(background, previous(t, store, backup, options.Key), nil))
	})
	if isImage(t, snapshot, data); stats.NewChunks != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestImagesFail(t *testing.T) {
	store := newStore(t, pxds.Options{})
	backup := newBackup(t, store, "vm/100", smallChunks)
	image, err := backup.NewImage(background, "disk.fidx", 3*chunk)
	must(t, err)
	reader, writer, err := os.Pipe()
	must(t, err)
	defer reader.Close()
	defer writer.Close()
	if err := image.ReadFile(background, reader); !errors.Is(err, pxds.ErrArgument) {
		t.Error("a pipe is no image:", err)
	}
	if n, err := image.WriteAt(make([]byte, chunk+1), 0); n != chunk || !errors.Is(err, pxds.ErrArgument) {
		t.Error("a piece of a chunk:", n, err)
	}
	if _, err := image.WriteAt(nil, -1); !errors.Is(err, pxds.ErrArgument) {
		t.Error(err)
	}
	disk, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	must(t, err)
	defer disk.Close()
	must(t, disk.Truncate(3*chunk))
	ctx, stop := context.WithCancel(background)
	stop()
	cancelled(t, image.ReadFile(ctx, disk), context.Canceled)
	must(t, image.ReadFile(background, disk))
	must(t, image.Close())
	must(t, image.Close())
	if _, err := image.Finish(background); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	must(t, disk.Close())
	other, err := backup.NewImage(background, "disk.fidx", 3*chunk)
	must(t, err)
	if other.ReadFile(background, disk) == nil {
		t.Error("a closed file is read")
	}
	must(t, backup.Close())
	if _, err := other.Write(make([]byte, 3*chunk)); err != nil {
		t.Error(err)
	}
	if _, err := other.Finish(background); !errors.Is(err, fs.ErrClosed) {
		t.Error("there is no backup to add it to:", err)
	}
}

// What C is given may lie beside pointers of Go's.
func TestBytesBesidePointers(t *testing.T) {
	store := newStore(t, pxds.Options{})
	backup := newBackup(t, store, "vm/100", pxds.BackupOptions{})
	beside := &struct {
		data [100]byte
		next *int
	}{next: new(int)}
	image, err := backup.NewImage(background, "disk.fidx", -1)
	must(t, err)
	_, err = image.Write(beside.data[:])
	must(t, err)
	_, err = image.Finish(background)
	must(t, err)
	must(t, backup.AddBlob("a.blob", beside.data[:]))
	must(t, backup.Finish(background))
	file := openFile(t, open(t, store, backup.Snapshot(), pxds.OpenOptions{}), "disk.fidx")
	if n, err := file.ReadAt(beside.data[:], 0); n != 100 || err != nil {
		t.Error(n, err)
	}
}

func TestMasterKeys(t *testing.T) {
	key, err := pxds.GenerateKey()
	must(t, err)
	store := newStore(t, pxds.Options{})
	backup := newBackup(t, store, "vm/100", pxds.BackupOptions{Key: key})
	sealed := sealedKey(t, key)
	must(t, backup.AddSealedKey(sealed))
	must(t, backup.Finish(background))
	got, err := open(t, store, backup.Snapshot(), pxds.OpenOptions{}).ReadBlob("rsa-encrypted.key.blob")
	if err != nil || !bytes.Equal(got, sealed) {
		t.Error(err)
	}
}

// sealedKey seals a key, and opens it again, where the library can; otherwise it gives what might be a sealed one.
func sealedKey(t *testing.T, key *pxds.Key) []byte {
	secret, err := rsa.GenerateKey(rand.Reader, 2560)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(&secret.PublicKey)
	must(t, err)
	sealed, err := key.Seal(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), start)
	private = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	if errors.Is(err, pxds.ErrUnsupported) {
		t.Log(err)
		sealed = noise(1, secret.Size())
		if _, err := pxds.RecoverKey(sealed, private, nil); !errors.Is(err, pxds.ErrUnsupported) {
			t.Error(err)
		}
		return sealed
	}
	must(t, err)
	again, err := pxds.RecoverKey(sealed, private, nil)
	must(t, err)
	a, _ := key.Fingerprint()
	if b, err := again.Fingerprint(); a != b || err != nil {
		t.Error(err)
	}
	return sealed
}
