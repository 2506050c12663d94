package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"time"
	"unsafe"
)

// ManifestFile is a file of a snapshot, as its manifest lists it.
type ManifestFile struct {
	Name  string
	Crypt CryptMode
	Size  uint64 // of an index the bytes that it describes; of a blob those of its file
	Csum  Digest // of an index its csum; of a blob the SHA-256 of its file
}

// Manifest is what a snapshot says of itself. Names in it are not checked.
type Manifest struct {
	Type     BackupType
	ID       string
	Time     time.Time
	Signed   bool
	Verified VerifyState
	Notes    string
	Files    []ManifestFile
	JSON     []byte // all of it
}

// Manifest gives the manifest of a snapshot. No signature is checked: see OpenSnapshot.
func (s *Store) Manifest(snapshot string) (*Manifest, error) {
	c, store := s.begin(nil)
	name := c.name(snapshot)
	return newManifest(c, func(out **C.pxds_manifest, err **C.pxds_error) C.pxds_status {
		return C.pxds_manifest_load(store, name, out, err)
	})
}

// ParseManifest reads the JSON text of a manifest.
func ParseManifest(json []byte) (*Manifest, error) {
	return newManifest(&call{}, func(out **C.pxds_manifest, err **C.pxds_error) C.pxds_status {
		return C.pxds_manifest_parse(unsafe.Pointer(&bytes(json)[0]), C.size_t(len(json)), out, err)
	})
}

func newManifest(c *call, f func(**C.pxds_manifest, **C.pxds_error) C.pxds_status) (*Manifest, error) {
	var manifest *C.pxds_manifest
	defer func() { C.pxds_manifest_free(manifest) }()
	m := &Manifest{}
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		if status := f(&manifest, err); status < 0 {
			return status
		}
		return m.read(manifest, err)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Manifest) read(manifest *C.pxds_manifest, err **C.pxds_error) C.pxds_status {
	info := C.pxds_manifest_info{struct_size: C.sizeof_pxds_manifest_info}
	if status := C.pxds_manifest_get_info(manifest, &info, err); status < 0 {
		return status
	}
	m.Type, m.ID, m.Time = BackupType(info._type), C.GoString(info.id), unixTime(info.time)
	m.Signed, m.Verified = info.flags&C.PXDS_MANIFEST_SIGNED != 0, VerifyState(info.verify_state)
	for i := C.size_t(0); i < info.file_count; i++ {
		file := C.pxds_manifest_file{struct_size: C.sizeof_pxds_manifest_file}
		if status := C.pxds_manifest_get_file(manifest, i, &file, err); status < 0 {
			return status
		}
		m.Files = append(m.Files, ManifestFile{C.GoString(file.filename), CryptMode(file.crypt_mode),
			uint64(file.size), digestOf(&file.csum)})
	}
	var text *C.pxds_buffer
	if status := C.pxds_manifest_get_notes(manifest, &text, err); status < 0 {
		return status
	}
	m.Notes = string(takeBuffer(text))
	status := C.pxds_manifest_format(manifest, &text, err)
	m.JSON = takeBuffer(text)
	return status
}
