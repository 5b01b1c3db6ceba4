//! Tokens: what is read was minted by the ring, to the byte.
#![no_main]

use data_encoding::BASE64URL_NOPAD;
use keymint_domain::token::{TokenClaims, TokenUse, mint, read};
use keymint_fuzz::{edit, keyring, take};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = take(&mut data);
    assert_eq!(read(keyring(), data), None, "nobody guesses a signature");

    let claims = TokenClaims {
        sub: String::from_utf8_lossy(data.get(..40).unwrap_or(data)).into_owned(),
        aud: "shop".to_owned(),
        token_use: if kind.is_multiple_of(2) { TokenUse::Access } else { TokenUse::Refresh },
        iat: i64::try_from(kind).expect("small"),
        exp: i64::try_from(kind * 7).expect("small"),
    };
    let token = mint(keyring(), &claims);
    assert_eq!(read(keyring(), token.as_bytes()), Some(claims));

    let mut edited = token.clone().into_bytes();
    edit(&mut edited, &mut data.get(..).unwrap_or_default());
    assert!(read(keyring(), &edited).is_none() || edited == token.as_bytes(), "another spelling was read");

    // Any header and payload under a right signature: what is read is what we would have written.
    let (head, payload) = data.split_at(data.len() / 2);
    let ours = br#"{"alg":"HS256","kid":"k2","typ":"JWT"}"#;
    let head = if kind & 4 == 0 { ours } else { head };
    let signed = format!("{}.{}", BASE64URL_NOPAD.encode(head), BASE64URL_NOPAD.encode(payload));
    let (_, mac) = keyring().token_mac(signed.as_bytes());
    if let Some(claims) = read(keyring(), format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac)).as_bytes()) {
        assert_eq!(head, ours, "another header was accepted");
        let minted = mint(keyring(), &claims);
        assert_eq!(read(keyring(), minted.as_bytes()), Some(claims));
    }
});
