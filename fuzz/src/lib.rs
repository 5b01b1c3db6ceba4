//! What the fuzz targets share: the dialects, a ring, one key, and how an input is cut into pieces and edits.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use keymint_domain::dialect::{BUILT_IN, Dialect};
use keymint_domain::entropy::{Entropy, EntropyError};
use keymint_domain::id::{AppId, CredentialId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::{Context, Transport};
use keymint_domain::seal::{Keyring, Verifier};
use keymint_domain::secret::{SecretBytes, SecretText};
use keymint_domain::time::UnixMs;
use keymint_domain::verify::{Candidate, OwnerState};

/// The moment of every check.
pub const NOW: UnixMs = UnixMs(1_778_659_835_000);
/// The product of every check.
pub const PRODUCT: &str = "shop";
/// The secret of the one key.
pub const SECRET: &str = "kssec_live_0123456789abcdefghijABCDEFGHIJ00";

/// The built-in dialects, in the order of `BUILT_IN`.
pub fn dialects() -> &'static [Dialect] {
    static ALL: OnceLock<Vec<Dialect>> = OnceLock::new();
    ALL.get_or_init(|| BUILT_IN.iter().map(|(_, text)| Dialect::parse(text).expect("built in")).collect())
}

/// A built-in dialect by name.
pub fn dialect(name: &str) -> &'static Dialect {
    dialects().iter().find(|dialect| *dialect.name == *name).expect("built in")
}

/// The ring of every check.
pub fn keyring() -> &'static Keyring {
    static RING: OnceLock<Keyring> = OnceLock::new();
    RING.get_or_init(|| {
        let text = format!("k2 {}\nk1 {}\n", "5a".repeat(32), "a5".repeat(32));
        Keyring::parse(&SecretText::new(text)).expect("a ring")
    })
}

/// What a scheme looks at when it sees a request of a dialect.
pub fn context<'a>(dialect: &'a Dialect, view: &'a RequestView<'a>) -> Context<'a> {
    Context { dialect, product: PRODUCT, view, keyring: keyring(), now: NOW, transport: Transport::default() }
}

/// A request with these parts, to `https://pay.example`.
pub fn view<'a>(method: &'a str, target: &'a str, headers: &'a [Header<'a>], body: &'a [u8]) -> RequestView<'a> {
    RequestView {
        method,
        scheme: "https",
        authority: "pay.example",
        target,
        route_at: 0,
        headers,
        body,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// The record of a key whose secret is `SECRET`.
pub fn candidate(key_id: &str) -> Candidate {
    Candidate {
        key_id: key_id.into(),
        product: PRODUCT.into(),
        mode: Mode::Live,
        merchant_id: MerchantId::fresh(NOW, &Bytes(&[1])).expect("bytes"),
        app_id: AppId::fresh(NOW, &Bytes(&[2])).expect("bytes"),
        status: keymint_domain::credential::Status::Active,
        expires_at: None,
        owner: OwnerState::Enabled,
        restrictions: None,
        verifier: Verifier::Opened(SecretBytes::new(SECRET.as_bytes().to_vec())),
    }
}

/// The row that sealed secrets belong to.
pub fn row() -> CredentialId {
    CredentialId::fresh(NOW, &Bytes(&[3])).expect("bytes")
}

/// The input's own bytes as the source of randomness, over and over; counted up, so that rejection sampling ends.
pub struct Bytes<'a>(pub &'a [u8]);

impl Entropy for Bytes<'_> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        for (at, byte) in buffer.iter_mut().enumerate() {
            let drawn = self.0.get(at % self.0.len().max(1)).copied().unwrap_or(0);
            *byte = drawn.wrapping_add(u8::try_from(at % 251).expect("below 256"));
        }
        Ok(())
    }
}

/// Takes one byte off the input; 0 at its end.
pub fn take(data: &mut &[u8]) -> usize {
    match data.split_first() {
        Some((first, rest)) => {
            *data = rest;
            usize::from(*first)
        }
        None => 0,
    }
}

/// Takes the bytes up to the next line break off the input.
pub fn line<'a>(data: &mut &'a [u8]) -> &'a [u8] {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    *data = rest.get(1..).unwrap_or_default();
    line
}

/// Edits `text` in one or more places as the input says: a place, how many bytes go, and which come.
pub fn edit(text: &mut Vec<u8>, data: &mut &[u8]) {
    loop {
        let at = (take(data) << 8 | take(data)) % (text.len() + 1);
        let gone = take(data) % 8;
        let come = take(data) % 8;
        let new: Vec<u8> = data.iter().copied().take(come).collect();
        *data = data.get(come..).unwrap_or_default();
        text.splice(at..(at + gone).min(text.len()), new);
        if data.is_empty() {
            return;
        }
    }
}
