//! The visible shape of keys: the vendors' forms, enough random bits, errors found offline, nothing issued without
//! randomness.

use std::sync::atomic::{AtomicU8, Ordering};

use keymint_domain::credential::{Blank, IssueError, issue};
use keymint_domain::dialect::Dialect;
use keymint_domain::dialect::format::{Alphabet, Checksum, FormatError, KeyFormat};
use keymint_domain::entropy::{Entropy, EntropyError, draw_text};
use keymint_domain::id::{AppId, CredentialId, MerchantId, RequestId};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;

use crate::fixture::{DIALECTS, FailingEntropy, NOW, PRODUCT, SeededEntropy, dialect, keyring};

const MODES: [Mode; 2] = [Mode::Test, Mode::Live];

fn secret_format(name: &str) -> &'static KeyFormat {
    &dialect(name).secrets[0].format
}

fn draw(format: &KeyFormat, mode: Mode, entropy: &dyn Entropy) -> String {
    format.draw(mode, entropy).expect("entropy").expose().to_owned()
}

fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A form as a vendor shows it: prefix, alphabet, length.
type Shown = (&'static str, fn(&str) -> bool, usize);

/// The formats of the dialects beside the forms that the vendors show, written here a second time.
fn vendor_forms() -> Vec<(&'static KeyFormat, Shown)> {
    let plugin = dialect("kpay").secret_style(Some("plugin")).expect("the plugin's style");
    vec![
        (&dialect("razorpay").key_id, ("rzp_{mode}_", is_base62, 14)),
        (secret_format("razorpay"), ("", is_base62, 24)),
        (&dialect("kpay").key_id, ("kpay_{mode}_", is_hex, 48)),
        (secret_format("kpay"), ("sk_{mode}_", is_hex, 64)),
        (&plugin.format, ("", is_hex, 64)),
        (&dialect("kwikpaisa").key_id, ("pk_{mode}_", is_base62, 24)),
        (secret_format("kwikpaisa"), ("sk_{mode}_", is_base62, 32)),
        (&dialect("kspay").key_id, ("kspub_{mode}_", is_base62, 24)),
        (secret_format("kspay"), ("kssec_{mode}_", is_base62, 32)),
    ]
}

#[test]
fn keys_have_the_forms_that_the_vendors_show() {
    let entropy = SeededEntropy::new(11);
    for (format, (prefix, is_alphabet, length)) in vendor_forms() {
        for mode in MODES {
            let prefix = prefix.replace("{mode}", mode.as_str());
            for _ in 0..100 {
                let text = draw(format, mode, &entropy);
                let rest = text.strip_prefix(&prefix).unwrap_or_else(|| panic!("{text} does not begin with {prefix}"));
                assert!(is_alphabet(rest) && rest.len() == length, "{text}");
                assert_eq!(format.text_length(mode), text.len());
                let read = if prefix.is_empty() { Mode::Test } else { mode };
                assert_eq!(format.parse(text.as_bytes()), Ok(read), "{text}");
            }
        }
    }
}

#[test]
fn one_character_too_many_too_few_or_of_another_alphabet_is_refused() {
    let entropy = SeededEntropy::new(12);
    for (format, (prefix, is_alphabet, length)) in vendor_forms() {
        let text = draw(format, Mode::Live, &entropy);
        let longer =
            [format!("{text}0"), format!("0{text}"), format!("{text} "), format!(" {text}"), format!("{text}\n")];
        for odd in longer.iter().map(String::as_str).chain([&text[1..], &text[..text.len() - 1], ""]) {
            assert_eq!(format.parse(odd.as_bytes()), Err(FormatError::Shape), "{odd:?}");
        }
        let random_at = prefix.replace("{mode}", "live").len();
        assert_eq!(random_at + length, text.len());
        for at in random_at..text.len() {
            for byte in 0..=u8::MAX {
                let mut odd = text.clone().into_bytes();
                odd[at] = byte;
                let fits = byte.is_ascii() && is_alphabet(&char::from(byte).to_string());
                assert_eq!(format.parse(&odd).is_ok(), fits, "{byte:#x} at {at} of {text}");
            }
        }
    }
}

#[test]
fn prefixes_are_read_exactly() {
    let format = &dialect("razorpay").key_id;
    assert_eq!(format.parse(b"rzp_test_0wFRWIZnH65uny"), Ok(Mode::Test));
    assert_eq!(format.parse(b"rzp_live_0wFRWIZnH65uny"), Ok(Mode::Live));
    for odd in ["Rzp_test_", "RZP_TEST_", "rzp_tset_", "rzp-test_", "rzp_test-", "rzp_prod_", "rzp__", "", "rzp_test__"]
    {
        assert_eq!(format.parse(format!("{odd}0wFRWIZnH65uny").as_bytes()), Err(FormatError::Shape), "{odd}");
    }
}

#[test]
fn secrets_have_at_least_128_random_bits_and_native_ones_190() {
    for name in DIALECTS {
        for style in &dialect(name).secrets {
            assert!(style.format.bits() >= 128, "{name} {}", style.name);
        }
        assert!(dialect(name).key_id.bits() >= 80, "{name}");
    }
    assert_eq!((secret_format("keymint").bits(), dialect("keymint").key_id.bits()), (190, 190));
    assert_eq!(secret_format("kpay").bits(), 256);
    assert_eq!((Alphabet::Base62.bits(21), Alphabet::Base62.bits(22)), (125, 130));
    assert_eq!((Alphabet::Hex.bits(31), Alphabet::Hex.bits(32)), (124, 128));
}

#[test]
fn a_checksum_is_the_crc_of_what_stands_before_it() {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let entropy = SeededEntropy::new(13);
    for format in [secret_format("keymint"), &dialect("keymint").key_id] {
        assert!(format.has_checksum());
        let text = draw(format, Mode::Live, &entropy);
        let (covered, tail) = text.split_at(text.len() - 6);
        let value = tail.bytes().fold(0_u64, |value, byte| {
            value * 62 + u64::try_from(digits.iter().position(|digit| *digit == byte).expect("base 62")).expect("small")
        });
        assert_eq!(value, u64::from(crc32fast::hash(covered.as_bytes())));
    }
    // Fixed for ever: keys in use must stay readable.
    let fixed = "kms_test_0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let tail = "2DeRIk";
    assert_eq!(secret_format("keymint").parse(format!("{fixed}{tail}").as_bytes()), Ok(Mode::Test));
}

#[test]
fn every_single_change_of_a_native_key_is_found_offline() {
    let entropy = SeededEntropy::new(14);
    for format in [secret_format("keymint"), &dialect("keymint").key_id] {
        for mode in MODES {
            let text = draw(format, mode, &entropy).into_bytes();
            assert_eq!(format.parse(&text), Ok(mode));
            for at in 0..text.len() {
                for byte in (0..=u8::MAX).filter(|byte| *byte != text[at]) {
                    let mut changed = text.clone();
                    changed[at] = byte;
                    assert!(format.parse(&changed).is_err(), "{byte:#x} at {at}");
                }
                let mut shorter = text.clone();
                shorter.remove(at);
                assert!(format.parse(&shorter).is_err(), "without the byte at {at}");
                let mut longer = text.clone();
                longer.insert(at, text[at]);
                assert!(format.parse(&longer).is_err(), "with the byte at {at} twice");
                if text.get(at + 1).is_some_and(|next| *next != text[at]) {
                    let mut swapped = text.clone();
                    swapped.swap(at, at + 1);
                    assert!(format.parse(&swapped).is_err(), "bytes {at} and {} swapped", at + 1);
                }
            }
        }
    }
}

#[test]
fn the_mode_is_part_of_what_the_checksum_covers() {
    let entropy = SeededEntropy::new(15);
    let text = draw(secret_format("keymint"), Mode::Test, &entropy);
    let moved = text.replacen("_test_", "_live_", 1);
    assert_eq!(secret_format("keymint").parse(moved.as_bytes()), Err(FormatError::Checksum));
}

#[test]
fn a_derived_key_id_is_a_fingerprint_of_its_secret() {
    let format = &dialect("keymint").key_id;
    let id = format.fingerprint(Mode::Test, b"kms_test_x");
    assert_eq!(format.parse(id.as_bytes()), Ok(Mode::Test));
    assert_eq!(format.fingerprint(Mode::Test, b"kms_test_x"), id);
    assert_ne!(format.fingerprint(Mode::Test, b"kms_test_y"), id);
    assert!(format.fingerprint(Mode::Live, b"kms_test_x").starts_with("km_live_"));
    // Fixed for ever: a secret must find its key.
    assert_eq!(id, "km_test_OfuCsal5HqWkne2d1f2x9BtNemMjyuYM1hbSU9");
}

#[test]
fn no_secret_of_a_million_is_drawn_twice() {
    let entropy = SeededEntropy::new(16);
    let mut seen: Vec<u128> = Vec::with_capacity(1_000_000);
    for name in ["razorpay", "kpay", "kwikpaisa", "kspay", "keymint"] {
        let format = secret_format(name);
        let prefix = format.prefix(Mode::Live).len();
        for _ in 0..200_000 {
            let text = format.draw(Mode::Live, &entropy).expect("entropy");
            let random = text.expose().as_bytes()[prefix..].first_chunk::<16>().expect("more than 16 characters");
            seen.push(u128::from_be_bytes(*random));
        }
    }
    assert_eq!(seen.len(), 1_000_000);
    seen.sort_unstable();
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "a secret was drawn twice");
}

/// Gives 0, 1, 2 and so on.
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        buffer.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

#[test]
fn each_character_is_equally_likely() {
    for (alphabet, per_round) in
        [("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 4), ("0123456789abcdef", 16)]
    {
        let drawn = draw_text(&Counting(AtomicU8::new(0)), alphabet.as_bytes(), alphabet.len() * per_round * 3);
        let drawn = drawn.expect("it counts for ever");
        for character in alphabet.chars() {
            assert_eq!(drawn.matches(character).count(), per_round * 3, "{character}");
        }
    }
}

fn blank(dialect: &'static Dialect) -> Blank<'static> {
    let entropy = SeededEntropy::new(17);
    Blank {
        dialect,
        style: &dialect.secrets[0],
        product: PRODUCT,
        mode: Mode::Live,
        merchant_id: MerchantId::fresh(NOW, &entropy).expect("entropy"),
        app_id: AppId::fresh(NOW, &entropy).expect("entropy"),
    }
}

#[test]
fn nothing_is_issued_when_randomness_fails_at_any_point() {
    for name in DIALECTS {
        let plenty = FailingEntropy::after(1000);
        issue(&blank(dialect(name)), keyring(), NOW, &plenty).expect("enough randomness");
        let needed = 1000 - plenty.fills_left();
        assert!(needed >= 2, "{name} draws an id and a secret");
        for fills in 0..needed {
            let issued = issue(&blank(dialect(name)), keyring(), NOW, &FailingEntropy::after(fills));
            let error = issued.map(|_| ()).expect_err("it ran dry");
            assert!(matches!(error, IssueError::Entropy(_) | IssueError::Seal), "{name} after {fills}: {error}");
        }
        issue(&blank(dialect(name)), keyring(), NOW, &FailingEntropy::after(needed)).expect("just enough");
    }
}

#[test]
fn no_text_and_no_id_is_made_without_randomness() {
    let dry = FailingEntropy::after(0);
    assert_eq!(draw_text(&dry, b"ab", 1), Err(EntropyError));
    assert!(secret_format("razorpay").draw(Mode::Test, &dry).is_err());
    assert!(CredentialId::fresh(NOW, &dry).is_err());
    assert!(keymint_domain::seal::Keyring::generate("k1", &dry).is_err());
    let once = FailingEntropy::after(1);
    assert!(draw_text(&once, b"ab", 65).is_err(), "one filling gives 64 characters of an alphabet of two");
}

#[test]
fn issued_keys_differ_from_each_other_and_show_their_mode() {
    let entropy = SeededEntropy::new(18);
    for name in DIALECTS {
        let blank = blank(dialect(name));
        let [first, second] = [0, 1].map(|_| issue(&blank, keyring(), NOW, &entropy).expect("entropy"));
        assert_ne!(first.credential.key_id, second.credential.key_id);
        assert_ne!(first.credential.id, second.credential.id);
        assert_ne!(first.secret.expose(), second.secret.expose());
        assert_eq!(dialect(name).key_id.parse(first.credential.key_id.as_bytes()), Ok(Mode::Live), "{name}");
        assert!(first.credential.key_id.contains("live"), "{name}");
        assert!(!first.credential.key_id.contains(first.secret.expose()), "{name}");
    }
}

#[test]
fn ids_are_read_back_and_nothing_else_is() {
    let id = CredentialId::fresh(NOW, &SeededEntropy::new(19)).expect("entropy");
    let text = id.to_string();
    assert_eq!((text.len(), text.parse()), (30, Ok(id)));
    let odd = [
        text.to_uppercase(),
        text.replacen("crd_", "mer_", 1),
        format!("{text}0"),
        text[..29].to_owned(),
        format!("crd_8{}", &text[5..]),
        format!("crd_0{}i", &text[5..29]),
        String::new(),
        "crd_".to_owned(),
        format!(" {text}"),
    ];
    for odd in odd {
        assert!(odd.parse::<CredentialId>().is_err(), "{odd}");
    }
    assert!(format!("crd_7{}", "z".repeat(25)).parse::<CredentialId>().is_ok(), "the largest");
    let later = CredentialId::fresh(UnixMs(NOW.0 + 1), &SeededEntropy::new(20)).expect("entropy");
    assert!(later.to_string() > text, "ids sort by time");
    let [first, second] = [1, 2].map(|number| RequestId::numbered(NOW, number));
    assert!(first < second && second.to_string().starts_with("req_"));
}

#[test]
fn a_format_of_ones_own_is_read_by_the_same_rules() {
    let format = KeyFormat::new("x{mode}y{mode}", Alphabet::Hex, 32, Checksum::Crc32);
    let text = draw(&format, Mode::Live, &SeededEntropy::new(21));
    assert!(text.starts_with("xliveylive"));
    assert_eq!(format.parse(text.as_bytes()), Ok(Mode::Live));
}
