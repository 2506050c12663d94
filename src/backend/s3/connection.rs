//! Connections to the service, with TLS or without, and those that wait for their next request.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::super::{Again, Answer, Call, Failure};
use super::address::{Address, Place};
use super::{http, tls};
use crate::error::{Error, Kind, Result, reserve};
use crate::sys::{self, Ready, Socket};

/// Bytes that are read at a time.
const READ_SIZE: usize = 64 << 10;

/// Bytes that are given to TLS at a time: some of its records.
const WRITE_SIZE: usize = 64 << 10;

/// How long a connection may wait for its next request: less than most services let it.
const IDLE_MAX: Duration = Duration::from_secs(50);

const READ: Ready = Ready { read: true, write: false };
const WRITE: Ready = Ready { read: false, write: true };
const BOTH: Ready = Ready { read: true, write: true };

/// How long something may take, within a call.
pub(super) struct Patience<'a> {
    call: &'a Call<'a>,
    limit: Duration,
    since: Instant,
    asked: Instant,
    what: &'static str,
    /// Whether the time is for all of it together, and does not begin anew when something moves.
    in_all: bool,
}

impl<'a> Patience<'a> {
    /// Waits that long, of now, for `what`; asks at once whether the call is still wanted.
    pub(super) fn new(call: &'a Call<'a>, limit: Duration, what: &'static str) -> Answer<Self> {
        call.check()?;
        let now = Instant::now();
        Ok(Patience { call, limit, since: now, asked: now, what, in_all: false })
    }

    /// The same for all of `what` together.
    fn in_all(call: &'a Call<'a>, limit: Duration, what: &'static str) -> Answer<Self> {
        Ok(Patience { in_all: true, ..Patience::new(call, limit, what)? })
    }

    /// What is left of it, for another that waits.
    pub(super) fn again(&self) -> Answer<Self> {
        self.call.check()?;
        Ok(Patience { asked: Instant::now(), ..*self })
    }

    /// From now on the time is `limit`, and begins anew when something moves; unless it is for all together.
    pub(super) fn go_on(&mut self, limit: Duration, what: &'static str) {
        if !self.in_all {
            (self.limit, self.what) = (limit, what);
        }
    }

    /// Something has moved.
    fn moved(&mut self) -> Answer<()> {
        let now = Instant::now();
        if !self.in_all {
            self.since = now;
        }
        // What flows without a pause is asked about no more often than what stands.
        if now.duration_since(self.asked) >= Call::STEP {
            self.asked = now;
            self.call.check()?;
        }
        Ok(())
    }

    /// How long to wait before this is asked again.
    fn step(&mut self) -> Answer<Duration> {
        let left = self.call.check()?;
        self.asked = Instant::now();
        let rest = self.limit.saturating_sub(self.since.elapsed());
        if rest.is_zero() {
            let Patience { limit, what, .. } = self;
            return Err(Failure::passing(format!("{what} within {} s", limit.as_secs_f32())));
        }
        Ok(rest.min(left).min(Call::STEP))
    }

    /// Waits for what is wanted of a socket.
    fn wait(&mut self, socket: &Socket, wanted: Ready) -> Answer<Ready> {
        loop {
            let step = self.step()?;
            let ready = socket.wait(wanted, step).map_err(|source| Error::os("wait for", "a connection", &source))?;
            if ready.read || ready.write {
                return Ok(ready);
            }
        }
    }
}

/// What has become of bytes that were to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All are.
    All,
    /// Not all: an answer, or the end, has come before.
    Early,
}

/// A connection.
pub(super) struct Connection {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// What has been read and not been used, behind `used`.
    input: Vec<u8>,
    used: usize,
    /// Whether nothing more can come.
    ended: bool,
    /// Whether something has come of the answer to this request.
    heard: bool,
    /// Whether it has served a request before.
    reused: bool,
    idle_since: Instant,
}

fn lost(what: &str, source: &std::io::Error) -> Failure {
    Failure { error: Error::os(what, "the connection", source).with_kind(Kind::Io), again: Again::Yes }
}

impl Connection {
    /// Connects to one of these addresses; the time is shared among them.
    fn open(place: &Place, patience: &mut Patience<'_>) -> Answer<Connection> {
        let found = sys::addresses(&place.host, place.port, Call::STEP, || patience.step().map(|_| ()))?;
        let addresses = found.map_err(|error| Failure { error, again: Again::Yes })?;
        let mut last = None;
        for (place_in_row, address) in addresses.iter().enumerate() {
            let left = patience.limit.saturating_sub(patience.since.elapsed());
            let share = left / u32::try_from(addresses.len() - place_in_row).unwrap_or(1);
            let mut own = Patience::in_all(patience.call, share, "no connection was made")?;
            match Connection::to(address, &mut own) {
                Ok(connection) => return Ok(connection),
                Err(failure) if failure.again == Again::Yes => last = Some(failure),
                // What ends the call ends it for all of them.
                Err(failure) => return Err(failure),
            }
        }
        let Failure { error, again } = last.unwrap_or_else(|| Failure::passing("no address"));
        Err(Failure { error: error.context(format!("cannot connect to {place}")), again })
    }

    fn to(address: &SocketAddr, patience: &mut Patience<'_>) -> Answer<Connection> {
        let failed = |source| Failure::from(Error::os("reach", &address.to_string(), &source).with_kind(Kind::Io));
        let passing = |source| Failure { again: Again::Yes, ..failed(source) };
        let socket = Socket::connect(address).map_err(passing)?;
        patience.wait(&socket, WRITE)?;
        socket.connected().map_err(passing)?;
        let now = Instant::now();
        Ok(Connection {
            socket,
            tls: None,
            input: Vec::new(),
            used: 0,
            ended: false,
            heard: false,
            reused: false,
            idle_since: now,
        })
    }

    /// Begins TLS on the connection.
    fn start_tls(&mut self, config: &Arc<ClientConfig>, host: &str, patience: &mut Patience<'_>) -> Answer<()> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::new(Kind::Argument, format!("the host {host} is no name that TLS could check")))?;
        let tls = ClientConnection::new(config.clone(), name).map_err(|error| broken(&error))?;
        self.tls = Some(Box::new(tls));
        loop {
            self.flush(patience)?;
            let handshaking = self.tls.as_ref().is_some_and(|tls| tls.is_handshaking());
            if !handshaking {
                return Ok(());
            }
            patience.wait(&self.socket, READ)?;
            if self.receive()? == Some(0) {
                return Err(Failure::passing("the server ended the connection while TLS was begun"));
            }
            patience.call.check()?;
        }
    }

    /// Sends what TLS has to send.
    fn flush(&mut self, patience: &mut Patience<'_>) -> Answer<()> {
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    patience.wait(&self.socket, WRITE)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost("write to", &error)),
            }
        }
        Ok(())
    }

    /// Sends `data`, unless an answer comes before its end.
    pub(super) fn send(&mut self, mut data: &[u8], patience: &mut Patience<'_>) -> Answer<Sent> {
        while !data.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            let ready = patience.wait(&self.socket, BOTH)?;
            if ready.read {
                // TLS may have something to say of its own, that is no answer.
                if self.receive()? == Some(0) || self.has_input() {
                    return Ok(Sent::Early);
                }
            }
            if !ready.write {
                continue;
            }
            match self.send_some(data) {
                Ok(count) => {
                    data = &data[count..];
                    patience.moved()?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                // The service may have said why before it has gone.
                Err(error) => {
                    if self.hears_why(patience)? {
                        return Ok(Sent::Early);
                    }
                    self.ended = true;
                    return Err(lost("write to", &error));
                }
            }
        }
        Ok(Sent::All)
    }

    fn send_some(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(data) };
        // TLS takes nothing more before it has sent what it has.
        let taken = if tls.wants_write() { 0 } else { tls.writer().write(&data[..data.len().min(WRITE_SIZE)])? };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                // Taken it is; the rest goes when there is room.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Whether something has come although nothing can be sent any more.
    fn hears_why(&mut self, patience: &mut Patience<'_>) -> Answer<bool> {
        loop {
            patience.wait(&self.socket, READ)?;
            match self.receive() {
                Ok(None | Some(1..)) if self.has_input() => return Ok(true),
                Ok(None | Some(1..)) => {}
                _ => return Ok(false),
            }
        }
    }

    fn has_input(&self) -> bool {
        self.used < self.input.len()
    }

    /// What has come and is not used.
    pub(super) fn input(&self) -> &[u8] {
        &self.input[self.used..]
    }

    /// Takes so many bytes of it.
    pub(super) fn consume(&mut self, count: usize) {
        self.used += count;
        if self.used == self.input.len() {
            self.input.clear();
            self.used = 0;
        }
    }

    /// Waits for more input; false at the end of it.
    pub(super) fn fill(&mut self, patience: &mut Patience<'_>) -> Answer<bool> {
        if self.used > 0 {
            self.input.drain(..self.used);
            self.used = 0;
        }
        let before = self.input.len();
        loop {
            if self.ended {
                return Ok(false);
            }
            match self.receive()? {
                Some(0) => return Ok(false),
                Some(_) if self.input.len() > before => {
                    patience.moved()?;
                    return Ok(true);
                }
                Some(_) => {}
                None => {
                    self.flush(patience)?;
                    patience.wait(&self.socket, READ)?;
                }
            }
        }
    }

    /// Reads what has come. `None`: nothing yet; 0: the end. With TLS there may be bytes that are none for us.
    fn receive(&mut self) -> Answer<Option<usize>> {
        let count = match &mut self.tls {
            None => {
                let before = self.input.len();
                reserve(&mut self.input, READ_SIZE)?;
                self.input.resize(before + READ_SIZE, 0);
                let count = self.socket.read(&mut self.input[before..]);
                self.input.truncate(before + *count.as_ref().unwrap_or(&0));
                count
            }
            Some(tls) => {
                let count = tls.read_tls(&mut self.socket);
                if count.is_ok() {
                    let state = match tls.process_new_packets() {
                        Ok(state) => state,
                        Err(error) => {
                            // The alert that tells the other side why.
                            let _ = tls.write_tls(&mut self.socket);
                            return Err(broken(&error));
                        }
                    };
                    let (before, more) = (self.input.len(), state.plaintext_bytes_to_read());
                    reserve(&mut self.input, more)?;
                    self.input.resize(before + more, 0);
                    if let Err(error) = tls.reader().read_exact(&mut self.input[before..]) {
                        return Err(lost("read from", &error));
                    }
                    // An end that TLS has announced counts as one only when the bytes before it are used.
                    if state.peer_has_closed() && more == 0 {
                        self.ended = true;
                        return Ok(Some(0));
                    }
                }
                count
            }
        };
        self.heard |= self.has_input();
        match count {
            Ok(0) => {
                self.ended = true;
                Ok(Some(0))
            }
            Ok(count) => Ok(Some(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => {
                self.ended = true;
                Err(lost("read from", &error))
            }
        }
    }

    /// Whether the other side had ended it before it saw the request: that is no failure of the service.
    pub(super) fn was_dead(&self) -> bool {
        self.reused && self.ended && !self.heard
    }

    /// Whether it can take another request: nothing has come that no request asked for, nor the end.
    fn is_quiet(&self) -> bool {
        let still = matches!(self.socket.wait(READ, Duration::ZERO), Ok(Ready { read: false, .. }));
        still && !self.ended && !self.has_input() && self.idle_since.elapsed() < IDLE_MAX
    }
}

fn broken(error: &rustls::Error) -> Failure {
    Error::new(Kind::Io, tls::explain(error)).into()
}

/// The connections that wait for a request, and how others are made.
pub(super) struct Pool {
    idle: Mutex<Vec<Connection>>,
    /// Made when it is first needed, so that a backend that is never used reads no file.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Pool {
    pub(super) fn new() -> Self {
        Pool { idle: Mutex::new(Vec::new()), config: OnceLock::new() }
    }

    /// A connection for one request.
    pub(super) fn take(&self, address: &Address, call: &Call<'_>) -> Answer<Connection> {
        loop {
            let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match waiting {
                Some(mut connection) if connection.is_quiet() => {
                    (connection.reused, connection.heard) = (true, false);
                    return Ok(connection);
                }
                Some(_) => {}
                None => return self.connect(address, call),
            }
        }
    }

    fn connect(&self, address: &Address, call: &Call<'_>) -> Answer<Connection> {
        let mut patience = Patience::in_all(call, address.options.connect_timeout, "no connection was made")?;
        let config = if address.tls { Some(self.config(address)?) } else { None };
        let mut connection = Connection::open(address.proxy.as_ref().unwrap_or(&address.place), &mut patience)?;
        if let Some(proxy) = &address.proxy {
            http::tunnel(&mut connection, &address.place, &mut patience).map_err(|Failure { error, again }| {
                Failure { error: error.context(format!("the proxy {proxy}")), again }
            })?;
        }
        if let Some(config) = config {
            connection.start_tls(&config, &address.place.host, &mut patience).map_err(|Failure { error, again }| {
                Failure { error: error.context(format!("cannot connect to {}", address.place)), again }
            })?;
        }
        Ok(connection)
    }

    fn config(&self, address: &Address) -> Result<Arc<ClientConfig>> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        // Two threads may both make one; either will do.
        let made = tls::config(address)?;
        Ok(self.config.get_or_init(|| made).clone())
    }

    /// Takes back a connection whose request has been answered to the last byte.
    pub(super) fn give_back(&self, mut connection: Connection, most: usize) {
        connection.idle_since = Instant::now();
        if connection.has_input() || connection.ended {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < most {
            idle.push(connection);
        }
    }

    /// Closes those that wait: one of them was dead, so the others may be.
    pub(super) fn forget(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }
}
