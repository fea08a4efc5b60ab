//! An endpoint for tests, whose answers the test decides.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{Account, Aws};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// `GET`, for instance.
    pub(crate) method: String,
    /// The operation of SQS, for instance `CreateQueue`; empty for other services.
    pub(crate) operation: String,
    /// What was sent.
    pub(crate) body: String,
}

/// Serves until the process ends.
pub(crate) struct StandIn {
    account: Account,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl StandIn {
    /// Answers each request with the status and the body that `answer` gives.
    pub(crate) fn start(
        answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, known) = (Arc::new(answer), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, known) = (Arc::clone(&answer), Arc::clone(&known));
                std::thread::spawn(move || {
                    let request = read(&stream);
                    known.lock().unwrap().push(request.clone());
                    let (status, body) = answer(&request);
                    reply(&stream, status, &body);
                });
            }
        });
        let account = Account {
            endpoint,
            region: "us-east-1".to_owned(),
            access_key: "test".to_owned(),
            secret_key: "test".to_owned(),
        };
        Self { account, seen }
    }

    /// Clients of it.
    pub(crate) fn aws(&self) -> Aws {
        Aws::new(&self.account)
    }

    /// All requests until now.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Request {
        self.seen().pop().unwrap_or_default()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let method = line.split(' ').next().unwrap_or_default();
    let mut request = Request {
        method: method.to_owned(),
        ..Request::default()
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "x-amz-target" => value
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .clone_into(&mut request.operation),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8_lossy(&body).into_owned();
    request
}

fn reply(mut stream: &TcpStream, status: u16, body: &str) {
    let kind = if body.starts_with('{') {
        "application/x-amz-json-1.0"
    } else {
        "application/xml"
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} told\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}
