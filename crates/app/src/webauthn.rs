//! WebAuthn ceremonies (passkeys): what a browser is asked, and whether what it answers is right. No database: what has to
//! be remembered between question and answer is a text that the caller keeps, sealed, and never gives to the browser.
//!
//! Every ceremony demands that the authenticator has verified its user (T114): a passkey is two factors in one, so it may
//! stand for both. Which page may ask is fixed by the origin, which the signature is over. An answer is measured against
//! the row as it is then, not as it was when the question was asked: so a counter that went on in between counts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url,
    Uuid, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// Longest answer of a browser. Bytes: one without attestation has about a thousand.
const REPLY_BYTES_MAX: usize = 16 * 1024;

/// What decides ceremonies at one origin.
pub struct Ceremonies {
    webauthn: Webauthn,
    origin: String,
}

/// Why a ceremony did not come to its end.
#[derive(Debug, Error)]
pub enum CeremonyError {
    /// What the browser sent, or what was kept, is not of the form that it must have.
    #[error("not of the right form")]
    Malformed,
    /// The protocol says no.
    #[error(transparent)]
    Refused(#[from] WebauthnError),
}

impl From<serde_json::Error> for CeremonyError {
    fn from(_: serde_json::Error) -> Self {
        Self::Malformed
    }
}

/// A ceremony that has begun.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// What the browser is asked: the JSON form of the options of `navigator.credentials`.
    pub options: Value,
    /// What decides about the answer. Not for the browser.
    pub state: String,
}

/// Whom a new passkey is for.
pub struct Owner<'a> {
    /// The name that authenticators give back, of no meaning to anybody else.
    pub handle: [u8; 16],
    /// The address that the authenticator shows.
    pub email: &'a str,
    /// The name that it shows.
    pub name: &'a str,
}

/// What there is to keep of a passkey.
#[derive(Debug)]
pub struct Registered {
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// Public key, counter and flags; JSON.
    pub public: String,
}

/// What an answer says of itself before anything of it was checked.
#[derive(Debug)]
pub struct Claimed {
    /// With which credential.
    pub credential_id: Vec<u8>,
    /// Whose, where the authenticator says so.
    pub handle: Option<Vec<u8>>,
    reply: PublicKeyCredential,
}

impl Claimed {
    /// Reads an answer.
    pub fn parse(reply: &str) -> Option<Self> {
        let reply: PublicKeyCredential = Some(reply).filter(|it| it.len() <= REPLY_BYTES_MAX).and_then(parsed)?;
        let handle = reply.get_user_unique_id().map(<[u8]>::to_vec);
        Some(Self { credential_id: reply.get_credential_id().to_vec(), handle, reply })
    }
}

fn parsed<T: for<'a> Deserialize<'a>>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

impl Ceremonies {
    /// Those at the origin of a console. Nothing where browsers have no passkeys: at an address without a name, or without
    /// TLS except on this machine.
    pub fn at(origin: &str) -> Option<Self> {
        let url = Url::parse(origin).ok()?;
        let domain = url.domain()?;
        let is_secure = url.scheme() == "https" || (url.scheme() == "http" && domain == "localhost");
        if !is_secure || url.origin().ascii_serialization() != origin {
            return None;
        }
        let webauthn = WebauthnBuilder::new(domain, &url).ok()?.rp_name("Keymint").build().ok()?;
        Some(Self { webauthn, origin: origin.to_owned() })
    }

    /// The origin, such as `https://console.example.com`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Asks for a new passkey of somebody who has those of `existing` already.
    ///
    /// # Errors
    /// `CeremonyError`.
    pub fn begin_registration(&self, owner: &Owner<'_>, existing: Vec<Vec<u8>>) -> Result<Begun, CeremonyError> {
        let handle = Uuid::from_bytes(owner.handle);
        let (asked, state) =
            self.webauthn.start_passkey_registration(handle, owner.email, owner.name, Some(existing))?;
        let mut options = serde_json::to_value(asked)?["publicKey"].take();
        // The library asks that the authenticator does not keep it; but signing in without an address needs that.
        options["authenticatorSelection"]["residentKey"] = json!("preferred");
        Ok(Begun { options, state: serde_json::to_string(&state)? })
    }

    /// Looks at a new passkey.
    ///
    /// # Errors
    /// `CeremonyError`.
    pub fn end_registration(&self, state: &str, reply: &str) -> Result<Registered, CeremonyError> {
        let state: PasskeyRegistration = serde_json::from_str(state)?;
        let reply: RegisterPublicKeyCredential =
            Some(reply).filter(|it| it.len() <= REPLY_BYTES_MAX).and_then(parsed).ok_or(CeremonyError::Malformed)?;
        let passkey = self.webauthn.finish_passkey_registration(&reply, &state)?;
        Ok(Registered { credential_id: passkey.cred_id().to_vec(), public: serde_json::to_string(&passkey)? })
    }

    /// Asks for a proof with one of some passkeys; with any that the browser finds, where there are none.
    ///
    /// # Errors
    /// `CeremonyError`.
    pub fn begin(&self, allowed: &[Vec<u8>]) -> Result<Begun, CeremonyError> {
        let (asked, state) = self.webauthn.start_discoverable_authentication()?;
        let mut options = serde_json::to_value(asked)?["publicKey"].take();
        let name = |id: &Vec<u8>| json!({ "type": "public-key", "id": data_encoding::BASE64URL_NOPAD.encode(id) });
        options["allowCredentials"] = allowed.iter().map(name).collect();
        Ok(Begun { options, state: serde_json::to_string(&state)? })
    }

    /// Looks at a proof by the passkey that is kept as `public`: what is to be kept of it from now on.
    ///
    /// # Errors
    /// `CeremonyError`; a counter that does not go on is one.
    pub fn end(&self, state: &str, claimed: &Claimed, public: &str) -> Result<String, CeremonyError> {
        let state: DiscoverableAuthentication = serde_json::from_str(state)?;
        let mut passkey: Passkey = serde_json::from_str(public)?;
        let result = self.webauthn.finish_discoverable_authentication_v2(&claimed.reply, state, &passkey)?;
        if !result.user_verified() {
            return Err(CeremonyError::Refused(WebauthnError::UserNotVerified));
        }
        passkey.update_credential(&result);
        Ok(serde_json::to_string(&passkey)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Ceremonies;

    #[test]
    fn passkeys_are_where_browsers_have_them() {
        for good in ["https://console.example.com", "https://console.example.com:8443", "http://localhost:8080"] {
            assert!(Ceremonies::at(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "console.example.com",
            "http://console.example.com",
            "http://127.0.0.1:8080",
            "https://192.0.2.1",
            "https://[::1]",
            "https://console.example.com/",
            "https://console.example.com/path",
            "https://user@console.example.com",
            "https://Console.example.com",
            "ftp://localhost",
        ] {
            assert!(Ceremonies::at(bad).is_none(), "{bad}");
        }
    }
}
