//! Sealed secrets, row checks and rings: only what the ring made opens, for its own row, unchanged.
#![no_main]

use keymint_domain::seal::{Keyring, SealError, StoredSecret, Verifier};
use keymint_domain::secret::SecretText;
use keymint_fuzz::{Bytes, edit, keyring, row, take};
use libfuzzer_sys::fuzz_target;

fn open(key_id: &str, ring_key: &str, bytes: &[u8]) -> Result<Verifier, SealError> {
    keyring().open(&row(), key_id, &StoredSecret::Sealed { ring_key: ring_key.to_owned(), bytes: bytes.to_vec() })
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = take(&mut data);
    // Nothing is ever sealed for this key id. What is sealed below for another, the fuzzer gets to see when it is compared.
    let forged = open("forged", if kind.is_multiple_of(2) { "k1" } else { "k2" }, data);
    assert_eq!(forged.map(|_| ()), Err(SealError::Tampered));
    assert_eq!(open("forged", "k3", data).map(|_| ()), Err(SealError::UnknownRingKey));
    assert!(!keyring().row_is_intact(b"row", data), "nobody guesses a check");
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(ring) = Keyring::parse(&SecretText::new(text.to_owned()))
    {
        assert!((1..=16).contains(&ring.names().count()));
        assert!(ring.names().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        assert!(ring.row_is_intact(b"row", &ring.row_check(b"row")));
        assert!(!keyring().row_is_intact(b"row", &ring.row_check(b"row")), "another ring");
    }

    let secret = String::from_utf8_lossy(data.get(..64).unwrap_or(data)).into_owned();
    let sealed = keyring().seal(&row(), "pk", &SecretText::new(secret.clone()), &Bytes(data)).expect("bytes");
    let StoredSecret::Sealed { ring_key, bytes } = sealed else { panic!("it is sealed") };
    match open("pk", &ring_key, &bytes) {
        Ok(Verifier::Opened(opened)) => assert_eq!(opened.expose(), secret.as_bytes()),
        Ok(Verifier::Hashed { .. }) => panic!("it is sealed"),
        Err(error) => assert!(secret.is_empty() && error == SealError::Tampered),
    }
    assert!(open("pk2", &ring_key, &bytes).is_err() && open("pk", "k1", &bytes).is_err());
    let check = keyring().row_check(&bytes);
    assert!(keyring().row_is_intact(&bytes, &check));

    let mut edited = if kind & 2 == 0 { bytes.clone() } else { check.clone() };
    edit(&mut edited, &mut data);
    if kind & 2 == 0 {
        assert!(edited == bytes || open("pk", &ring_key, &edited).is_err(), "changed bytes opened");
        assert!(edited == bytes || !keyring().row_is_intact(&edited, &check), "a changed row is intact");
    } else {
        assert!(edited == check || !keyring().row_is_intact(&bytes, &edited), "a changed check counts");
    }
});
