//! Connections to servers, and the addresses of their names.
//!
//! A socket never blocks: who uses it waits for it in steps, and so can be told between two of them to stop. Sending
//! raises no SIGPIPE.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{SignalsBlocked, retry};
use crate::error::{Error, Kind, Result};

/// Addresses of one name that are tried, at most.
const ADDRESSES_MAX: usize = 16;

/// Bytes of the stack of a thread that looks up a name.
const STACK_SIZE: usize = 256 << 10;

/// What a socket is waited for, or is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Bytes have come, or the end, or an error.
    pub read: bool,
    /// There is room for bytes to send, or an error.
    pub write: bool,
}

/// A connection over TCP; closed when it is dropped, without a word to the other side but that.
#[derive(Debug)]
pub struct Socket(TcpStream);

impl Socket {
    /// Begins to connect. [`Socket::connected`] says what has become of it, once the socket is ready to write.
    ///
    /// Errors: of the system, where it knows at once.
    pub fn connect(address: &SocketAddr) -> io::Result<Socket> {
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: a plain call; the descriptor is new and ours.
        let fd = retry(|| unsafe { libc::socket(family, kind, 0) })?;
        // SAFETY: as above.
        let socket = Socket(TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) }));
        socket.0.set_nodelay(true)?;
        let (name, len) = system_address(address);
        // SAFETY: `name` is an address of `len` bytes.
        let result = retry(|| unsafe { libc::connect(fd, name.as_ptr().cast(), len) });
        match result.map_err(|error| error.raw_os_error()) {
            // The second: a signal had interrupted the first attempt.
            Err(Some(libc::EINPROGRESS | libc::EALREADY | libc::EISCONN)) | Ok(_) => Ok(socket),
            Err(errno) => Err(errno.map_or_else(io::Error::last_os_error, io::Error::from_raw_os_error)),
        }
    }

    /// Whether connecting went well.
    ///
    /// Errors: those of the system.
    pub fn connected(&self) -> io::Result<()> {
        self.0.take_error()?.map_or(Ok(()), Err)
    }

    /// Waits for what is wanted, but no longer than `time`, and gives what there is of it.
    ///
    /// Errors: those of the system.
    pub fn wait(&self, wanted: Ready, time: Duration) -> io::Result<Ready> {
        let mut events = 0;
        if wanted.read {
            events |= libc::POLLIN;
        }
        if wanted.write {
            events |= libc::POLLOUT;
        }
        let mut entry = libc::pollfd { fd: self.0.as_raw_fd(), events, revents: 0 };
        // Not 0 for a part of a millisecond: that would not wait at all.
        let milliseconds = i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
        // SAFETY: one entry, that is ours.
        if unsafe { libc::poll(&raw mut entry, 1, milliseconds) } < 0 {
            let error = io::Error::last_os_error();
            // The caller's clock goes on; a signal is a short wait.
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
            return Ok(Ready { read: false, write: false });
        }
        let failed = entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
        Ok(Ready {
            read: wanted.read && (failed || entry.revents & libc::POLLIN != 0),
            write: wanted.write && (failed || entry.revents & libc::POLLOUT != 0),
        })
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

// Only `write`: std sends with MSG_NOSIGNAL there, and several buffers at once without it.
impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An address as the system has it, and its length.
fn system_address(address: &SocketAddr) -> (MaybeUninit<libc::sockaddr_storage>, libc::socklen_t) {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let len = match address {
        SocketAddr::V4(address) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: there is room for an address of any family, aligned for it.
            unsafe { storage.as_mut_ptr().cast::<libc::sockaddr_in>().write(name) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            // SAFETY: as above.
            unsafe { storage.as_mut_ptr().cast::<libc::sockaddr_in6>().write(name) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, len as libc::socklen_t)
}

/// The addresses of a host, by its name or as it is written; `still` is asked each `step` whether to go on.
///
/// The system looks up a name in one call that cannot be ended, so a thread makes it. If `still` ends the wait, the
/// thread ends by itself when the call does.
///
/// Errors: those of `still`; within: `Io` if there are none.
pub fn addresses<E>(
    host: &str,
    port: u16,
    step: Duration,
    mut still: impl FnMut() -> std::result::Result<(), E>,
) -> std::result::Result<Result<Vec<SocketAddr>>, E> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Ok(vec![SocketAddr::new(address, port)]));
    }
    let (answer, answers) = mpsc::sync_channel(1);
    let name = host.to_owned();
    let look_up = move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // Nobody may be waiting any more.
        let _ = answer.send(found.map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>()));
    };
    let started = {
        let _signals = SignalsBlocked::new();
        thread::Builder::new().name("pxds-lookup".into()).stack_size(STACK_SIZE).spawn(look_up)
    };
    if let Err(source) = started {
        return Ok(Err(Error::os("start", "a thread that looks up a name", &source)));
    }
    let found = loop {
        match answers.recv_timeout(step) {
            Ok(found) => break found,
            Err(mpsc::RecvTimeoutError::Timeout) => still()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => break Ok(Vec::new()),
        }
    };
    Ok(match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::new(Kind::Io, format!("the host {host} has no address"))),
        Err(source) => Err(Error::new(Kind::Io, format!("cannot look up the host {host}: {source}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const READ: Ready = Ready { read: true, write: false };
    const WRITE: Ready = Ready { read: false, write: true };
    const LONG: Duration = Duration::from_secs(30);

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Socket::connect(&listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        assert!(socket.wait(WRITE, LONG).unwrap().write);
        socket.connected().unwrap();
        (socket, other)
    }

    #[test]
    fn bytes_come_and_go_and_nothing_blocks() {
        let (mut socket, mut other) = pair();
        assert_eq!(socket.read(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(!socket.wait(READ, Duration::ZERO).unwrap().read);
        socket.write_all(b"there").unwrap();
        let mut bytes = [0; 5];
        other.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"there");
        other.write_all(b"back").unwrap();
        assert!(socket.wait(READ, LONG).unwrap().read);
        assert_eq!(socket.read(&mut bytes).unwrap(), 4);
        drop(other);
        assert!(socket.wait(READ, LONG).unwrap().read);
        assert_eq!(socket.read(&mut bytes).unwrap(), 0);
    }

    #[test]
    fn who_is_not_there_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = Socket::connect(&address).and_then(|socket| {
            socket.wait(WRITE, LONG)?;
            socket.connected()
        });
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let socket = Socket::connect(&listener.local_addr().unwrap()).unwrap();
        assert!(socket.wait(WRITE, LONG).unwrap().write);
        socket.connected().unwrap();
    }

    #[test]
    fn names_have_addresses() {
        let find = |host| addresses(host, 80, LONG, || Ok::<(), ()>(())).unwrap();
        for (host, first) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            assert_eq!(find(host).unwrap(), [first.parse().unwrap()]);
        }
        assert!(find("localhost").unwrap().iter().all(|address| address.ip().is_loopback()));
        assert_eq!(find("no name").unwrap_err().kind(), Kind::Io);
        // Who does not want to wait does not; a name that is known may be there before it is asked.
        let stopped = addresses("localhost", 80, Duration::ZERO, || Err("stop"));
        assert!(matches!(stopped, Err("stop") | Ok(Ok(_))), "{stopped:?}");
    }

    #[test]
    fn sending_to_who_has_gone_raises_no_signal() {
        let (mut socket, other) = pair();
        drop(other);
        // SAFETY: the child calls nothing but what is safe after fork, and leaves at once; a signal ends it.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            let mut failed = false;
            for _ in 0..100 {
                failed |= matches!(socket.write(b"x"), Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
                super::super::pause(10);
                if failed {
                    break;
                }
            }
            // SAFETY: leaves without running anything of the parent's.
            unsafe { libc::_exit(i32::from(!failed)) };
        }
        let mut status = -1;
        // SAFETY: waits for the child that was just made.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
