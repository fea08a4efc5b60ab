//! One client's connection: calls one after another, until an answer takes the connection over.

use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::http::{Body, Head};
use super::pattern::Call;
use super::{Fault, Shared};

/// What the daemon would answer if it failed inside.
const REFUSAL: &str = "{\"message\":\"refused by the fault proxy\"}";

/// Serves one client to the end of its connection.
pub(super) fn serve(client: &UnixStream, shared: &Shared) -> io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut daemon: Option<Daemon> = None;
    while let Some(request) = Head::read(&mut from_client)? {
        let (method, target) = request.request()?;
        let call = Call::new(method, target);
        match shared.judge(&call) {
            Some(Fault::Refuse) => {
                request
                    .request_body()?
                    .pass(&mut from_client, &mut io::sink())?;
                refuse(client)?;
                continue;
            }
            Some(Fault::CutBefore) => return Ok(()),
            Some(Fault::CutAfter) => {
                let daemon = &mut Daemon::connect(shared)?;
                return let_happen(&request, &mut from_client, daemon);
            }
            Some(Fault::Delay(time)) => std::thread::sleep(time),
            None => {}
        }
        let connected = match daemon.take() {
            Some(daemon) => daemon,
            None => Daemon::connect(shared)?,
        };
        let connected = daemon.insert(connected);
        if exchange(&request, &call.method, &mut from_client, client, connected)? == After::Close {
            return Ok(());
        }
    }
    Ok(())
}

/// The connection to the daemon.
struct Daemon {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Daemon {
    fn connect(shared: &Shared) -> io::Result<Self> {
        let writer = shared.connect()?;
        Ok(Self {
            reader: BufReader::new(writer.try_clone()?),
            writer,
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.writer.shutdown(Shutdown::Both));
    }
}

/// Whether the connection goes on after a call.
#[derive(Debug, PartialEq, Eq)]
enum After {
    NextCall,
    Close,
}

/// Passes a call to the daemon and its answer to the client.
fn exchange(
    request: &Head,
    method: &str,
    from_client: &mut BufReader<UnixStream>,
    client: &UnixStream,
    daemon: &mut Daemon,
) -> io::Result<After> {
    let body = request.request_body()?;
    let mut to_client = client;
    let mut to_daemon = daemon.writer.try_clone()?;
    let from_daemon = &mut daemon.reader;
    std::thread::scope(|scope| {
        // However this ends, no thread may go on to wait for the client.
        let end = EndUnlessWell(client);
        to_daemon.write_all(&request.bytes)?;
        // Beside the answer: the daemon may begin to answer while it still reads.
        let mut sending = Some(scope.spawn({
            let mut to_daemon = to_daemon.try_clone()?;
            move || body.pass(from_client, &mut to_daemon).map(|()| from_client)
        }));
        let mut finish_sending = || match sending.take().map(std::thread::ScopedJoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other(
                "the request's body could not be passed on",
            )),
        };
        let answer = loop {
            let Some(answer) = Head::read(from_daemon)? else {
                // The daemon went away; the client shall see the same.
                return Ok(After::Close);
            };
            to_client.write_all(&answer.bytes)?;
            if !answer.is_interim()? {
                break answer;
            }
        };
        let body = answer.answer_body(method)?;
        if body == Body::Rest {
            // Docker took the connection over, or answers until it closes it: both ways at once.
            let from_client = finish_sending()?;
            scope.spawn(move || {
                drop(Body::Rest.pass(from_client, &mut to_daemon));
                drop(to_daemon.shutdown(Shutdown::Write));
            });
            return body
                .pass(from_daemon, &mut to_client)
                .map(|()| After::Close);
        }
        body.pass(from_daemon, &mut to_client)?;
        if answer.closes() || request.closes() {
            return Ok(After::Close);
        }
        finish_sending()?;
        end.all_is_well();
        Ok(After::NextCall)
    })
}

/// Ends the client's connection when it is dropped, unless it shall serve another call.
struct EndUnlessWell<'a>(&'a UnixStream);

impl EndUnlessWell<'_> {
    fn all_is_well(self) {
        std::mem::forget(self);
    }
}

impl Drop for EndUnlessWell<'_> {
    fn drop(&mut self) {
        drop(self.0.shutdown(Shutdown::Both));
    }
}

/// Passes a call to the daemon, and waits until it answers; the answer goes nowhere.
fn let_happen(
    request: &Head,
    from_client: &mut BufReader<UnixStream>,
    daemon: &mut Daemon,
) -> io::Result<()> {
    daemon.writer.write_all(&request.bytes)?;
    request
        .request_body()?
        .pass(from_client, &mut daemon.writer)?;
    Head::read(&mut daemon.reader).map(drop)
}

fn refuse(mut client: &UnixStream) -> io::Result<()> {
    let length = REFUSAL.len();
    write!(
        client,
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{REFUSAL}"
    )
}
