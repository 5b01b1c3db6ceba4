//! The key ring: a sealed secret opens for its own record alone, a changed row is noticed, and nothing that holds a
//! secret says it.

use keymint_domain::credential::{Credential, RevokeReason, Status};
use keymint_domain::entropy::EntropyError;
use keymint_domain::id::{AppId, CredentialId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::seal::{Keyring, KeyringError, SealError, StoredSecret, Verifier};
use keymint_domain::secret::{SecretBytes, SecretText, equal};
use keymint_domain::time::UnixMs;

use crate::fixture::{FailingEntropy, Key, NOW, SeededEntropy, dialect, key, keyring, ring};

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn two_keys(name: &str) -> (Key, Key) {
    let entropy = SeededEntropy::new(41);
    (key(dialect(name), Mode::Live, &entropy), key(dialect(name), Mode::Live, &entropy))
}

fn open(ring: &Keyring, credential: &Credential) -> Result<Verifier, SealError> {
    ring.open(&credential.id, &credential.key_id, &credential.secret)
}

fn refusal(ring: &Keyring, credential: &Credential) -> SealError {
    open(ring, credential).map(|_| ()).expect_err("it must not open")
}

#[test]
fn a_sealed_secret_opens_for_its_own_record() {
    let (first, _) = two_keys("kwikpaisa");
    match open(keyring(), &first.credential) {
        Ok(Verifier::Opened(secret)) => assert_eq!(secret.expose(), first.secret.as_bytes()),
        other => panic!("{other:?}"),
    }
    let StoredSecret::Sealed { bytes, .. } = &first.credential.secret else { panic!("it is sealed") };
    assert_eq!(bytes.len(), 12 + first.secret.len() + 16, "nonce, text, tag");
    assert!(!bytes.windows(8).any(|window| first.secret.as_bytes().windows(8).any(|plain| plain == window)));
}

#[test]
fn secrets_of_two_records_that_are_swapped_open_for_neither() {
    let (mut first, mut second) = two_keys("kwikpaisa");
    std::mem::swap(&mut first.credential.secret, &mut second.credential.secret);
    assert_eq!(refusal(keyring(), &first.credential), SealError::Tampered);
    assert_eq!(refusal(keyring(), &second.credential), SealError::Tampered);
    std::mem::swap(&mut first.credential.secret, &mut second.credential.secret);
    assert!(open(keyring(), &first.credential).is_ok());
}

#[test]
fn a_sealed_secret_belongs_to_row_and_key_id_both() {
    let (first, second) = two_keys("kspay");
    let mut other_row = first.credential.clone();
    other_row.id = second.credential.id;
    assert_eq!(refusal(keyring(), &other_row), SealError::Tampered);
    let mut other_name = first.credential.clone();
    other_name.key_id = second.credential.key_id.clone();
    assert_eq!(refusal(keyring(), &other_name), SealError::Tampered);
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let (first, _) = two_keys("kwikpaisa");
    let StoredSecret::Sealed { ring_key, bytes } = &first.credential.secret else { panic!("it is sealed") };
    let with = |bytes: Vec<u8>| {
        let mut changed = first.credential.clone();
        changed.secret = StoredSecret::Sealed { ring_key: ring_key.clone(), bytes };
        changed
    };
    assert!(open(keyring(), &with(bytes.clone())).is_ok());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(refusal(keyring(), &with(flipped)), SealError::Tampered, "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert_eq!(refusal(keyring(), &with(bytes[..length].to_vec())), SealError::Tampered, "{length} bytes");
    }
    assert_eq!(refusal(keyring(), &with([bytes.as_slice(), &[0]].concat())), SealError::Tampered);
}

#[test]
fn an_empty_secret_does_not_open_and_never_matches() {
    let (first, _) = two_keys("kwikpaisa");
    let mut empty = first.credential.clone();
    let nothing = SecretText::new(String::new());
    empty.secret = keyring().seal(&empty.id, &empty.key_id, &nothing, &SeededEntropy::new(42)).expect("sealed");
    assert_eq!(refusal(keyring(), &empty), SealError::Tampered);
    assert!(!keyring().matches(&Verifier::Opened(SecretBytes::new(Vec::new())), "k", b""));
    let StoredSecret::Hashed { digest, .. } = keyring().hash("k", &nothing) else { panic!("it is hashed") };
    assert!(!keyring().matches(&Verifier::Hashed { ring_index: 0, digest }, "k", b""));
}

#[test]
fn a_retired_entry_still_opens_and_an_unknown_one_refuses() {
    let old = ring(&format!("k1 {HEX}\n"));
    let rotated = ring(&format!("k2 {}\nk1 {HEX}\n", "77".repeat(32)));
    let lost = ring(&format!("k2 {}\n", "77".repeat(32)));
    let impostor = ring(&format!("k1 {}\n", "77".repeat(32)));
    let entropy = SeededEntropy::new(43);
    let id = CredentialId::fresh(NOW, &entropy).expect("entropy");
    let secret = SecretText::new("sk_live_something".to_owned());
    let sealed = old.seal(&id, "pk", &secret, &entropy).expect("sealed");
    let hashed = old.hash("pk", &secret);

    for stored in [&sealed, &hashed] {
        for ring in [&old, &rotated] {
            let verifier = ring.open(&id, "pk", stored).expect("the ring has the entry");
            assert!(ring.matches(&verifier, "pk", b"sk_live_something"));
            assert!(!ring.matches(&verifier, "pk", b"sk_live_somethinG"));
        }
        assert_eq!(lost.open(&id, "pk", stored).map(|_| ()), Err(SealError::UnknownRingKey));
    }
    assert_eq!(impostor.open(&id, "pk", &sealed).map(|_| ()), Err(SealError::Tampered));
    let verifier = impostor.open(&id, "pk", &hashed).expect("a digest tells nothing of its entry");
    assert!(!impostor.matches(&verifier, "pk", b"sk_live_something"));

    match rotated.seal(&id, "pk", &secret, &entropy).expect("sealed") {
        StoredSecret::Sealed { ring_key, .. } => {
            assert_eq!(ring_key, "k2", "new things are made with the current entry")
        }
        StoredSecret::Hashed { .. } => panic!("it is sealed"),
    }
}

#[test]
fn the_same_secret_is_sealed_and_hashed_differently_for_each_record() {
    let entropy = SeededEntropy::new(44);
    let id = CredentialId::fresh(NOW, &entropy).expect("entropy");
    let secret = SecretText::new("the same".to_owned());
    let sealed = [0, 1].map(|_| keyring().seal(&id, "a", &secret, &entropy).expect("sealed"));
    assert_ne!(sealed[0], sealed[1], "a fresh nonce");
    assert_ne!(keyring().hash("a", &secret), keyring().hash("b", &secret));
    assert_eq!(keyring().hash("a", &secret), keyring().hash("a", &secret));
}

/// Worked out with Python's `hmac` and `hashlib`: HKDF (RFC 5869) gives the entry's key, then SHA-256 over the four bytes
/// of 1, that key, key id, NUL and secret (NIST SP 800-56C rev. 2, section 4.1), of which 24 bytes are kept.
#[test]
fn hashes_are_those_that_another_program_works_out() {
    let hash = |key_id: &str, secret: String| {
        let StoredSecret::Hashed { digest, .. } = keyring().hash(key_id, &SecretText::new(secret)) else {
            panic!("it is hashed")
        };
        data_encoding::HEXLOWER.encode(&digest)
    };
    let short = hash("rzp_test_0123456789abcd", "s".repeat(24));
    assert_eq!(short, "8bbbac0c41f851e43c51c3e59d24879cfcac018afb240ecb");
    let long = hash(&"k".repeat(90), "s".repeat(90));
    assert_eq!(long, "7c840987b56e27d9d8a65325063a5438575f18f5ab40538c", "longer than what is gathered");
}

#[test]
fn a_hash_matches_its_own_secret_and_key_id_alone() {
    let (first, second) = two_keys("razorpay");
    let verifier = open(keyring(), &first.credential).expect("hashes open");
    assert!(keyring().matches(&verifier, first.id(), first.secret.as_bytes()));
    assert!(!keyring().matches(&verifier, second.id(), first.secret.as_bytes()));
    assert!(!keyring().matches(&verifier, first.id(), second.secret.as_bytes()));
    let Verifier::Hashed { ring_index, digest } = verifier else { panic!("it is hashed") };
    for bit in 0..192 {
        let mut digest = digest;
        digest[bit / 8] ^= 1 << (bit % 8);
        let flipped = Verifier::Hashed { ring_index, digest };
        assert!(!keyring().matches(&flipped, first.id(), first.secret.as_bytes()), "bit {bit}");
    }
    for ring_index in [1, 2, 255] {
        let elsewhere = Verifier::Hashed { ring_index, digest };
        assert!(!keyring().matches(&elsewhere, first.id(), first.secret.as_bytes()), "entry {ring_index}");
    }
    // The separator between key id and secret: no secret of another key id gives the same digest.
    let joined = keyring().hash("ab", &SecretText::new("c".to_owned()));
    assert_ne!(joined, keyring().hash("a", &SecretText::new("bc".to_owned())));
}

#[test]
fn no_nonce_no_seal() {
    let id = CredentialId::fresh(NOW, &SeededEntropy::new(45)).expect("entropy");
    let sealed = keyring().seal(&id, "a", &SecretText::new("s".to_owned()), &FailingEntropy::after(0));
    assert_eq!(sealed.map(|_| ()), Err(SealError::Entropy(EntropyError)));
}

/// Every row that differs in one field from the first.
fn changed_rows() -> (Credential, Vec<(&'static str, Credential)>) {
    let entropy = SeededEntropy::new(46);
    let mut row = key(dialect("kwikpaisa"), Mode::Live, &entropy).credential;
    row.expires_at = Some(UnixMs(NOW.0 + 1000));
    row.restrictions.allowed_ips =
        vec!["203.0.113.0/24".parse().expect("a block"), "2001:db8::/32".parse().expect("a block")];
    row.restrictions.allowed_origins = vec!["https://shop.example".into()];
    row.restrictions.scopes = vec!["pg".into(), "payout".into()];
    let mut rows: Vec<(&'static str, Credential)> = Vec::new();
    let mut changed = |what, change: &dyn Fn(&mut Credential)| {
        let mut copy = row.clone();
        change(&mut copy);
        rows.push((what, copy));
    };
    let digest = [7; 24];
    let StoredSecret::Sealed { bytes, ring_key } = row.secret.clone() else { panic!("it is sealed") };
    changed("row", &|row| row.id = CredentialId::fresh(NOW, &SeededEntropy::new(47)).expect("entropy"));
    changed("key id", &|row| row.key_id = row.key_id.to_uppercase());
    changed("product", &|row| row.product.push('2'));
    changed("mode", &|row| row.mode = Mode::Test);
    changed("merchant", &|row| row.merchant_id = MerchantId::fresh(NOW, &SeededEntropy::new(48)).expect("entropy"));
    changed("app", &|row| row.app_id = AppId::fresh(NOW, &SeededEntropy::new(49)).expect("entropy"));
    changed("expiry later", &|row| row.expires_at = Some(UnixMs(NOW.0 + 1001)));
    changed("expiry gone", &|row| row.expires_at = None);
    changed("expiry at the epoch", &|row| row.expires_at = Some(UnixMs(0)));
    changed("retiring", &|row| row.status = Status::Retiring { ends_at: NOW });
    changed("retiring later", &|row| row.status = Status::Retiring { ends_at: UnixMs(NOW.0 + 1) });
    let revoked = |at, reason| Status::Revoked { at, reason, note: None };
    changed("revoked", &|row| row.status = revoked(NOW, RevokeReason::Unused));
    changed("revoked later", &|row| row.status = revoked(UnixMs(NOW.0 + 1), RevokeReason::Unused));
    changed("revoked otherwise", &|row| row.status = revoked(NOW, RevokeReason::Compromised));
    changed("no addresses", &|row| row.restrictions.allowed_ips.clear());
    changed("an address less", &|row| row.restrictions.allowed_ips.truncate(1));
    changed("a wider block", &|row| row.restrictions.allowed_ips[0] = "203.0.112.0/23".parse().expect("a block"));
    changed("another address", &|row| row.restrictions.allowed_ips[0] = "203.0.114.0/24".parse().expect("a block"));
    changed("no origins", &|row| row.restrictions.allowed_origins.clear());
    changed("another origin", &|row| row.restrictions.allowed_origins[0] = "https://shop.examples".into());
    changed("an origin more", &|row| row.restrictions.allowed_origins.push("https://b.example".into()));
    changed("no scopes", &|row| row.restrictions.scopes.clear());
    changed("a scope less", &|row| row.restrictions.scopes.truncate(1));
    changed("other scopes", &|row| row.restrictions.scopes[0] = "p".into());
    changed("providers", &|row| row.restrictions.providers = vec!["a".into()]);
    changed("other providers", &|row| row.restrictions.providers = vec!["a".into(), "b".into()]);
    changed("origin as scope", &|row| {
        let origins = std::mem::take(&mut row.restrictions.allowed_origins);
        row.restrictions.scopes.splice(0..0, origins);
    });
    changed("ring entry", &|row| row.secret = StoredSecret::Sealed { ring_key: "k1".to_owned(), bytes: bytes.clone() });
    changed("a byte of the seal", &|row| {
        let mut bytes = bytes.clone();
        bytes[0] ^= 1;
        row.secret = StoredSecret::Sealed { ring_key: ring_key.clone(), bytes };
    });
    changed("hashed", &|row| row.secret = StoredSecret::Hashed { ring_key: ring_key.clone(), digest });
    changed("hashed otherwise", &|row| {
        row.secret = StoredSecret::Hashed { ring_key: ring_key.clone(), digest: [8; 24] }
    });
    (row, rows)
}

#[test]
fn a_change_of_any_field_that_decides_is_noticed() {
    let (row, changed) = changed_rows();
    assert!(changed.len() >= 20);
    let check = keyring().row_check(&row.check_bytes());
    assert!(keyring().row_is_intact(&row.check_bytes(), &check));
    for (what, changed) in &changed {
        assert!(!keyring().row_is_intact(&changed.check_bytes(), &check), "{what}");
        let own = keyring().row_check(&changed.check_bytes());
        assert!(keyring().row_is_intact(&changed.check_bytes(), &own), "{what}");
        assert!(!keyring().row_is_intact(&row.check_bytes(), &own), "{what}, the other way round");
    }
    let mut all: Vec<Vec<u8>> = changed.iter().map(|(_, row)| row.check_bytes()).collect();
    all.push(row.check_bytes());
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "two different rows have the same bytes");
}

#[test]
fn what_people_write_beside_a_credential_is_not_covered() {
    let (mut row, _) = changed_rows();
    row.status = Status::Revoked { at: NOW, reason: RevokeReason::Other, note: None };
    let before = row.check_bytes();
    row.name = Some("till 4".to_owned());
    row.status = Status::Revoked { at: NOW, reason: RevokeReason::Other, note: Some("lost".to_owned()) };
    row.created_at = UnixMs(0);
    assert_eq!(row.check_bytes(), before);
}

#[test]
fn a_check_counts_under_the_entry_that_made_it() {
    let old = ring(&format!("k1 {HEX}\n"));
    let rotated = ring(&format!("k2 {}\nk1 {HEX}\n", "77".repeat(32)));
    let check = old.row_check(b"row");
    assert!(rotated.row_is_intact(b"row", &check), "retired entries still check");
    assert!(!old.row_is_intact(b"row", &rotated.row_check(b"row")), "an entry that this ring lacks");
    let renamed = [b"k2".as_slice(), &check[2..]].concat();
    assert!(!rotated.row_is_intact(b"row", &renamed), "another entry's check");
    for bit in 0..check.len() * 8 {
        let mut flipped = check.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!old.row_is_intact(b"row", &flipped), "bit {bit}");
    }
    for length in 0..check.len() {
        assert!(!old.row_is_intact(b"row", &check[..length]), "{length} bytes");
    }
    assert!(!old.row_is_intact(b"row", &[check.as_slice(), &[0]].concat()));
    for odd in [b"".as_slice(), b":", b"k1", b"k1:", b":k1"] {
        assert!(!old.row_is_intact(b"row", odd));
    }
}

#[test]
fn keys_for_different_purposes_are_different() {
    let (_, token) = keyring().token_mac(b"bytes");
    let row = keyring().row_check(b"bytes");
    assert!(!row.ends_with(&token), "a row's check is no token's");
    assert!(keyring().token_is_ours("k2", b"bytes", &token));
    assert!(!keyring().token_is_ours("k1", b"bytes", &token), "the other entry");
    assert!(!keyring().token_is_ours("k3", b"bytes", &token), "no entry");
    assert!(!keyring().token_is_ours("k2", b"bytes", &token[..31]), "cut");
}

#[test]
fn a_ring_is_read_line_by_line() {
    let text = format!("# made in March\n\n  b {HEX}  # current\r\na {}\n", HEX.to_uppercase());
    let ring = Keyring::parse(&SecretText::new(text)).expect("a ring");
    assert_eq!(ring.names().collect::<Vec<_>>(), ["b", "a"]);
    let sixteen: String = (0..16).map(|number| format!("k{number} {HEX}\n")).collect();
    assert_eq!(Keyring::parse(&SecretText::new(sixteen)).expect("sixteen").names().count(), 16);
}

#[test]
fn a_ring_that_is_wrong_is_refused_without_a_word_of_its_content() {
    let seventeen: String = (0..17).map(|number| format!("k{number} {HEX}\n")).collect();
    for (text, expected) in [
        (String::new(), KeyringError::Empty),
        ("# nothing\n\n".to_owned(), KeyringError::Empty),
        (HEX.to_owned(), KeyringError::Line(1)),
        (format!("k1{HEX}"), KeyringError::Line(1)),
        (format!("k1\t{HEX}"), KeyringError::Line(1)),
        (format!("k1 {}", &HEX[1..]), KeyringError::Line(1)),
        (format!("k1 {}", &HEX[2..]), KeyringError::Line(1)),
        (format!("k1 {HEX}00"), KeyringError::Line(1)),
        (format!("k1 {}g", &HEX[1..]), KeyringError::Line(1)),
        (format!("k1 {HEX} extra"), KeyringError::Line(1)),
        (format!("k-1 {HEX}"), KeyringError::Line(1)),
        (format!("k:1 {HEX}"), KeyringError::Line(1)),
        (format!("{} {HEX}", "k".repeat(17)), KeyringError::Line(1)),
        (format!("k1 {HEX}\n\nk2 {HEX}x"), KeyringError::Line(3)),
        (format!("k1 {HEX}\nk1 {HEX}"), KeyringError::Repeated(2)),
        (seventeen, KeyringError::TooMany),
    ] {
        let error = Keyring::parse(&SecretText::new(text.clone())).map(|_| ()).expect_err("no ring");
        assert_eq!(error, expected, "{text:?}");
        for words in [format!("{error}"), format!("{error:?}")] {
            assert!(!words.contains("0011") && !words.contains("aabb"), "{words}");
        }
    }
}

#[test]
fn a_made_ring_is_read_back_and_each_is_another() {
    let entropy = SeededEntropy::new(50);
    let [first, second] = [0, 1].map(|_| Keyring::generate("k1", &entropy).expect("entropy"));
    assert_ne!(first.expose(), second.expose());
    let (a, b) = (Keyring::parse(&first).expect("a ring"), Keyring::parse(&second).expect("a ring"));
    assert_ne!(a.row_check(b"x"), b.row_check(b"x"));
    assert_eq!(a.names().collect::<Vec<_>>(), ["k1"]);
}

#[test]
fn what_holds_a_secret_is_mute() {
    let (first, _) = two_keys("kwikpaisa");
    let (hashed, _) = two_keys("razorpay");
    let shown = [
        format!("{:?}", SecretText::new(first.secret.clone())),
        format!("{:?}", SecretBytes::new(first.secret.clone().into_bytes())),
        format!("{:?}", open(keyring(), &first.credential)),
        format!("{:?}", open(keyring(), &hashed.credential)),
        format!("{:?}", first.credential.secret),
        format!("{:?}", hashed.credential.secret),
    ];
    let expected = ["SecretText(…)", "SecretBytes(…)", "Ok(Opened(…))", "Ok(Hashed(…))", "Sealed(…)", "Hashed(…)"];
    assert_eq!(shown, expected);
    let row = format!("{:?}", first.credential);
    assert!(!row.contains(&first.secret) && row.contains("Sealed(…)"), "{row}");
}

#[test]
fn comparison_takes_length_into_account() {
    assert!(equal(b"abc", b"abc") && equal(b"", b""));
    for other in [b"abd".as_slice(), b"ab", b"abcd", b"", b"ABC"] {
        assert!(!equal(b"abc", other));
    }
}
