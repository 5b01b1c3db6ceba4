//! What a certificate says of itself. Whether it is to be believed, rustls decides.

use keymint_domain::renewal::Validity;

/// From when to when a certificate in DER is valid; nothing where it cannot be read.
pub fn validity_of(der: &[u8]) -> Option<Validity> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let validity = parsed.validity();
    Some(Validity { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
}
