//! As much of HTTP/1.1 as tells where a message ends.

use std::io::{self, BufRead, Read, Write};

/// Heads are small; one that is not is an error, not a reason to read on for ever.
const MOST: u64 = 1 << 20;

/// A message's first line and fields, with the bytes they came as.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    first: String,
    fields: Vec<(String, String)>,
}

/// How a message's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// After so many bytes.
    Sized(u64),
    /// With a chunk of size zero.
    Chunked,
    /// With the connection; the other direction may be in use as well.
    Rest,
}

impl Head {
    /// Reads one; `None` where the stream ends before it begins.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        loop {
            let begin = bytes.len();
            let mut limited = from.take(MOST - begin as u64);
            if limited.read_until(b'\n', &mut bytes)? == 0 {
                return if begin == 0 {
                    Ok(None)
                } else {
                    Err(broken("a head ends early"))
                };
            }
            if matches!(&bytes[begin..], b"\r\n" | b"\n") {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned()));
        Ok(Some(Self {
            bytes,
            first,
            fields: fields.collect(),
        }))
    }

    /// A request's method and target.
    pub(super) fn request(&self) -> io::Result<(&str, &str)> {
        let mut words = self.first.split(' ');
        match (words.next(), words.next()) {
            (Some(method), Some(target)) if !method.is_empty() => Ok((method, target)),
            _ => Err(broken(&format!("{:?} is no request line", self.first))),
        }
    }

    /// An answer's status.
    pub(super) fn status(&self) -> io::Result<u16> {
        let status = self
            .first
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok());
        status.ok_or_else(|| broken(&format!("{:?} is no status line", self.first)))
    }

    /// How the body of this request ends.
    pub(super) fn request_body(&self) -> io::Result<Body> {
        // A request without either field has no body.
        Ok(self.announced_body()?.unwrap_or(Body::Sized(0)))
    }

    /// How the body of this answer to a request with `method` ends.
    pub(super) fn answer_body(&self, method: &str) -> io::Result<Body> {
        let status = self.status()?;
        if status == 101 {
            return Ok(Body::Rest);
        }
        if method == "HEAD" || status == 204 || status == 304 || status < 200 {
            return Ok(Body::Sized(0));
        }
        Ok(self.announced_body()?.unwrap_or(Body::Rest))
    }

    /// Whether an answer is followed by another one to the same request.
    pub(super) fn is_interim(&self) -> io::Result<bool> {
        let status = self.status()?;
        Ok(status < 200 && status != 101)
    }

    /// Whether the sender will end the connection after this message.
    pub(super) fn closes(&self) -> bool {
        self.field("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    fn announced_body(&self) -> io::Result<Option<Body>> {
        if self
            .field("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Ok(Some(Body::Chunked));
        }
        let Some(length) = self.field("content-length") else {
            return Ok(None);
        };
        let length = length
            .parse()
            .map_err(|_| broken("a length is no number"))?;
        Ok(Some(Body::Sized(length)))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Body {
    /// Passes a body on, each piece as soon as it comes.
    pub(super) fn pass(self, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Sized(length) => pass_exactly(from, to, length),
            Self::Rest => pass_some(from, to, u64::MAX).map(drop),
            Self::Chunked => loop {
                let size = pass_line(from, to)?;
                let size = size.split(';').next().unwrap_or_default().trim().to_owned();
                let size =
                    u64::from_str_radix(&size, 16).map_err(|_| broken("a chunk has no size"))?;
                if size > 0 {
                    // With the line end behind it.
                    pass_exactly(from, to, size + 2)?;
                    continue;
                }
                // Trailing fields, then an empty line.
                while !pass_line(from, to)?.trim().is_empty() {}
                return Ok(());
            },
        }
    }
}

fn pass_line(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<String> {
    let mut line = Vec::new();
    from.take(MOST).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Err(broken("a chunked body ends early"));
    }
    to.write_all(&line)?;
    to.flush()?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn pass_exactly(from: &mut impl BufRead, to: &mut impl Write, length: u64) -> io::Result<()> {
    if pass_some(from, to, length)? == length {
        Ok(())
    } else {
        Err(broken("a body ends early"))
    }
}

fn pass_some(from: &mut impl BufRead, to: &mut impl Write, most: u64) -> io::Result<u64> {
    let mut passed = 0;
    while passed < most {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let count = usize::try_from(most - passed)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        to.write_all(&buffer[..count])?;
        to.flush()?;
        from.consume(count);
        passed += count as u64;
    }
    Ok(passed)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::read(&mut text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn bodies_end_as_the_heads_say() {
        for (text, method, body) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                "GET",
                Body::Sized(5),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "GET",
                Body::Chunked,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", "POST", Body::Rest),
            ("HTTP/1.1 204 No Content\r\n\r\n", "POST", Body::Sized(0)),
            ("HTTP/1.1 304 Not Modified\r\n\r\n", "POST", Body::Sized(0)),
            (
                "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n",
                "POST",
                Body::Rest,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                "HEAD",
                Body::Sized(0),
            ),
        ] {
            assert_eq!(head(text).answer_body(method).unwrap(), body, "{text}");
        }
        assert_eq!(
            head("GET / HTTP/1.1\r\n\r\n").request_body().unwrap(),
            Body::Sized(0)
        );
    }

    #[test]
    fn a_chunked_body_ends_with_its_last_chunk() {
        let text = "4\r\nwiki\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\n";
        let (mut from, mut to) = (text.as_bytes(), Vec::new());
        Body::Chunked.pass(&mut from, &mut to).unwrap();
        assert_eq!(from, b"GET / HTTP/1.1\r\n");
        assert!(text.as_bytes().starts_with(&to));
    }

    #[test]
    fn what_ends_early_is_an_error() {
        assert!(Head::read(&mut "GET / HT".as_bytes()).is_err());
        assert!(
            Body::Sized(3)
                .pass(&mut "ab".as_bytes(), &mut Vec::new())
                .is_err()
        );
        assert!(
            Body::Chunked
                .pass(&mut "3\r\nab".as_bytes(), &mut Vec::new())
                .is_err()
        );
        assert!(Head::read(&mut "".as_bytes()).unwrap().is_none());
    }
}
