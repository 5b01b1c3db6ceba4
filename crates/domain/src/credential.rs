//! A credential and its life: active, retiring until a moment, revoked with a reason, expired. Moves are methods; what
//! is not allowed is an error; nothing comes back.

use thiserror::Error;

use crate::dialect::{Dialect, SecretStyle};
use crate::entropy::{Entropy, EntropyError};
use crate::id::{AppId, CredentialId, MerchantId};
use crate::mode::Mode;
use crate::restriction::Restrictions;
use crate::seal::{Keyring, StoredSecret};
use crate::secret::SecretText;
use crate::time::UnixMs;

/// Longest name of a credential. Characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest note on a revocation. Characters.
pub const NOTE_CHARS_MAX: usize = 500;

/// A credential without its secret in the open.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The row.
    pub id: CredentialId,
    /// The public name.
    pub key_id: String,
    /// The product it is for.
    pub product: String,
    /// Test or live.
    pub mode: Mode,
    /// The tenant.
    pub merchant_id: MerchantId,
    /// The app it was issued through; the owner where the dialect says so.
    pub app_id: AppId,
    /// What its people call it.
    pub name: Option<String>,
    /// When it was issued.
    pub created_at: UnixMs,
    /// When it ends by itself.
    pub expires_at: Option<UnixMs>,
    /// Where it is in its life.
    pub status: Status,
    /// What narrows it.
    pub restrictions: Restrictions,
    /// The secret, hashed or sealed.
    pub secret: StoredSecret,
}

/// Where a credential is in its life, as stored. Time moves it on without a write: see `Credential::state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Active,
    /// Replaced by a successor; works until the moment.
    Retiring {
        /// When it stops.
        ends_at: UnixMs,
    },
    /// Ended by a person or a roll without grace. Final.
    Revoked {
        /// When.
        at: UnixMs,
        /// Why.
        reason: RevokeReason,
        /// In someone's words.
        note: Option<String>,
    },
}

/// What a person sees: the stored status and the time together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Works.
    Active,
    /// Works, and will stop.
    Retiring,
    /// Ended by someone.
    Revoked,
    /// Ended by time: past its expiry, or past its grace.
    Expired,
}

impl State {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// Why a credential was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeReason {
    /// Someone else may hold it.
    Compromised,
    /// A successor took over.
    Superseded,
    /// Nobody uses it.
    Unused,
    /// See the note.
    Other,
}

impl RevokeReason {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compromised => "compromised",
            Self::Superseded => "superseded",
            Self::Unused => "unused",
            Self::Other => "other",
        }
    }

    /// The reason of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Compromised, Self::Superseded, Self::Unused, Self::Other]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// A move that the credential's state does not allow.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MoveError {
    /// It was revoked or has expired: nothing comes back.
    #[error("the credential has ended")]
    Ended,
    /// It already has a successor.
    #[error("the credential is retiring already")]
    Retiring,
    /// It has no successor yet, and so no end to be moved.
    #[error("the credential has no successor")]
    Active,
}

impl Status {
    /// Of a credential with a successor: it works until `ends_at`, and no longer when that is not after `now`.
    fn superseded(ends_at: UnixMs, now: UnixMs) -> Self {
        if ends_at <= now {
            Self::Revoked { at: now, reason: RevokeReason::Superseded, note: None }
        } else {
            Self::Retiring { ends_at }
        }
    }

    /// When this status ends by itself.
    fn ends_at(&self) -> Option<UnixMs> {
        match self {
            Self::Retiring { ends_at } => Some(*ends_at),
            Self::Active | Self::Revoked { .. } => None,
        }
    }

    /// The state at a moment, given the expiry beside it.
    pub fn state(&self, expires_at: Option<UnixMs>, now: UnixMs) -> State {
        let past = |end: Option<UnixMs>| end.is_some_and(|end| end <= now);
        match self {
            Self::Revoked { .. } => State::Revoked,
            _ if past(expires_at) || past(self.ends_at()) => State::Expired,
            Self::Retiring { .. } => State::Retiring,
            Self::Active => State::Active,
        }
    }
}

impl Credential {
    /// The state at a moment.
    pub fn state(&self, now: UnixMs) -> State {
        self.status.state(self.expires_at, now)
    }

    /// When it stops by itself: the earlier of expiry and end of grace.
    pub fn ends_at(&self) -> Option<UnixMs> {
        [self.expires_at, self.status.ends_at()].into_iter().flatten().min()
    }

    /// Retires it in favour of a successor: until `ends_at`, or at once when that is not after `now`.
    ///
    /// # Errors
    /// `MoveError` when it is not active.
    pub fn retire(&mut self, ends_at: UnixMs, now: UnixMs) -> Result<(), MoveError> {
        match self.state(now) {
            State::Active => {}
            State::Retiring => return Err(MoveError::Retiring),
            State::Revoked | State::Expired => return Err(MoveError::Ended),
        }
        self.status = Status::superseded(ends_at, now);
        Ok(())
    }

    /// Moves the end of its grace: to `ends_at`, or to now when that is not after `now`.
    ///
    /// # Errors
    /// `MoveError` when it is not retiring.
    pub fn move_end(&mut self, ends_at: UnixMs, now: UnixMs) -> Result<(), MoveError> {
        match self.state(now) {
            State::Retiring => {}
            State::Active => return Err(MoveError::Active),
            State::Revoked | State::Expired => return Err(MoveError::Ended),
        }
        self.status = Status::superseded(ends_at, now);
        Ok(())
    }

    /// Ends it now. Ending it again changes nothing and is no error: the first moment and reason stand.
    pub fn revoke(&mut self, now: UnixMs, reason: RevokeReason, note: Option<String>) -> Revocation {
        if let Status::Revoked { at, .. } = self.status {
            return Revocation::Before { at };
        }
        self.status = Status::Revoked { at: now, reason, note };
        Revocation::Now
    }

    /// Whose slots it takes: the text that "one per …" is counted by.
    pub fn slot_owner(&self, dialect: &Dialect) -> String {
        dialect.owner.id(self.merchant_id, self.app_id)
    }
}

/// What `revoke` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// It was alive until now.
    Now,
    /// It had been revoked before.
    Before {
        /// When.
        at: UnixMs,
    },
}

/// What a new credential is made from.
pub struct Blank<'a> {
    /// The dialect of its product.
    pub dialect: &'a Dialect,
    /// How its secret is written.
    pub style: &'a SecretStyle,
    /// The product.
    pub product: &'a str,
    /// Test or live.
    pub mode: Mode,
    /// The tenant.
    pub merchant_id: MerchantId,
    /// The app.
    pub app_id: AppId,
}

/// A new credential together with its secret: the only moment at which both are in one place.
pub struct Issued {
    /// What is stored.
    pub credential: Credential,
    /// What leaves once.
    pub secret: SecretText,
}

/// Why no credential could be made.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IssueError {
    /// No random bytes (T15).
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The secret could not be sealed.
    #[error("the secret could not be sealed")]
    Seal,
}

/// Makes a credential: key id, secret, and the secret's stored form.
///
/// # Errors
/// `IssueError`; nothing was made then.
pub fn issue(blank: &Blank<'_>, keyring: &Keyring, now: UnixMs, entropy: &dyn Entropy) -> Result<Issued, IssueError> {
    let id = CredentialId::fresh(now, entropy)?;
    let secret = blank.style.format.draw(blank.mode, entropy)?;
    let key_id = if blank.dialect.key_id_derived {
        blank.dialect.key_id.fingerprint(blank.mode, secret.expose().as_bytes())
    } else {
        blank.dialect.key_id.draw(blank.mode, entropy)?.expose().to_owned()
    };
    let stored = if blank.dialect.needs_secret() {
        keyring.seal(&id, &key_id, &secret, entropy).map_err(|_| IssueError::Seal)?
    } else {
        keyring.hash(&key_id, &secret)
    };
    let credential = Credential {
        id,
        key_id,
        product: blank.product.to_owned(),
        mode: blank.mode,
        merchant_id: blank.merchant_id,
        app_id: blank.app_id,
        name: None,
        created_at: now,
        expires_at: None,
        status: Status::Active,
        restrictions: Restrictions::default(),
        secret: stored,
    };
    Ok(Issued { credential, secret })
}

impl Credential {
    /// The bytes that the row's keyed check covers: everything that decides who gets in (T56). Fields are separated by a
    /// byte that none of them can hold.
    pub fn check_bytes(&self) -> Vec<u8> {
        let opt = |at: Option<UnixMs>| at.map_or_else(String::new, |at| at.0.to_string());
        let status = match &self.status {
            Status::Active => "active".to_owned(),
            Status::Retiring { ends_at } => format!("retiring {}", ends_at.0),
            Status::Revoked { at, reason, .. } => format!("revoked {} {}", at.0, reason.as_str()),
        };
        let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" ");
        let restrictions = &self.restrictions;
        let (kind, ring_key, secret) = match &self.secret {
            StoredSecret::Hashed { ring_key, digest } => ("hashed", ring_key, digest.as_slice()),
            StoredSecret::Sealed { ring_key, bytes } => ("sealed", ring_key, bytes.as_slice()),
        };
        let mut fields = vec![
            "keymint row v1".to_owned(),
            self.id.to_string(),
            self.key_id.clone(),
            self.product.clone(),
            self.mode.as_str().to_owned(),
            self.merchant_id.to_string(),
            self.app_id.to_string(),
            opt(self.expires_at),
            status,
            list(&mut restrictions.allowed_ips.iter().map(ToString::to_string)),
            list(&mut restrictions.allowed_origins.iter().map(ToString::to_string)),
            list(&mut restrictions.scopes.iter().map(ToString::to_string)),
            format!("{kind} {ring_key} {}", data_encoding::HEXLOWER.encode(secret)),
        ];
        // Only where there are some: rows from before there were domains, or providers, keep their check.
        if let Some(domains) = &restrictions.domains {
            fields.push(format!("domains {}", list(&mut domains.iter().map(ToString::to_string))));
        }
        if !restrictions.providers.is_empty() {
            fields.push(format!("providers {}", restrictions.providers.join(" ")));
        }
        fields.join("\0").into_bytes()
    }
}
