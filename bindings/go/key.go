package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// Key encrypts, decrypts and signs.
type Key struct{ handle handle[C.pxds_key] }

// KDF is how a password protects a key file.
type KDF uint32

// Ways to protect a key file.
const (
	Scrypt KDF = C.PXDS_KDF_SCRYPT
	PBKDF2 KDF = C.PXDS_KDF_PBKDF2
	NoKDF  KDF = C.PXDS_KDF_NONE // the key is in the clear
)

// KeyFileOptions say how a key file is written.
type KeyFileOptions struct {
	KDF     KDF
	Hint    string    // for the password
	Created time.Time // zero: now
	Replace bool      // a file that is there
}

func newKey(c *call, f func(**C.pxds_key, **C.pxds_error) C.pxds_status) (*Key, error) {
	var out *C.pxds_key
	if err := c.run(func(err **C.pxds_error) C.pxds_status { return f(&out, err) }); err != nil {
		return nil, err
	}
	k := &Key{}
	k.handle.own(out, "key", func(p *C.pxds_key) { C.pxds_key_free(p) })
	runtime.SetFinalizer(k, (*Key).Close)
	return k, nil
}

// NewKey makes a key of 32 bytes, which are copied.
func NewKey(secret [C.PXDS_KEY_SIZE]byte) (*Key, error) {
	return newKey(&call{}, func(out **C.pxds_key, err **C.pxds_error) C.pxds_status {
		return C.pxds_key_new((*C.uint8_t)(unsafe.Pointer(&secret[0])), out, err)
	})
}

// GenerateKey makes a key of random bytes. It is lost with the program unless it is saved.
func GenerateKey() (*Key, error) {
	return newKey(&call{}, func(out **C.pxds_key, err **C.pxds_error) C.pxds_status {
		return C.pxds_key_random(out, err)
	})
}

// LoadKey takes the key out of the key file at path. A wrong password is ErrPassword.
func LoadKey(path string, password []byte) (*Key, error) {
	c := &call{}
	path_ := c.name(path)
	return newKey(c, func(out **C.pxds_key, err **C.pxds_error) C.pxds_status {
		var file *C.pxds_keyfile
		status := C.pxds_keyfile_load(path_, &file, err)
		defer func() { C.pxds_keyfile_free(file) }()
		if status < 0 {
			return status
		}
		return C.pxds_keyfile_unlock(file, unsafe.Pointer(&bytes(password)[0]), C.size_t(len(password)), out, err)
	})
}

// Save writes a key file to path, under a password of at least 5 bytes. It is on the disk after that.
func (k *Key) Save(path string, password []byte, options KeyFileOptions) error {
	c := &call{}
	key, path_ := use(c, &k.handle), c.name(path)
	o := C.pxds_keyfile_options{struct_size: C.sizeof_pxds_keyfile_options, kdf: C.uint32_t(options.KDF),
		flags: flag(!options.Created.IsZero(), C.PXDS_KEYFILE_SET_CREATED), hint: c.text(options.Hint)}
	if !options.Created.IsZero() {
		o.created = C.int64_t(options.Created.Unix())
	}
	return c.run(func(err **C.pxds_error) C.pxds_status {
		var file *C.pxds_keyfile
		status := C.pxds_keyfile_new(key, unsafe.Pointer(&bytes(password)[0]), C.size_t(len(password)), &o, &file, err)
		defer func() { C.pxds_keyfile_free(file) }()
		if status < 0 {
			return status
		}
		return C.pxds_keyfile_save(file, path_, flag(options.Replace, C.PXDS_SAVE_REPLACE), err)
	})
}

// Seal seals the key for the holder of a master key, whose public half is a PEM, "BEGIN PUBLIC KEY": for
// Backup.AddSealedKey. created, when the key was made, is noted; zero is now. Needs a library with the feature
// master-key; without it this is ErrUnsupported.
func (k *Key) Seal(publicPEM []byte, created time.Time) ([]byte, error) {
	c := &call{}
	key := use(c, &k.handle)
	if created.IsZero() {
		created = time.Now()
	}
	seconds := C.int64_t(created.Unix())
	var out *C.pxds_buffer
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_master_seal(key, &seconds, unsafe.Pointer(&bytes(publicPEM)[0]), C.size_t(len(publicPEM)),
			&out, err)
	})
	return takeBuffer(out), err
}

// RecoverKey opens a sealed key, the content of a snapshot's rsa-encrypted.key.blob, with the private half of the
// master key: a PEM, and its password, which may be nil. Needs what Key.Seal needs.
func RecoverKey(sealed, privatePEM, password []byte) (*Key, error) {
	return newKey(&call{}, func(out **C.pxds_key, err **C.pxds_error) C.pxds_status {
		var file *C.pxds_keyfile
		defer func() { C.pxds_keyfile_free(file) }()
		var status C.pxds_status
		if password == nil {
			status = C.pxds_master_recover(unsafe.Pointer(&bytes(sealed)[0]), C.size_t(len(sealed)),
				unsafe.Pointer(&bytes(privatePEM)[0]), C.size_t(len(privatePEM)), nil, 0, &file, err)
		} else {
			status = C.pxds_master_recover(unsafe.Pointer(&bytes(sealed)[0]), C.size_t(len(sealed)),
				unsafe.Pointer(&bytes(privatePEM)[0]), C.size_t(len(privatePEM)),
				unsafe.Pointer(&bytes(password)[0]), C.size_t(len(password)), &file, err)
		}
		if status < 0 {
			return status
		}
		return C.pxds_keyfile_unlock(file, nil, 0, out, err)
	})
}

// Tolerant makes a key that reads also what other programs have encrypted with this one in their own way, with a short
// iv or a long header. Its output is that of Proxmox Backup Server.
func (k *Key) Tolerant() (*Key, error) {
	c := &call{}
	key := use(c, &k.handle)
	return newKey(c, func(out **C.pxds_key, err **C.pxds_error) C.pxds_status {
		return C.pxds_key_tolerant(key, C.PXDS_CODEC_SHORT_IV|C.PXDS_CODEC_LONG_HEADER, out, err)
	})
}

// Fingerprint tells keys apart, and gives nothing away.
type Fingerprint [C.PXDS_FINGERPRINT_SIZE]byte

// String gives pairs of hexadecimal digits with colons between them.
func (f Fingerprint) String() string {
	pairs := make([]string, len(f))
	for i := range f {
		pairs[i] = hexText(f[i : i+1])
	}
	return strings.Join(pairs, ":")
}

// Fingerprint gives the key's fingerprint.
func (k *Key) Fingerprint() (Fingerprint, error) {
	c := &call{}
	key := use(c, &k.handle)
	var f Fingerprint
	err := c.run(func(err **C.pxds_error) C.pxds_status {
		return C.pxds_key_get_fingerprint(key, (*C.uint8_t)(unsafe.Pointer(&f[0])), err)
	})
	return f, err
}

// Close forgets the key. What was opened with it keeps it. The error is always nil.
func (k *Key) Close() error {
	k.handle.close()
	return nil
}
