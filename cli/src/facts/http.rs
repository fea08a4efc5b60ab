//! One question by HTTP, for a server on this machine that says in a status and a line how it is.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What is read of an answer at most.
const MOST: u64 = 4096;

/// The status and the first line of the body.
///
/// # Errors
/// Why there was no answer.
pub(super) async fn get(
    host: &str,
    port: u16,
    path: &str,
    limit: Duration,
) -> Result<(u16, String), String> {
    let asking = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        let question = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(question.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    match tokio::time::timeout(limit, asking).await {
        Ok(Ok(answer)) => parse(&answer).ok_or_else(|| "its answer is not HTTP".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let line = body.lines().next().unwrap_or_default();
    Some((status, line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_first_line_are_read() {
        let answer =
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\n\r\nno server\nmore";
        assert_eq!(parse(answer), Some((503, "no server".to_owned())));
        assert_eq!(parse("HTTP/1.1 200 OK\r\n\r\n"), Some((200, String::new())));
        assert_eq!(parse("SSH-2.0"), None);
    }
}
