//! The key ring and what it protects: sealed secrets (AES-256-GCM-SIV, RFC 8452, with the record's identity as
//! associated data), keyed hashes of all other secrets, keyed checks over rows, and the keys of short-lived tokens and of
//! identity tokens.
//!
//! The ring comes from outside the database: whoever has only the database can neither open a secret, nor check a
//! guess, nor forge a row. Each entry of the ring is 32 random bytes; what is used is derived from it, one key for each
//! purpose (HKDF-SHA-256, RFC 5869). The first entry is current; the others are retired: they open and check, and
//! nothing new is made with them.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digest;
use crate::entropy::{Entropy, EntropyError};
use crate::id::CredentialId;
use crate::identity::IdentityKey;
use crate::secret::{SecretBytes, SecretText, equal};

/// Most entries of a ring.
const RING_MAX: usize = 16;
/// Length of an entry. Bytes.
const KEY_LENGTH: usize = 32;
/// Length of a secret's keyed hash. Bytes: more bits than any secret of ours has, and fewer than SHA-256 keeps inside, so
/// nobody can go on from it.
const DIGEST_LENGTH: usize = 24;

/// The keyed hash of a secret.
pub type SecretDigest = [u8; DIGEST_LENGTH];

/// A secret as stored. Mute in `Debug`: whoever has the ring can check guesses against it.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredSecret {
    /// Keyed hash of key id and secret under the ring entry's hash key.
    Hashed {
        /// The ring entry.
        ring_key: String,
        /// The digest.
        digest: SecretDigest,
    },
    /// Nonce and ciphertext under the ring entry's seal key.
    Sealed {
        /// The ring entry.
        ring_key: String,
        /// 12 bytes of nonce, then the ciphertext with its tag.
        bytes: Vec<u8>,
    },
}

/// What a verifier holds in memory to check a presented secret or a signature. Mute in `Debug`.
#[derive(Clone)]
pub enum Verifier {
    /// A keyed hash; checks a presented secret and can sign nothing.
    Hashed {
        /// Which entry of the ring, by position.
        ring_index: u8,
        /// The digest.
        digest: SecretDigest,
    },
    /// The secret itself.
    Opened(SecretBytes),
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hashed { .. } => "Hashed(…)",
            Self::Sealed { .. } => "Sealed(…)",
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hashed { .. } => "Hashed(…)",
            Self::Opened(_) => "Opened(…)",
        })
    }
}

/// Why sealing or opening failed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// No random bytes for the nonce.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The record was sealed or hashed under an entry that the ring does not have.
    #[error("the key ring does not have the entry that this record was made with")]
    UnknownRingKey,
    /// The bytes are not what was sealed for this record.
    #[error("the sealed bytes do not belong to this record")]
    Tampered,
}

/// Why a ring could not be read. Never quotes the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyringError {
    /// No entry.
    #[error("the key ring is empty; it needs a line `<name> <64 hexadecimal digits>`")]
    Empty,
    /// Too many entries.
    #[error("the key ring has more than {RING_MAX} entries")]
    TooMany,
    /// A line of another form.
    #[error("line {0} of the key ring is not `<name> <64 hexadecimal digits>`")]
    Line(usize),
    /// A name twice.
    #[error("line {0} of the key ring repeats a name")]
    Repeated(usize),
}

struct Entry {
    name: String,
    seal: LessSafeKey,
    hash: Zeroizing<[u8; KEY_LENGTH]>,
    row: hmac::Key,
    token: hmac::Key,
    identity: IdentityKey,
}

/// The key ring.
pub struct Keyring(Vec<Entry>);

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(master: &[u8], purpose: &[u8]) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"keymint key ring v1").extract(master);
    let info = [purpose];
    let okm = prk.expand(&info, Length(KEY_LENGTH)).ok()?;
    let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
    okm.fill(key.as_mut_slice()).ok()?;
    Some(key)
}

impl Entry {
    fn new(name: &str, master: &[u8]) -> Option<Self> {
        let hmac_key = |purpose: &[u8]| Some(hmac::Key::new(hmac::HMAC_SHA256, derive(master, purpose)?.as_slice()));
        let seal = UnboundKey::new(&AES_256_GCM_SIV, derive(master, b"seal")?.as_slice()).ok()?;
        Some(Self {
            name: name.to_owned(),
            seal: LessSafeKey::new(seal),
            hash: derive(master, b"hash")?,
            row: hmac_key(b"row")?,
            token: hmac_key(b"token")?,
            identity: IdentityKey::from_seed(derive(master, b"identity")?.as_slice())?,
        })
    }
}

impl Entry {
    /// Nonce and sealed bytes.
    fn close(&self, identity: Vec<u8>, text: &SecretText, entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0_u8; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut sealed = text.expose().as_bytes().to_vec();
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(identity), &mut sealed)
            .map_err(|_| SealError::Tampered)?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    fn open(&self, identity: Vec<u8>, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Tampered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Tampered)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let opened = self.seal.open_in_place(nonce, Aad::from(identity), buffer.as_mut_slice());
        let length = opened.map_err(|_| SealError::Tampered)?.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl Keyring {
    /// Reads a ring: a line `<name> <64 hexadecimal digits>` per entry, current first; `#` begins a comment.
    ///
    /// # Errors
    /// `KeyringError` names the line, never its content.
    pub fn parse(text: &SecretText) -> Result<Self, KeyringError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, line) in text.expose().lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            let (name, hex) = line.split_once(' ').ok_or(KeyringError::Line(number))?;
            let plain = name.len() <= 16 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let master = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()).map(Zeroizing::new);
            let master = master.map_err(|_| KeyringError::Line(number))?;
            if !plain || master.len() != KEY_LENGTH {
                return Err(KeyringError::Line(number));
            }
            if entries.iter().any(|entry| entry.name == name) {
                return Err(KeyringError::Repeated(number));
            }
            entries.push(Entry::new(name, &master).ok_or(KeyringError::Line(number))?);
        }
        match entries.len() {
            0 => Err(KeyringError::Empty),
            1..=RING_MAX => Ok(Self(entries)),
            _ => Err(KeyringError::TooMany),
        }
    }

    /// The text of a new ring with one entry.
    ///
    /// # Errors
    /// `EntropyError` when there are no random bytes.
    pub fn generate(name: &str, entropy: &dyn Entropy) -> Result<SecretText, EntropyError> {
        let mut master = Zeroizing::new([0_u8; KEY_LENGTH]);
        entropy.fill(master.as_mut_slice())?;
        Ok(SecretText::new(format!("{name} {}\n", data_encoding::HEXLOWER.encode(master.as_slice()))))
    }

    fn current(&self) -> &Entry {
        self.0.first().expect("`parse` refuses an empty ring")
    }

    fn position(&self, name: &str) -> Result<usize, SealError> {
        self.0.iter().position(|entry| entry.name == name).ok_or(SealError::UnknownRingKey)
    }

    /// The names of the ring's entries, current first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.name.as_str())
    }

    /// Seals a secret for one record; it opens for no other.
    ///
    /// # Errors
    /// `SealError::Entropy` when there is no nonce to be had.
    pub fn seal(
        &self,
        id: &CredentialId,
        key_id: &str,
        secret: &SecretText,
        entropy: &dyn Entropy,
    ) -> Result<StoredSecret, SealError> {
        let entry = self.current();
        let bytes = entry.close(identity(id, key_id), secret, entropy)?;
        Ok(StoredSecret::Sealed { ring_key: entry.name.clone(), bytes })
    }

    /// Seals a text for one record that is no credential: the ring entry's name, `:`, and the sealed bytes. `record` says
    /// which kind and which one; it opens for no other.
    ///
    /// # Errors
    /// As `seal`.
    pub fn seal_for(&self, record: &str, text: &SecretText, entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
        let entry = self.current();
        let mut bytes = format!("{}:", entry.name).into_bytes();
        bytes.extend(entry.close(format!("keymint record v1\0{record}").into_bytes(), text, entropy)?);
        Ok(bytes)
    }

    /// Opens what `seal_for` has sealed for this record.
    ///
    /// # Errors
    /// `SealError` when the ring lacks the entry or the bytes are not this record's.
    pub fn open_for(&self, record: &str, sealed: &[u8]) -> Result<SecretText, SealError> {
        let at = sealed.iter().position(|byte| *byte == b':').ok_or(SealError::Tampered)?;
        let (name, bytes) = (sealed.get(..at).unwrap_or_default(), sealed.get(at + 1..).unwrap_or_default());
        let entry = self.0.iter().find(|entry| entry.name.as_bytes() == name).ok_or(SealError::UnknownRingKey)?;
        let opened = entry.open(format!("keymint record v1\0{record}").into_bytes(), bytes)?;
        let text = std::str::from_utf8(opened.as_slice()).map_err(|_| SealError::Tampered)?;
        Ok(SecretText::new(text.to_owned()))
    }

    /// Hashes a secret under the current entry.
    pub fn hash(&self, key_id: &str, secret: &SecretText) -> StoredSecret {
        let entry = self.current();
        let digest = hash_with(&entry.hash, key_id, secret.expose().as_bytes());
        StoredSecret::Hashed { ring_key: entry.name.clone(), digest }
    }

    /// Makes ready what a verifier needs.
    ///
    /// # Errors
    /// `SealError` when the ring lacks the entry or the bytes are not this record's.
    pub fn open(&self, id: &CredentialId, key_id: &str, stored: &StoredSecret) -> Result<Verifier, SealError> {
        match stored {
            StoredSecret::Hashed { ring_key, digest } => {
                let ring_index = u8::try_from(self.position(ring_key)?).map_err(|_| SealError::UnknownRingKey)?;
                Ok(Verifier::Hashed { ring_index, digest: *digest })
            }
            StoredSecret::Sealed { ring_key, bytes } => {
                let entry = self.0.get(self.position(ring_key)?).ok_or(SealError::UnknownRingKey)?;
                let opened = entry.open(identity(id, key_id), bytes)?;
                if opened.is_empty() {
                    return Err(SealError::Tampered);
                }
                Ok(Verifier::Opened(SecretBytes::new(opened.to_vec())))
            }
        }
    }

    /// Whether a presented secret is the credential's, in constant time. An empty one is nobody's (T7).
    pub fn matches(&self, verifier: &Verifier, key_id: &str, presented: &[u8]) -> bool {
        if presented.is_empty() {
            return false;
        }
        match verifier {
            Verifier::Hashed { ring_index, digest } => self
                .0
                .get(usize::from(*ring_index))
                .is_some_and(|entry| equal(&hash_with(&entry.hash, key_id, presented), digest)),
            Verifier::Opened(secret) => equal(secret.expose(), presented),
        }
    }

    /// Does the work of `matches` for a key that nobody has, so that it takes the same (T14).
    pub fn match_nobody(&self, key_id: &str, presented: &[u8]) {
        let digest = hash_with(&self.current().hash, key_id, presented);
        std::hint::black_box(equal(&digest, &[0; DIGEST_LENGTH]));
    }

    /// A keyed check over a row's bytes under the current entry: whoever edits the database directly cannot make one
    /// (T56).
    pub fn row_check(&self, row: &[u8]) -> Vec<u8> {
        let entry = self.current();
        let mut check = entry.name.clone().into_bytes();
        check.push(b':');
        check.extend_from_slice(hmac::sign(&entry.row, row).as_ref());
        check
    }

    /// Whether a row's check is one that this ring made over these bytes.
    pub fn row_is_intact(&self, row: &[u8], check: &[u8]) -> bool {
        let Some(at) = check.iter().position(|byte| *byte == b':') else { return false };
        let (Some(name), Some(tag)) = (check.get(..at), check.get(at + 1..)) else { return false };
        self.0
            .iter()
            .find(|entry| entry.name.as_bytes() == name)
            .is_some_and(|entry| hmac::verify(&entry.row, row, tag).is_ok())
    }

    /// The key that signs identity tokens.
    pub fn identity_key(&self) -> &IdentityKey {
        &self.current().identity
    }

    /// The keys by which identity tokens are checked, current first.
    pub fn identity_keys(&self) -> impl Iterator<Item = &IdentityKey> {
        self.0.iter().map(|entry| &entry.identity)
    }

    /// The MAC of a token's bytes and the name of the entry it was made with.
    pub fn token_mac(&self, bytes: &[u8]) -> (&str, [u8; digest::LENGTH]) {
        let entry = self.current();
        (&entry.name, digest_of(&hmac::sign(&entry.token, bytes)))
    }

    /// Whether a token's MAC is right under the named entry.
    pub fn token_is_ours(&self, name: &str, bytes: &[u8], mac: &[u8]) -> bool {
        self.0
            .iter()
            .find(|entry| entry.name == name)
            .is_some_and(|entry| hmac::verify(&entry.token, bytes, mac).is_ok())
    }
}

fn digest_of(tag: &hmac::Tag) -> [u8; digest::LENGTH] {
    tag.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// The one-step key derivation of NIST SP 800-56C rev. 2, section 4.1, option 1 (SHA-256, one block), with the ring's key
/// as `Z`, and key id, NUL and secret as `FixedInfo`; its leftmost 192 bits. A third of the time of an HMAC, and this is
/// what every request with a secret pays.
fn hash_with(key: &[u8; KEY_LENGTH], key_id: &str, secret: &[u8]) -> SecretDigest {
    let digest = digest::sha256(&[&1_u32.to_be_bytes(), key, key_id.as_bytes(), b"\0", secret]);
    *digest.first_chunk().expect("a digest is longer")
}

fn identity(id: &CredentialId, key_id: &str) -> Vec<u8> {
    format!("keymint credential v1\0{id}\0{key_id}").into_bytes()
}
