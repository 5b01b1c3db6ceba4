//! Where an upstream's answer begins and ends: its head, and the framing of its body (RFC 9112 sections 4, 6 and 7.1). Bytes in,
//! pieces out; nothing here waits.
//!
//! What could be ended in two ways is refused: a coding below the chunks, two lengths, a length beside chunks (T84). hyper's
//! client did this until its two tasks, a channel between them and a map of fields for each request turned out to cost more
//! than the rest of the proxy; docs/decisions/proxy.md has the figures.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// Largest head of an answer. Bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most fields of an answer's head.
const FIELDS_MAX: usize = 128;
/// Longest line with the size of a chunk, its extensions included. Bytes.
const SIZE_LINE_BYTES_MAX: usize = 256;
/// What may follow the last chunk; none of it goes on. Bytes.
const TRAILERS_BYTES_MAX: usize = 8 * 1024;

/// An answer that cannot be read, or can be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// Its status; 1xx but 101 never gets here.
    pub status: StatusCode,
    /// Its fields, as they came.
    pub headers: HeaderMap,
    /// Where its body ends.
    pub framing: Framing,
    /// Whether another request may follow on the connection once the body has ended.
    pub is_kept: bool,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It has ended, or there is none.
    Over,
    /// After so many more bytes.
    Length(u64),
    /// With a chunk of no bytes.
    Chunked(Chunk),
    /// With the connection.
    UntilClose,
}

/// What comes next of a body in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The line with the size of the next one.
    Size,
    /// So many more bytes of one.
    Bytes(u64),
    /// The end of its line.
    End,
    /// What follows the last one, of which so many bytes have come.
    Trailers(usize),
}

/// What there was in the bytes that have come.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// A piece of the body.
    Piece(Bytes),
    /// Nothing until more has come.
    Nothing,
    /// The end of the body.
    End,
}

/// Takes a head off the front of what has come; `None` while it is not all there. Interim answers (RFC 9110 section 15.2) are
/// taken off and forgotten.
///
/// # Errors
/// `Malformed`.
pub fn take_head(input: &mut BytesMut, method: &Method) -> Result<Option<Head>, Malformed> {
    loop {
        let Some(head) = take_one(input, method)? else { return Ok(None) };
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(head));
        }
    }
}

fn take_one(input: &mut BytesMut, method: &Method) -> Result<Option<Head>, Malformed> {
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut answer, input, &mut room) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(httparse::Status::Partial) if input.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(_) | Err(_) => return Err(Malformed),
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed)?;
    let is_1_1 = answer.version == Some(1);
    let start = input.as_ptr().addr();
    let within = |text: &[u8]| -> Range<usize> {
        let from = text.as_ptr().addr().saturating_sub(start);
        from..from + text.len()
    };
    let places: Vec<(HeaderName, Range<usize>)> = answer
        .headers
        .iter()
        .map(|field| Ok((HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?, within(field.value))))
        .collect::<Result<_, Malformed>>()?;
    let block = input.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(places.len() + 4);
    for (name, place) in places {
        // An empty value stands nowhere.
        let value = if place.is_empty() { Bytes::new() } else { block.slice(place) };
        headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Malformed)?);
    }
    let framing = framing(method, status, &headers, is_1_1)?;
    let is_kept = framing != Framing::UntilClose && is_kept(&headers, is_1_1);
    Ok(Some(Head { status, headers, framing, is_kept }))
}

/// Where the body of an answer ends (RFC 9112 section 6.3).
fn framing(method: &Method, status: StatusCode, headers: &HeaderMap, is_1_1: bool) -> Result<Framing, Malformed> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(length), None) => Some(digits(length.as_bytes()).ok_or(Malformed)?),
        (Some(_), Some(_)) => return Err(Malformed),
    };
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err(Malformed),
    };
    if is_chunked && (length.is_some() || !is_1_1) {
        return Err(Malformed);
    }
    let has_none = method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    Ok(match (has_none, is_chunked, length) {
        (true, ..) | (false, false, Some(0)) => Framing::Over,
        (false, true, _) => Framing::Chunked(Chunk::Size),
        (false, false, Some(length)) => Framing::Length(length),
        (false, false, None) => Framing::UntilClose,
    })
}

fn digits(text: &[u8]) -> Option<u64> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_plain)?.parse().ok()
}

/// Whether a connection goes on after an answer (RFC 9112 section 9.3).
fn is_kept(headers: &HeaderMap, is_1_1: bool) -> bool {
    let says = |wanted: &[u8]| {
        let values = headers.get_all(CONNECTION).iter();
        values
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    if is_1_1 { !says(b"close") } else { says(b"keep-alive") && !says(b"close") }
}

impl Framing {
    /// The bytes that are still to come, where that is known.
    pub fn left(self) -> Option<u64> {
        match self {
            Self::Over => Some(0),
            Self::Length(left) => Some(left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next piece of the body off the front of what has come.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn take(&mut self, input: &mut BytesMut) -> Result<Taken, Malformed> {
        loop {
            let next = match self {
                Self::Over => return Ok(Taken::End),
                _ if input.is_empty() => return Ok(Taken::Nothing),
                Self::UntilClose => return Ok(Taken::Piece(input.split().freeze())),
                Self::Length(left) => {
                    let (piece, rest) = split(input, *left);
                    *self = if rest == 0 { Self::Over } else { Self::Length(rest) };
                    return Ok(Taken::Piece(piece));
                }
                Self::Chunked(Chunk::Bytes(left)) => {
                    let (piece, rest) = split(input, *left);
                    *self = Self::Chunked(if rest == 0 { Chunk::End } else { Chunk::Bytes(rest) });
                    return Ok(Taken::Piece(piece));
                }
                Self::Chunked(chunk) => chunk.step(input)?,
            };
            match next {
                Some(next) => *self = next,
                None => return Ok(Taken::Nothing),
            }
        }
    }
}

impl Chunk {
    /// What comes behind a line; `None` while that is not all there.
    fn step(self, input: &mut BytesMut) -> Result<Option<Framing>, Malformed> {
        match self {
            // Nothing at all is no size, though it is read as one.
            Self::Size if !input.first().is_some_and(u8::is_ascii_hexdigit) => Err(Malformed),
            Self::Size => match httparse::parse_chunk_size(input) {
                Ok(httparse::Status::Complete((length, size))) if length <= SIZE_LINE_BYTES_MAX => {
                    input.advance(length);
                    Ok(Some(Framing::Chunked(if size == 0 { Self::Trailers(0) } else { Self::Bytes(size) })))
                }
                Ok(httparse::Status::Partial) if input.len() < SIZE_LINE_BYTES_MAX => Ok(None),
                Ok(_) | Err(_) => Err(Malformed),
            },
            Self::End | Self::Bytes(_) => match input.get(..2) {
                None => Ok(None),
                Some(b"\r\n") => {
                    input.advance(2);
                    Ok(Some(Framing::Chunked(Self::Size)))
                }
                Some(_) => Err(Malformed),
            },
            Self::Trailers(seen) => {
                let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") else {
                    let is_too_much = seen + input.len() > TRAILERS_BYTES_MAX;
                    return if is_too_much { Err(Malformed) } else { Ok(None) };
                };
                input.advance(end + 2);
                let seen = seen + end + 2;
                match end {
                    0 => Ok(Some(Framing::Over)),
                    _ if seen > TRAILERS_BYTES_MAX => Err(Malformed),
                    _ => Ok(Some(Framing::Chunked(Self::Trailers(seen)))),
                }
            }
        }
    }
}

/// As much as there is of so many bytes, and how many are then left.
fn split(input: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    let piece = input.split_to(here).freeze();
    (piece, left.saturating_sub(u64::try_from(here).unwrap_or(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<Head>, Malformed> {
        take_head(&mut BytesMut::from(text), &Method::GET)
    }

    fn framing_of(fields: &str) -> Result<Framing, Malformed> {
        head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).map(|head| head.expect("a whole head").framing)
    }

    /// The body, fed in pieces of so many bytes, and what was left over behind it.
    fn body(mut framing: Framing, text: &str, step: usize) -> Result<(Vec<u8>, usize), Malformed> {
        let (mut input, mut taken) = (BytesMut::new(), Vec::new());
        let mut fed = 0;
        for piece in text.as_bytes().chunks(step) {
            input.extend_from_slice(piece);
            fed += piece.len();
            loop {
                match framing.take(&mut input)? {
                    Taken::Piece(piece) => taken.extend_from_slice(&piece),
                    Taken::Nothing => break,
                    Taken::End => return Ok((taken, input.len() + text.len() - fed)),
                }
            }
        }
        panic!("it has no end: {framing:?}")
    }

    #[test]
    fn a_head_is_taken_when_all_of_it_is_there_and_not_a_byte_before() {
        let whole = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A: b\r\nx-empty:\r\n\r\n";
        for end in 0..whole.len() {
            assert!(head(&whole[..end]).expect("well formed").is_none(), "{end}");
        }
        let mut input = BytesMut::from(format!("{whole}hello").as_str());
        let found = take_head(&mut input, &Method::GET).expect("well formed").expect("whole");
        assert_eq!((found.status.as_u16(), found.framing, found.is_kept), (201, Framing::Length(5), true));
        assert_eq!((found.headers["x-a"].as_bytes(), found.headers["x-empty"].as_bytes()), (&b"b"[..], &b""[..]));
        assert_eq!(&*input, b"hello");
    }

    #[test]
    fn interim_answers_are_skipped_and_a_switch_is_not() {
        let early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let found =
            head(&format!("{early}{early}HTTP/1.1 204 No Content\r\n\r\n")).expect("well formed").expect("whole");
        assert_eq!((found.status.as_u16(), found.framing), (204, Framing::Over));
        assert!(head(early).expect("well formed").is_none());
        let found = head("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n").expect("well formed");
        assert_eq!(found.expect("whole").status, StatusCode::SWITCHING_PROTOCOLS);
    }

    #[test]
    fn a_body_ends_in_one_way_or_the_answer_is_refused() {
        assert_eq!(framing_of("content-length: 7\r\n"), Ok(Framing::Length(7)));
        assert_eq!(framing_of("content-length: 0\r\n"), Ok(Framing::Over));
        assert_eq!(framing_of("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked(Chunk::Size)));
        assert_eq!(framing_of(""), Ok(Framing::UntilClose));
        for bad in [
            "content-length: 7\r\ncontent-length: 7\r\n",
            "content-length: 7, 7\r\n",
            "content-length: +7\r\n",
            "content-length: -0\r\n",
            "content-length: 0x7\r\n",
            "content-length:\r\n",
            "content-length: 18446744073709551616\r\n",
            "content-length: 7\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: xchunked\r\n",
            "transfer-encoding: identity\r\n",
            "transfer-encoding:\r\n",
            "a b: c\r\n",
            "a : c\r\n",
            " a: c\r\n",
            "a: b\r\n c\r\n",
            "a: b\0\r\n",
        ] {
            assert_eq!(framing_of(bad), Err(Malformed), "{bad:?}");
        }
        assert!(head("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err(), "1.0 has no chunks");
        assert!(head("HTTP/2 200 OK\r\n\r\n").is_err() && head("ICY 200 OK\r\n\r\n").is_err());
        let no_body = take_head(&mut "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n".into(), &Method::HEAD);
        assert_eq!(no_body.expect("well formed").expect("whole").framing, Framing::Over);
    }

    #[test]
    fn heads_have_a_size_and_a_number_of_fields() {
        let field = format!("x: {}\r\n", "a".repeat(1_000));
        assert!(framing_of(&field.repeat(60)).is_ok());
        assert_eq!(head(&format!("HTTP/1.1 200 OK\r\n{}", field.repeat(70))).map(|_| ()), Err(Malformed));
        assert!(framing_of(&"x: a\r\n".repeat(FIELDS_MAX)).is_ok());
        assert_eq!(framing_of(&"x: a\r\n".repeat(FIELDS_MAX + 1)), Err(Malformed));
    }

    #[test]
    fn a_connection_is_kept_where_both_sides_know_where_the_answer_ends() {
        let kept = |text: &str| head(text).expect("well formed").expect("whole").is_kept;
        assert!(kept("HTTP/1.1 204 No Content\r\n\r\n"));
        assert!(!kept("HTTP/1.1 204 No Content\r\nconnection: x, Close\r\n\r\n"));
        assert!(!kept("HTTP/1.1 200 OK\r\n\r\n"), "it ends with the connection");
        assert!(!kept("HTTP/1.0 204 No Content\r\n\r\n"));
        assert!(kept("HTTP/1.0 204 No Content\r\nconnection: Keep-Alive\r\n\r\n"));
    }

    #[test]
    fn chunks_are_put_together_however_they_come() {
        let text = "5\r\nhello\r\n00006;ext=\"a\"\r\n, worl\r\n1\r\nd\r\n0\r\nx: y\r\n\r\nHTTP";
        for step in 1..=text.len() {
            assert_eq!(body(Framing::Chunked(Chunk::Size), text, step), Ok((b"hello, world".to_vec(), 4)), "{step}");
        }
        assert_eq!(body(Framing::Chunked(Chunk::Size), "0\r\n\r\n", 1), Ok((Vec::new(), 0)));
        assert_eq!(body(Framing::Length(5), "helloHTTP", 2), Ok((b"hello".to_vec(), 4)));
    }

    #[test]
    fn chunks_that_are_none_are_refused() {
        let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(TRAILERS_BYTES_MAX / 6 + 1));
        let endless = format!("0\r\nx: {}", "y".repeat(TRAILERS_BYTES_MAX));
        let extension = format!("1;{}\r\n", "e".repeat(SIZE_LINE_BYTES_MAX));
        for bad in [
            "5\r\nhelloX\r\n",
            "5\r\nhello\n\n0\r\n\r\n",
            "-5\r\n",
            "0x5\r\nhello\r\n",
            "5 5\r\nhello\r\n",
            "\r\n",
            "g\r\n",
            "10000000000000000\r\n",
            &trailers,
            &endless,
            &extension,
        ] {
            for step in [1, bad.len()] {
                assert_eq!(body(Framing::Chunked(Chunk::Size), bad, step), Err(Malformed), "{bad:?} by {step}");
            }
        }
    }
}
