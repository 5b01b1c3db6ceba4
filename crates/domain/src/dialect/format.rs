//! The visible shape of key ids and secrets: prefix, alphabet, length, checksum. Everything here works offline.

use memchr::memmem::Finder;
use thiserror::Error;

use crate::digest;
use crate::entropy::{Entropy, EntropyError, draw_text};
use crate::mode::Mode;
use crate::secret::SecretText;

/// The characters of a key, each equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alphabet {
    /// Digits, upper case, lower case: 5.95 bits a character.
    Base62,
    /// Lower-case hexadecimal: 4 bits a character.
    Hex,
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &[u8] = b"0123456789abcdef";
/// Characters that a checksum takes: the 32 bits of a CRC in base 62.
const CHECKSUM_LENGTH: usize = 6;

impl Alphabet {
    fn characters(self) -> &'static [u8] {
        match self {
            Self::Base62 => BASE62,
            Self::Hex => HEX,
        }
    }

    /// Whether every byte is one of the characters. Looks at all of them, which is quicker than stopping early.
    fn covers(self, text: &[u8]) -> bool {
        match self {
            Self::Base62 => text.iter().fold(true, |so_far, byte| so_far & byte.is_ascii_alphanumeric()),
            Self::Hex => text.iter().fold(true, |so_far, byte| so_far & matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        }
    }

    /// Random bits in `length` characters, rounded down.
    pub fn bits(self, length: usize) -> usize {
        match self {
            Self::Base62 => length.saturating_mul(5954) / 1000,
            Self::Hex => length.saturating_mul(4),
        }
    }
}

/// What stands behind the random part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// Nothing.
    #[default]
    None,
    /// Six base-62 digits of the CRC-32 (IEEE) over prefix and random part. It finds typing errors and lets scanners
    /// be sure; it grants nothing (T16).
    Crc32,
}

/// Why a text is not of a format.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// Another prefix, length or alphabet.
    #[error("not of this shape")]
    Shape,
    /// The shape is right and the checksum is not: a typing error, or made up.
    #[error("the checksum is wrong")]
    Checksum,
}

/// The shape of one kind of key text.
#[derive(Clone, Debug)]
pub struct KeyFormat {
    prefix_test: Box<str>,
    prefix_live: Box<str>,
    alphabet: Alphabet,
    length: usize,
    checksum: Checksum,
    /// Looks for what the prefixes of both modes begin with; making one costs more than a search.
    start: Finder<'static>,
}

fn common_start<'a>(one: &'a str, other: &str) -> &'a str {
    let length = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    one.get(..length).unwrap_or_default()
}

impl KeyFormat {
    /// A format; `prefix` may hold `{mode}`, which becomes `test` or `live`. `length` counts the random characters.
    pub fn new(prefix: &str, alphabet: Alphabet, length: usize, checksum: Checksum) -> Self {
        let [test, live] = ["test", "live"].map(|mode| prefix.replace("{mode}", mode));
        Self {
            start: Finder::new(common_start(&test, &live)).into_owned(),
            prefix_test: test.into(),
            prefix_live: live.into(),
            alphabet,
            length,
            checksum,
        }
    }

    /// What texts of that mode begin with.
    pub fn prefix(&self, mode: Mode) -> &str {
        match mode {
            Mode::Test => &self.prefix_test,
            Mode::Live => &self.prefix_live,
        }
    }

    /// Whether a key of this format stands somewhere in a text. Where the format has no prefix, nothing tells a key from
    /// other words, and the answer is no.
    pub fn is_in(&self, text: &[u8]) -> bool {
        if self.prefix_test.is_empty() {
            return false;
        }
        self.start.find_iter(text).any(|at| {
            let rest = text.get(at..).unwrap_or_default();
            let is_key = |mode| rest.get(..self.text_length(mode)).is_some_and(|text| self.parse(text).is_ok());
            is_key(Mode::Test) || is_key(Mode::Live)
        })
    }

    /// Length of a whole text of that mode. Bytes.
    pub fn text_length(&self, mode: Mode) -> usize {
        self.prefix(mode).len() + self.length + self.tail()
    }

    /// Whether a text of this format can be checked offline.
    pub fn has_checksum(&self) -> bool {
        self.checksum != Checksum::None
    }

    fn tail(&self) -> usize {
        match self.checksum {
            Checksum::None => 0,
            Checksum::Crc32 => CHECKSUM_LENGTH,
        }
    }

    /// Random bits in a text of this format.
    pub fn bits(&self) -> usize {
        self.alphabet.bits(self.length)
    }

    /// Makes a new text.
    ///
    /// # Errors
    /// `EntropyError` when the source of randomness fails.
    pub fn draw(&self, mode: Mode, entropy: &dyn Entropy) -> Result<SecretText, EntropyError> {
        let random = SecretText::new(draw_text(entropy, self.alphabet.characters(), self.length)?);
        Ok(SecretText::new(self.assemble(mode, random.expose())))
    }

    /// The text of this format whose random part is a fingerprint of `secret`: SHA-256 over a label and the secret,
    /// one character per byte. Only for formats of at most 32 characters.
    pub fn fingerprint(&self, mode: Mode, secret: &[u8]) -> String {
        let characters = self.alphabet.characters();
        let random: String = digest::sha256(&[b"keymint key id v1:", secret])
            .iter()
            .take(self.length)
            .filter_map(|byte| characters.get(usize::from(*byte) % characters.len()))
            .map(|character| char::from(*character))
            .collect();
        self.assemble(mode, &random)
    }

    /// Reads a text: its mode, when prefix, length, alphabet and checksum are right. Costs no look-up, so garbage goes
    /// away here.
    ///
    /// # Errors
    /// `FormatError` says whether the shape or only the checksum is wrong.
    pub fn parse(&self, text: &[u8]) -> Result<Mode, FormatError> {
        let (mode, rest) = if let Some(rest) = text.strip_prefix(self.prefix_test.as_bytes()) {
            (Mode::Test, rest)
        } else if let Some(rest) = text.strip_prefix(self.prefix_live.as_bytes()) {
            (Mode::Live, rest)
        } else {
            return Err(FormatError::Shape);
        };
        let tail = self.tail();
        if rest.len() != self.length + tail {
            return Err(FormatError::Shape);
        }
        let (random, check) = rest.split_at_checked(self.length).ok_or(FormatError::Shape)?;
        if !self.alphabet.covers(random) {
            return Err(FormatError::Shape);
        }
        if !check.iter().all(u8::is_ascii_alphanumeric) {
            return Err(FormatError::Shape);
        }
        let covered = text.get(..text.len() - tail).unwrap_or_default();
        if tail > 0 && check != checksum_digits(covered) {
            return Err(FormatError::Checksum);
        }
        Ok(mode)
    }

    fn assemble(&self, mode: Mode, random: &str) -> String {
        let mut text = String::with_capacity(self.prefix(mode).len() + random.len() + CHECKSUM_LENGTH);
        text.push_str(self.prefix(mode));
        text.push_str(random);
        if self.checksum == Checksum::Crc32 {
            let digits = checksum_digits(text.as_bytes());
            text.extend(digits.iter().map(|digit| char::from(*digit)));
        }
        text
    }
}

fn checksum_digits(covered: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(covered);
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        let index = usize::try_from(rest % 62).unwrap_or(0);
        *digit = BASE62.get(index).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits
}
