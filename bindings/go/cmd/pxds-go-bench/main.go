// Command pxds-go-bench backs a file up and restores it through the package, for scripts/bench-bindings.py:
//
//	pxds-go-bench backup STORE FILE               prints the snapshot; the archive is data.didx
//	pxds-go-bench restore STORE SNAPSHOT NAME OUT
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pxds"
)

func main() {
	err := errors.New("usage: pxds-go-bench backup STORE FILE | restore STORE SNAPSHOT NAME OUT")
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "backup":
		err = backup(args[1], args[2])
	case len(args) == 5 && args[0] == "restore":
		err = restore(args[1], args[2], args[3], args[4])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pxds-go-bench:", err)
		os.Exit(1)
	}
}

// backup reads the file in Go, as a program does that makes its data itself.
func backup(path, name string) error {
	ctx := context.Background()
	store, err := pxds.OpenOrCreate(path, pxds.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	backup, err := store.NewBackup(ctx, "host/bench", pxds.BackupOptions{})
	if err != nil {
		return err
	}
	defer backup.Close()
	// No more than a reader: a file the library would read by itself.
	if _, err := backup.AddReader(ctx, "data.didx", struct{ io.Reader }{file}); err != nil {
		return err
	}
	if err := backup.Finish(ctx); err != nil {
		return err
	}
	fmt.Println(backup.Snapshot())
	return nil
}

func restore(path, snapshot, name, out string) error {
	store, err := pxds.Open(path, pxds.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	from, err := store.OpenSnapshot(context.Background(), snapshot, pxds.OpenOptions{})
	if err != nil {
		return err
	}
	defer from.Close()
	file, err := from.OpenFile(name)
	if err != nil {
		return err
	}
	defer file.Close()
	to, err := os.Create(out)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, file); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}
