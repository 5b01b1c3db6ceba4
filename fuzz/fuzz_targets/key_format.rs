//! Key texts: what is drawn is read back, what is read has the shape, and a checksum bears no change.
#![no_main]

use keymint_domain::dialect::format::KeyFormat;
use keymint_domain::mode::Mode;
use keymint_fuzz::{Bytes, dialects, edit, take};
use libfuzzer_sys::fuzz_target;

fn check_shape(format: &KeyFormat, text: &[u8]) {
    let Ok(mode) = format.parse(text) else { return };
    let rest = text.strip_prefix(format.prefix(mode).as_bytes()).expect("a text begins with its prefix");
    assert_eq!(text.len(), format.text_length(mode));
    assert!(rest.iter().all(u8::is_ascii_alphanumeric));
    if format.has_checksum() {
        for at in 0..text.len() {
            let mut changed = text.to_vec();
            changed[at] ^= 1;
            assert!(format.parse(&changed).is_err(), "a changed character was not noticed");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let dialect = &dialects()[take(&mut data) % dialects().len()];
    let formats: Vec<&KeyFormat> =
        std::iter::once(&dialect.key_id).chain(dialect.secrets.iter().map(|style| &style.format)).collect();
    let format = formats[take(&mut data) % formats.len()];
    let mode = if take(&mut data).is_multiple_of(2) { Mode::Test } else { Mode::Live };
    check_shape(format, data);

    let drawn = format.draw(mode, &Bytes(data)).expect("bytes").expose().to_owned();
    let read = if format.prefix(Mode::Test) == format.prefix(Mode::Live) { Mode::Test } else { mode };
    assert_eq!(format.parse(drawn.as_bytes()), Ok(read));
    check_shape(format, drawn.as_bytes());
    let mut edited = drawn.clone().into_bytes();
    edit(&mut edited, &mut data);
    check_shape(format, &edited);

    let id = dialect.key_id.fingerprint(mode, data);
    assert!(!dialect.key_id_derived || dialect.key_id.parse(id.as_bytes()) == Ok(mode));
});
