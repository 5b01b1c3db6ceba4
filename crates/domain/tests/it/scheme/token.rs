//! Access tokens: signed by the ring with one algorithm, for one product, one use, and a time; nothing about them is the
//! caller's to choose (T6).

use data_encoding::{BASE64URL, BASE64URL_NOPAD, Encoding};
use keymint_domain::credential::{RevokeReason, Status};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_domain::token::{TokenClaims, TokenUse, mint, read};

use crate::fixture::{Key, NOW, Outcome, PRODUCT, Request, SeededEntropy, World, dialect, key, keyring, ring, token};

const B64: Encoding = BASE64URL_NOPAD;
const HEADER: &str = r#"{"alg":"HS256","kid":"k2","typ":"JWT"}"#;

fn one(name: &str) -> Key {
    key(dialect(name), Mode::Live, &SeededEntropy::new(121))
}

fn bearer(token: &str) -> Request {
    Request::new("GET /transaction").with("authorization", format!("Bearer {token}"))
}

fn claims(key: &Key) -> TokenClaims {
    TokenClaims {
        sub: key.id().to_owned(),
        aud: PRODUCT.to_owned(),
        token_use: TokenUse::Access,
        iat: NOW.seconds(),
        exp: NOW.seconds() + 900,
    }
}

/// A token with any header and payload, signed as ours are: only what it says can be wrong.
fn forged(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", B64.encode(header.as_bytes()), B64.encode(payload.as_bytes()));
    let (_, mac) = keyring().token_mac(signed.as_bytes());
    format!("{signed}.{}", B64.encode(&mac))
}

fn payload_of(token: &str) -> String {
    let payload = token.split('.').nth(1).expect("three parts");
    String::from_utf8(B64.decode(payload.as_bytes()).expect("base 64")).expect("JSON")
}

#[test]
fn an_access_token_is_a_jwt_that_other_software_can_read() {
    let token = token(&one("kspay"), TokenUse::Access, 900);
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(B64.decode(parts[0].as_bytes()).expect("base 64"), HEADER.as_bytes());
    let payload: serde_json::Value = serde_json::from_str(&payload_of(&token)).expect("JSON");
    let seconds = NOW.seconds();
    let expected = serde_json::json!({
        "sub": one("kspay").id(), "aud": PRODUCT, "use": "access", "iat": seconds, "exp": seconds + 900,
    });
    assert_eq!(payload, expected);
    assert_eq!(read(keyring(), token.as_bytes()), Some(claims(&one("kspay"))));
    assert_eq!(forged(HEADER, &payload_of(&token)), token, "what the tests forge is otherwise right");
}

#[test]
fn an_access_token_works_until_its_second_and_not_then() {
    for (name, line, seconds) in [("kspay", "GET /transaction", 900), ("kpay", "POST /api/wallets/transfer", 1800)] {
        let key = one(name);
        let token = format!("Bearer {}", token(&key, TokenUse::Access, seconds));
        let request = Request::new(line).with("authorization", token);
        let end = (NOW.seconds() + seconds) * 1000;
        for (ms, expected) in [
            (NOW.0, None),
            (end - 1, None),
            (end, Some(DenyReason::StaleTimestamp)),
            (end + 1, Some(DenyReason::StaleTimestamp)),
        ] {
            let world = World::new(dialect(name), &[&key]).at(UnixMs(ms));
            assert_eq!(world.reason(&request), expected, "{name} at {ms}");
        }
        let late = World::new(dialect(name), &[&key]).at(UnixMs(end));
        let told = late.answer(&request);
        assert_eq!(told.status, 401);
        assert!(name != "kspay" || &*told.body == r#"{"status":401,"code":9009,"message":"Token has expired."}"#);
    }
}

/// Headers that are not the one we write, each with a signature that is right for it.
const HEADERS: &[&str] = &[
    r#"{"alg":"none","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"None","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"NONE","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"nOnE","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"none"}"#,
    r#"{"alg":"","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":null,"kid":"k2","typ":"JWT"}"#,
    r#"{"alg":false,"kid":"k2","typ":"JWT"}"#,
    r#"{"alg":["HS256"],"kid":"k2","typ":"JWT"}"#,
    r#"{"kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"hs256","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"HS256 ","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"HS384","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"HS512","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"RS256","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"ES256","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"PS256","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"EdDSA","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"dir","enc":"A256GCM","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"k1","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"k3","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"K2","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"../../dev/null","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"k2' OR '1'='1","typ":"JWT"}"#,
    r#"{"alg":"HS256","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"k2"}"#,
    r#"{"alg":"HS256","kid":"k2","typ":"jwt"}"#,
    r#"{"alg":"HS256","kid":"k2","typ":"JWS"}"#,
    r#"{"typ":"JWT","alg":"HS256","kid":"k2"}"#,
    r#"{"alg":"HS256","typ":"JWT","kid":"k2"}"#,
    r#"{"alg": "HS256","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"k2","typ":"JWT"} "#,
    r#"{"alg":"HS256","kid":"k2","typ":"JWT","crit":["exp"]}"#,
    r#"{"alg":"HS256","kid":"k2","typ":"JWT","jwk":{"kty":"oct","k":"AA"}}"#,
    r#"{"alg":"HS256","kid":"k2","typ":"JWT","jku":"https://evil.test"}"#,
    r#"{"alg":"HS256","kid":"k2","typ":"JWT","x5u":"https://evil.test"}"#,
    r#"{"alg":"HS256","alg":"none","kid":"k2","typ":"JWT"}"#,
    r#"{"alg":"none","alg":"HS256","kid":"k2","typ":"JWT"}"#,
    r#"{"\u0061lg":"HS256","kid":"k2","typ":"JWT"}"#,
    r#"{}"#,
    r#"null"#,
    "",
];

#[test]
fn no_header_but_ours_is_accepted_however_it_is_signed() {
    let key = one("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let payload = payload_of(&token(&key, TokenUse::Access, 900));
    assert!(HEADERS.len() >= 30);
    for header in HEADERS {
        let signed = forged(header, &payload);
        let unsigned = format!("{}.", signed.rsplit_once('.').expect("three parts").0);
        let two_parts = unsigned.trim_end_matches('.').to_owned();
        for token in [signed, unsigned, two_parts] {
            assert_eq!(read(keyring(), token.as_bytes()), None, "{header}");
            assert_eq!(world.reason(&bearer(&token)), Some(DenyReason::WrongSignature), "{header}");
            assert_eq!(world.answer(&bearer(&token)).status, 401);
        }
    }
    assert_eq!(world.see(&bearer(&forged(HEADER, &payload))), Outcome::Allowed);
}

#[test]
fn no_payload_but_the_five_claims_is_accepted_however_it_is_signed() {
    let good = payload_of(&token(&one("kspay"), TokenUse::Access, 900));
    assert!(read(keyring(), forged(HEADER, &good).as_bytes()).is_some());
    let members: Vec<&str> = good.trim_matches(['{', '}']).split(',').collect();
    assert_eq!(members.len(), 5);
    let mut odd: Vec<String> = Vec::new();
    for skipped in 0..5 {
        let kept: Vec<&str> = (0..5).filter(|index| *index != skipped).map(|index| members[index]).collect();
        odd.push(format!("{{{}}}", kept.join(",")));
        odd.push(format!("{{{},{}}}", members.join(","), members[skipped]));
    }
    odd.extend([
        good.replace('{', "{\"admin\":true,"),
        good.replace("\"access\"", "\"Access\""),
        good.replace("\"access\"", "\"admin\""),
        good.replace("\"access\"", "null"),
        good.replace("\"exp\":", "\"exp\":\"").replace('}', "\"}"),
        good.replace("\"exp\":", "\"exp\":-0.5e9,\"x\":"),
        good.replace('}', ".5}"),
        good.replace('}', "e9}"),
        format!("[{good}]"),
        format!("{good}{good}"),
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
    ]);
    for payload in odd {
        assert_eq!(read(keyring(), forged(HEADER, &payload).as_bytes()), None, "{payload}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_token_is_refused() {
    let key = one("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let good = token(&key, TokenUse::Access, 900).into_bytes();
    for bit in 0..good.len() * 8 {
        let mut token = good.clone();
        token[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(keyring(), &token), None, "bit {bit}");
        let request = Request::new("GET /transaction").with("authorization", [b"Bearer ".as_slice(), &token].concat());
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "bit {bit}");
    }
    for length in 0..good.len() {
        assert_eq!(read(keyring(), &good[..length]), None, "{length} bytes");
    }
}

#[test]
fn one_token_has_one_spelling() {
    let key = one("kspay");
    let good = token(&key, TokenUse::Access, 900);
    let parts: Vec<&str> = good.split('.').collect();
    let (head, payload, mac) = (parts[0], parts[1], parts[2]);
    let raw = B64.decode(mac.as_bytes()).expect("base 64");
    let last = char::from(mac.as_bytes()[42]);
    let stray: String = ['A', 'E', 'I', 'M'].iter().filter(|other| **other != last).take(1).collect();
    let next = char::from(u8::try_from(last).expect("ASCII") + 1);
    for odd in [
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{mac}"),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}="),
        format!("{head}=.{payload}.{mac}"),
        format!("{head}..{payload}.{mac}"),
        format!("{head}.{payload}..{mac}"),
        format!("{head}.{payload}"),
        format!("{payload}.{head}.{mac}"),
        format!("{head}.{payload}.{}", BASE64URL.encode(&raw)),
        format!("{head}.{payload}.{}", data_encoding::HEXLOWER.encode(&raw)),
        format!("{head}.{payload}.{}", B64.encode(&raw[..31])),
        format!("{head}.{payload}.{}", B64.encode(&raw[..16])),
        format!("{head}.{payload}.{}", B64.encode(&[raw.as_slice(), &[0]].concat())),
        format!("{head}.{payload}.{}", B64.encode(&[0; 32])),
        format!("{head}.{payload}.{}{stray}", &mac[..42]),
        format!("{head}.{payload}.{}{next}", &mac[..42]),
        good.to_uppercase(),
        format!("{{\"protected\":\"{head}\",\"payload\":\"{payload}\",\"signature\":\"{mac}\"}}"),
        format!("{head}.{payload}.{mac}.{mac}.{mac}"),
    ] {
        assert_eq!(read(keyring(), odd.as_bytes()), None, "{odd}");
    }
    let long = TokenClaims { sub: "x".repeat(1000), ..claims(&key) };
    assert_eq!(read(keyring(), mint(keyring(), &long).as_bytes()), None, "longer than any of ours");
}

#[test]
fn the_word_before_a_token_is_bearer_and_one_space() {
    let key = one("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let good = token(&key, TokenUse::Access, 900);
    for word in ["bearer ", "BEARER ", "Bearer", "Bearer\t", "Token ", "Basic ", "JWT ", "", "Bearer: ", " Bearer "] {
        let request = Request::new("GET /transaction").with("authorization", format!("{word}{good}"));
        assert_eq!(world.reason(&request), Some(DenyReason::MalformedCredentials), "{word:?}");
    }
    for odd in
        [format!("Bearer  {good}"), format!("Bearer {good} "), "Bearer ".to_owned(), format!("Bearer Bearer {good}")]
    {
        let request = Request::new("GET /transaction").with("authorization", &odd);
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "{odd:?}");
    }
}

#[test]
fn a_token_is_for_one_product_one_use_and_one_key() {
    let key = one("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let with = |change: fn(&mut TokenClaims)| {
        let mut changed = claims(&key);
        change(&mut changed);
        bearer(&mint(keyring(), &changed))
    };
    assert_eq!(world.see(&with(|_| {})), Outcome::Allowed);
    for (what, request, expected) in [
        ("another product", with(|claims| claims.aud = "shop2".to_owned()), DenyReason::WrongSignature),
        ("no product", with(|claims| claims.aud = String::new()), DenyReason::WrongSignature),
        ("a refresh token", with(|claims| claims.token_use = TokenUse::Refresh), DenyReason::WrongSignature),
        ("ended", with(|claims| claims.exp = NOW.seconds()), DenyReason::StaleTimestamp),
        ("ended long ago", with(|claims| claims.exp = i64::MIN), DenyReason::StaleTimestamp),
        ("no key", with(|claims| claims.sub = String::new()), DenyReason::MalformedCredentials),
        ("a key of another form", with(|claims| claims.sub.push('x')), DenyReason::MalformedCredentials),
        (
            "an unknown key",
            with(|claims| claims.sub = "kspub_live_000000000000000000000000".to_owned()),
            DenyReason::UnknownKey,
        ),
    ] {
        assert_eq!(world.reason(&request), Some(expected), "{what}");
    }
    assert_eq!(world.see(&with(|claims| claims.exp = NOW.seconds() + 1)), Outcome::Allowed, "one second left");
}

#[test]
fn a_token_dies_with_its_key() {
    let key = one("kspay");
    let request = bearer(&token(&key, TokenUse::Access, 900));
    let revoked = World::changed(dialect("kspay"), &key, |candidate| {
        candidate.status = Status::Revoked { at: NOW, reason: RevokeReason::Compromised, note: None };
    });
    assert_eq!(revoked.reason(&request), Some(DenyReason::Revoked));
    let retired = World::changed(dialect("kspay"), &key, |candidate| {
        candidate.status = Status::Retiring { ends_at: UnixMs(NOW.0 + 1) };
    });
    assert_eq!(retired.see(&request), Outcome::Allowed);
    assert_eq!(retired.at(UnixMs(NOW.0 + 1)).reason(&request), Some(DenyReason::Expired));
}

#[test]
fn a_retired_entry_of_the_ring_still_reads_tokens_and_an_unknown_one_does_not() {
    let secret = "5a".repeat(32);
    let old = ring(&format!("old {secret}\n"));
    let rotated = ring(&format!("new {}\nold {secret}\n", "77".repeat(32)));
    let lost = ring(&format!("new {}\n", "77".repeat(32)));
    let claims = claims(&one("kspay"));
    let token = mint(&old, &claims);
    assert_eq!(read(&rotated, token.as_bytes()), Some(claims.clone()));
    assert_eq!(read(&lost, token.as_bytes()), None);
    assert_eq!(read(&old, mint(&rotated, &claims).as_bytes()), None, "made with the new entry");
    let impostor = ring(&format!("old {}\n", "77".repeat(32)));
    assert_eq!(read(&impostor, token.as_bytes()), None, "the same name, another entry");
}

#[test]
fn kpay_takes_its_token_at_the_wallet_transfer_alone() {
    let key = one("kpay");
    let world = World::new(dialect("kpay"), &[&key]);
    let token = format!("Bearer {}", token(&key, TokenUse::Access, 1800));
    let call = |line: &str| Request::new(line).with("authorization", &token);
    for line in ["POST /api/wallets/transfer", "POST /api/wallets/transfer/", "POST /api/Wallets/transfer"] {
        assert_eq!(world.see(&call(line)), Outcome::Allowed, "{line}");
    }
    for line in
        ["GET /api/v1/payments/me", "POST /api/v1/payments/init", "GET /api/wallets/transfer", "POST /api/wallets"]
    {
        assert_eq!(world.reason(&call(line)), Some(DenyReason::MissingCredentials), "{line}");
    }
    let both = call("POST /api/wallets/transfer").with("x-api-key", key.id()).with("x-secret-key", &key.secret);
    assert_eq!(world.reason(&both), Some(DenyReason::AmbiguousRequest));
}
