package pxds

import (
	"fmt"
	"io/fs"
	"sync"
)

// handle owns an object of the library. It is freed once it is closed and no call uses it any more.
type handle[T any] struct {
	mu     sync.Mutex
	object *T
	what   string
	users  int
	closed bool
	free   func(*T)
}

// own makes h the owner of object; what names it in the error of a call after Close.
func (h *handle[T]) own(object *T, what string, free func(*T)) {
	h.object, h.what, h.free = object, what, free
}

// errZero is the error of a Store{} and the like.
var errZero = fmt.Errorf("pxds: a zero value, which nothing of this package has opened or made: %w", fs.ErrInvalid)

// acquire gives the object for a call, or for as long as another object needs it. It is followed by release.
func (h *handle[T]) acquire() (*T, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.free == nil {
		return nil, errZero
	}
	if h.closed {
		return nil, fmt.Errorf("pxds: %s: %w", h.what, fs.ErrClosed)
	}
	h.users++
	return h.object, nil
}

// check is the error of acquire.
func (h *handle[T]) check() error {
	_, err := h.acquire()
	if err == nil {
		h.release()
	}
	return err
}

func (h *handle[T]) release() {
	h.mu.Lock()
	h.users--
	h.unlockAndFree()
}

// close ends the use of the object. A second time is fine.
func (h *handle[T]) close() {
	h.mu.Lock()
	h.closed = true
	h.unlockAndFree()
}

// kept is what an object needs of others for as long as it lives.
type kept []func()

// keep gives the object of a handle for a call, and until what is kept is released.
func keep[T any](k *kept, c *call, h *handle[T]) *T {
	object, err := h.acquire()
	if err != nil {
		c.refuse(err)
		return nil
	}
	*k = append(*k, h.release)
	return object
}

func (k kept) release() {
	for _, release := range k {
		release()
	}
}

func (h *handle[T]) unlockAndFree() {
	object := h.object
	free := h.closed && h.users == 0 && object != nil
	if free {
		h.object = nil
	}
	h.mu.Unlock()
	if free {
		h.free(object)
	}
}
