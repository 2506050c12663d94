package pxds

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// Progress says how far a long call is, at most ten times a second.
type Progress struct {
	Phase       int    // which part of the work, from 0; for a call with several parts there are constants
	Done, Total uint64 // units; a Total of 0 is not known
	Bytes       uint64
}

// Notice is what a user should know and is no failure.
type Notice struct {
	Warning bool // something is off; otherwise it is worth knowing
	Message string
	Path    string // what it is about; may be empty
}

// call is one call of the library: what it needs, what its callbacks need, and why one of them stopped it.
type call struct {
	ctx      context.Context
	notice   func(Notice)
	progress func(Progress)
	read     func([]byte) (int, error) // 0 bytes without an error are the end
	write    func([]byte) (int, error)
	get      func(Digest, []byte) (int, error) // a blob's length, of which so much is given as there is room for
	badChunk func(BadChunk) error
	damage   func(Damage) error
	done     func(VerifiedSnapshot) error

	cleanup  []func()
	err      error // why there is no call, or why it was stopped
	panicked bool
	panic    any
}

// use gives the object of a handle for the duration of the call.
func use[T any](c *call, h *handle[T]) *T {
	object, err := h.acquire()
	if err != nil {
		c.refuse(err)
		return nil
	}
	c.cleanup = append(c.cleanup, h.release)
	return object
}

// text gives a text as C wants it, for the duration of the call; NULL for "".
func (c *call) text(s string) *C.char {
	if s == "" {
		return nil
	}
	return c.name(s)
}

// name is as text, and never NULL.
func (c *call) name(s string) *C.char {
	if strings.IndexByte(s, 0) >= 0 {
		c.refuse(argument("there is a NUL in a name or text"))
	}
	text := C.CString(s)
	c.cleanup = append(c.cleanup, func() { C.free(unsafe.Pointer(text)) })
	return text
}

func (c *call) refuse(err error) {
	if c.err == nil {
		c.err = err
	}
}

// run calls the library by f, and gives its failure. Callbacks come to c, on this thread.
func (c *call) run(f func(err **C.pxds_error) C.pxds_status) error {
	defer func() {
		for _, clean := range c.cleanup {
			clean()
		}
	}()
	if c.err != nil {
		return c.err
	}
	if c.ctx == nil {
		c.ctx = context.Background()
	}
	if err := c.ctx.Err(); err != nil {
		return cancelled(err)
	}
	status, failure := c.enter(f)
	if c.panicked {
		C.pxds_error_free(failure)
		panic(c.panic)
	}
	err := newError(status, failure)
	if status == C.PXDS_ERR_CANCELLED && c.err != nil {
		return c.cause()
	}
	return err
}

// cause is the error of a call that c.err has stopped. What a reader, writer or callback has returned is given as it
// is.
func (c *call) cause() error {
	if done := c.ctx.Err(); done != nil && errors.Is(c.err, done) {
		return cancelled(c.err)
	}
	return c.err
}

// now calls a function of the library that touches no file and calls nothing back.
func now(f func(err **C.pxds_error) C.pxds_status) error {
	var failure *C.pxds_error
	status := f(&failure)
	return newError(status, failure)
}

func (c *call) enter(f func(err **C.pxds_error) C.pxds_status) (status C.pxds_status, failure *C.pxds_error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	handle := cgo.NewHandle(c)
	defer handle.Delete()
	before := C.pxds_go_enter(C.uintptr_t(handle))
	defer func() { C.pxds_go_enter(before) }()
	status = f(&failure)
	return status, failure
}

// callback runs f for the call of a handle, and says whether that stops. A panic waits until the library is left.
func callback(handle C.uintptr_t, f func(c *call) error) (stop C.int32_t) {
	c := cgo.Handle(handle).Value().(*call)
	ended := false
	defer func() {
		if !ended {
			c.panicked, c.panic = true, recover()
			stop = 1
		}
	}()
	err := c.ctx.Err()
	if err == nil {
		err = f(c)
	}
	ended = true
	if err != nil {
		c.err = err
		return 1
	}
	return 0
}

//export pxdsGoNotice
func pxdsGoNotice(handle C.uintptr_t, level C.uint32_t, message, path *C.char) C.int32_t {
	return callback(handle, func(c *call) error {
		if c.notice != nil {
			c.notice(Notice{level == C.PXDS_NOTICE_WARNING, C.GoString(message), C.GoString(path)})
		}
		return nil
	})
}

//export pxdsGoProgress
func pxdsGoProgress(handle C.uintptr_t, p *C.pxds_progress) C.int32_t {
	return callback(handle, func(c *call) error {
		if c.progress != nil {
			c.progress(Progress{int(p.phase), uint64(p.done), uint64(p.total), uint64(p.bytes)})
		}
		return nil
	})
}

//export pxdsGoWait
func pxdsGoWait(handle C.uintptr_t) C.int32_t {
	return callback(handle, func(*call) error { return nil })
}

//export pxdsGoRead
func pxdsGoRead(handle C.uintptr_t, data *C.uint8_t, capacity C.size_t, length *C.size_t) C.int32_t {
	return callback(handle, func(c *call) error {
		n, err := c.read(unsafe.Slice((*byte)(data), int(capacity)))
		*length = C.size_t(n)
		return err
	})
}

//export pxdsGoWrite
func pxdsGoWrite(handle C.uintptr_t, data *C.uint8_t, length C.size_t, taken *C.size_t) C.int32_t {
	return callback(handle, func(c *call) error {
		n, err := c.write(unsafe.Slice((*byte)(data), int(length)))
		*taken = C.size_t(n)
		if err == nil && n < int(length) {
			err = io.ErrShortWrite
		}
		return err
	})
}

// reading gives what a reader has in pieces as large as the library asks for, so that there are few callbacks.
func reading(ctx context.Context, r io.Reader) func([]byte) (int, error) {
	var end error
	return func(p []byte) (int, error) {
		n, idle := 0, 0
		for n < len(p) && end == nil {
			var k int
			k, end = r.Read(p[n:])
			n += k
			if idle++; k > 0 {
				idle = 0
			}
			if end == nil && idle == 100 {
				end = io.ErrNoProgress
			}
			if err := ctx.Err(); err != nil {
				end = err
			}
		}
		if end == io.EOF || n > 0 && end != nil && ctx.Err() == nil {
			return n, nil // the bytes first, a failure of the reader next time
		}
		return n, end
	}
}
