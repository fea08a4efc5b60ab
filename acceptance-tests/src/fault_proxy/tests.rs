//! The proxy before a small upstream of our own, which answers by the path that it is asked for.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tempfile::TempDir;

use super::*;

/// Counts what reached it.
struct Upstream {
    folder: TempDir,
    reached: Arc<AtomicUsize>,
}

impl Upstream {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join("upstream")).unwrap();
        let reached = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&reached);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, counter) = (stream.unwrap(), Arc::clone(&counter));
                std::thread::spawn(move || answer(&stream, &counter));
            }
        });
        Self { folder, reached }
    }

    fn proxy(&self) -> FaultProxy {
        let folder = self.folder.path();
        FaultProxy::start(&folder.join("proxy"), &folder.join("upstream")).unwrap()
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: &UnixStream, reached: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Ok(Some(head)) = http::Head::read(&mut reader) {
        let target = head.request().unwrap().1.to_owned();
        let mut body = Vec::new();
        head.request_body()
            .unwrap()
            .pass(&mut reader, &mut body)
            .unwrap();
        reached.fetch_add(1, Ordering::SeqCst);
        match target.as_str() {
            "/chunked" => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream
                    .write_all(format!("{head}3\r\nabc\r\n0\r\n\r\n").as_bytes())
                    .unwrap();
            }
            "/nothing" => stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap(),
            "/hijack" => {
                stream
                    .write_all(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n")
                    .unwrap();
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                stream
                    .write_all(format!("heard {line}").as_bytes())
                    .unwrap();
                return;
            }
            _ => {
                let (length, body) = (body.len(), String::from_utf8(body).unwrap());
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                stream
                    .write_all(format!("{head}{body}").as_bytes())
                    .unwrap();
            }
        }
    }
}

/// A client that keeps its connection.
struct Client(BufReader<UnixStream>);

impl Client {
    fn of(proxy: &FaultProxy) -> Self {
        Self(BufReader::new(UnixStream::connect(&proxy.socket).unwrap()))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Status and body (chunks as they are) of a call; `None` where the connection ended instead.
    fn call(&mut self, request: &str) -> Option<(u16, String)> {
        self.send(request);
        let head = http::Head::read(&mut self.0).ok()??;
        let mut body = Vec::new();
        head.answer_body("POST")
            .unwrap()
            .pass(&mut self.0, &mut body)
            .unwrap();
        Some((head.status().unwrap(), String::from_utf8(body).unwrap()))
    }
}

fn echo(body: &str) -> String {
    format!(
        "POST /v1.41/echo?x=1 HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn calls_of_all_kinds_pass_on_one_connection() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy();
    let mut client = Client::of(&proxy);
    assert_eq!(client.call(&echo("hello")), Some((200, "hello".into())));
    assert_eq!(
        client.call("GET /chunked HTTP/1.1\r\n\r\n").unwrap().1,
        "3\r\nabc\r\n0\r\n\r\n"
    );
    assert_eq!(
        client.call("DELETE /nothing HTTP/1.1\r\n\r\n"),
        Some((204, String::new()))
    );
    let chunked = "PUT /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    assert_eq!(
        client.call(chunked),
        Some((200, "2\r\nhi\r\n0\r\n\r\n".into()))
    );
    let calls: Vec<String> = proxy
        .calls(&Pattern::any())
        .iter()
        .map(Call::to_string)
        .collect();
    assert_eq!(
        calls,
        ["POST /echo", "GET /chunked", "DELETE /nothing", "PUT /echo"]
    );
}

#[test]
fn a_connection_that_is_taken_over_works_both_ways() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy();
    let mut client = Client::of(&proxy);
    client.send("POST /hijack HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(
        http::Head::read(&mut client.0)
            .unwrap()
            .unwrap()
            .status()
            .unwrap(),
        101
    );
    client.send("you\n");
    let mut heard = String::new();
    client.0.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "heard you\n");
}

#[test]
fn the_nth_matching_call_is_refused_once() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy();
    proxy.fault_at(2, Pattern::of("POST", "/echo"), Fault::Refuse);
    let mut client = Client::of(&proxy);
    assert_eq!(client.call(&echo("1")).unwrap().0, 200);
    assert_eq!(client.call("GET /chunked HTTP/1.1\r\n\r\n").unwrap().0, 200);
    assert!(!proxy.is_spent());
    let (status, told) = client.call(&echo("2")).unwrap();
    assert_eq!((status, told.contains("fault proxy")), (500, true));
    assert_eq!(client.call(&echo("3")), Some((200, "3".into())));
    assert!(proxy.is_spent());
    assert_eq!(upstream.reached(), 3);
}

#[test]
fn a_call_is_cut_before_or_after_it_happens() {
    for (fault, happens) in [(Fault::CutBefore, 0), (Fault::CutAfter, 1)] {
        let upstream = Upstream::start();
        let proxy = upstream.proxy();
        proxy.fault_at(1, Pattern::changing(), fault);
        assert_eq!(Client::of(&proxy).call(&echo("1")), None, "{fault:?}");
        assert_eq!(upstream.reached(), happens, "{fault:?}");
        assert_eq!(
            Client::of(&proxy).call(&echo("2")),
            Some((200, "2".into())),
            "{fault:?}"
        );
    }
}

#[test]
fn faults_can_last_until_they_are_healed() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy();
    proxy.fault_always(Pattern::any(), Fault::Refuse);
    let mut client = Client::of(&proxy);
    for _ in 0..3 {
        assert_eq!(client.call(&echo("x")).unwrap().0, 500);
    }
    proxy.heal();
    assert_eq!(client.call(&echo("x")).unwrap().0, 200);
}

#[test]
fn a_call_is_delayed() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy();
    let delay = Duration::from_millis(80);
    proxy.fault_at(1, Pattern::any(), Fault::Delay(delay));
    let started = Instant::now();
    assert_eq!(Client::of(&proxy).call(&echo("x")).unwrap().0, 200);
    assert!(started.elapsed() >= delay);
}

#[test]
fn dropping_it_ends_its_connections() {
    let upstream = Upstream::start();
    let proxy = upstream.proxy();
    let mut client = Client::of(&proxy);
    assert!(client.call(&echo("x")).is_some());
    drop(proxy);
    let mut rest = Vec::new();
    assert_eq!(client.0.read_to_end(&mut rest).unwrap_or(0), 0);
}
