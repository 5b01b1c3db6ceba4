//! The strict parser: bytes to values, one pass, no recursion beyond `DEPTH_MAX`. Nothing is normalised here.

use std::borrow::Cow;

use super::{DEPTH_MAX, JsonError, Member, VALUES_MAX, Value};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn parse(body: &[u8]) -> Result<Value<'_>, JsonError> {
    if body.starts_with(BYTE_ORDER_MARK) {
        return Err(JsonError::ByteOrderMark);
    }
    let text = std::str::from_utf8(body).map_err(|error| JsonError::InvalidUtf8 { at: error.valid_up_to() })?;
    let mut cursor = Cursor { text, at: 0, values: 0 };
    let root = cursor.value(0)?;
    cursor.skip_white_space();
    match cursor.peek() {
        None => Ok(root),
        Some(_) => Err(JsonError::TrailingBytes { at: cursor.at }),
    }
}

struct Cursor<'a> {
    text: &'a str,
    // Always on a character boundary when a slice is taken: the parser stops only at ASCII bytes.
    at: usize,
    values: usize,
}

impl<'a> Cursor<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.skip_white_space();
        let at = self.at;
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(JsonError::TooManyValues { at });
        }
        match self.require()? {
            b'{' if depth < DEPTH_MAX => self.object(depth + 1),
            b'[' if depth < DEPTH_MAX => self.array(depth + 1),
            b'{' | b'[' => Err(JsonError::TooDeep { at }),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b'n' => self.literal("null").map(|()| Value::Null),
            b't' => self.literal("true").map(|()| Value::True),
            b'f' => self.literal("false").map(|()| Value::False),
            _ => Err(JsonError::UnexpectedByte { at }),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut elements = Vec::new();
        self.skip_white_space();
        if self.skip_if(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.skip_white_space();
            if self.skip_if(b']') {
                return Ok(Value::Array(elements));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_white_space();
        if self.skip_if(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_white_space();
            let key_at = self.at;
            if self.require()? != b'"' {
                return Err(JsonError::UnexpectedByte { at: key_at });
            }
            let key = self.string()?;
            self.skip_white_space();
            self.expect(b':')?;
            members.push(Member { key, key_at, value: self.value(depth)? });
            self.skip_white_space();
            if self.skip_if(b'}') {
                refuse_duplicates(&members)?;
                return Ok(Value::Object(members));
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let first = self.plain_run()?;
        if self.skip_if(b'"') {
            return Ok(Cow::Borrowed(first));
        }
        let mut decoded = String::from(first);
        while !self.skip_if(b'"') {
            decoded.push(self.escape()?);
            decoded.push_str(self.plain_run()?);
        }
        Ok(Cow::Owned(decoded))
    }

    /// Takes characters up to the next quote or backslash, of which one must follow.
    fn plain_run(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        loop {
            match self.require()? {
                b'"' | b'\\' => return self.taken_since(start),
                0..0x20 => return Err(JsonError::ControlCharacter { at: self.at }),
                _ => self.at += 1,
            }
        }
    }

    /// Decodes one escape of RFC 8259 section 7, surrogate pairs included.
    fn escape(&mut self) -> Result<char, JsonError> {
        let at = self.at;
        self.at += 1;
        let kind = self.require()?;
        self.at += 1;
        match kind {
            b'"' => Ok('"'),
            b'\\' => Ok('\\'),
            b'/' => Ok('/'),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => {
                let first = self.code_unit(at)?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first).ok_or(JsonError::LoneSurrogate { at });
                }
                if !(self.skip_if(b'\\') && self.skip_if(b'u')) {
                    return Err(JsonError::LoneSurrogate { at });
                }
                let second = self.code_unit(at)?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(JsonError::LoneSurrogate { at });
                }
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                char::from_u32(code).ok_or(JsonError::LoneSurrogate { at })
            }
            _ => Err(JsonError::InvalidEscape { at }),
        }
    }

    /// Reads four hexadecimal digits of either case. `escape_at` is where the escape began.
    fn code_unit(&mut self, escape_at: usize) -> Result<u32, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = match self.require()? {
                byte @ b'0'..=b'9' => byte - b'0',
                byte @ b'a'..=b'f' => byte - b'a' + 10,
                byte @ b'A'..=b'F' => byte - b'A' + 10,
                _ => return Err(JsonError::InvalidEscape { at: escape_at }),
            };
            unit = unit * 16 + u32::from(digit);
            self.at += 1;
        }
        Ok(unit)
    }

    /// Takes a number token of RFC 8259 section 6, as text.
    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.skip_if(b'-');
        if self.skip_if(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(JsonError::InvalidNumber { at: self.at });
            }
        } else {
            self.digits()?;
        }
        if self.skip_if(b'.') {
            self.digits()?;
        }
        if self.skip_if(b'e') || self.skip_if(b'E') {
            if !self.skip_if(b'-') {
                self.skip_if(b'+');
            }
            self.digits()?;
        }
        self.taken_since(start)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(JsonError::InvalidNumber { at: start }) } else { Ok(()) }
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        for byte in word.bytes() {
            self.expect(byte)?;
        }
        Ok(())
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.require()? != byte {
            return Err(JsonError::UnexpectedByte { at: self.at });
        }
        self.at += 1;
        Ok(())
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn require(&self) -> Result<u8, JsonError> {
        self.peek().ok_or(JsonError::UnexpectedEnd { at: self.text.len() })
    }

    fn taken_since(&self, start: usize) -> Result<&'a str, JsonError> {
        self.text.get(start..self.at).ok_or(JsonError::UnexpectedByte { at: start })
    }
}

/// Refuses keys that are equal after decoding. Sorting keeps this from being quadratic.
fn refuse_duplicates(members: &[Member<'_>]) -> Result<(), JsonError> {
    let mut keys: Vec<(&str, usize)> = members.iter().map(|member| (&*member.key, member.key_at)).collect();
    keys.sort_unstable();
    for pair in keys.windows(2) {
        if let [(first, _), (second, at)] = pair
            && first == second
        {
            return Err(JsonError::DuplicateKey { at: *at });
        }
    }
    Ok(())
}
