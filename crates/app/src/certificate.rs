//! What a certificate says of itself, and whether a key is its own. Whether it is to be believed, who is shown it decides.

use std::sync::Arc;

use keymint_domain::renewal::Validity;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use thiserror::Error;

/// Why a certificate and a key cannot be shown. Never says what they are.
#[derive(Debug, Error)]
pub enum PairError {
    /// No certificate, or a broken one.
    #[error("there is no certificate that can be read")]
    NoCertificate,
    /// No private key, or a broken one, or one of a kind that is not known.
    #[error("there is no private key that can be used")]
    NoKey,
    /// The key is of another certificate.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

/// A certificate with its key, ready to be shown.
#[derive(Debug)]
pub struct Pair {
    /// What the library signs with.
    pub certified: Arc<CertifiedKey>,
    /// From when to when it is valid.
    pub validity: Validity,
}

impl Pair {
    /// A chain and a key in PEM, the server's own certificate first.
    ///
    /// # Errors
    /// `PairError`.
    pub fn parse(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| PairError::NoCertificate)?;
        let validity = chain.first().and_then(|first| validity_of(first)).ok_or(PairError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PairError::NoKey)?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => PairError::Mismatch,
            rustls::Error::InvalidCertificate(_) => PairError::NoCertificate,
            _ => PairError::NoKey,
        })?;
        Ok(Self { certified: Arc::new(certified), validity })
    }

    /// Whether the certificate is for a name.
    pub fn is_for(&self, name: &ServerName<'_>) -> bool {
        let certificate = self.certified.cert.first().map(ParsedCertificate::try_from);
        certificate.and_then(Result::ok).is_some_and(|certificate| verify_server_name(&certificate, name).is_ok())
    }
}

/// From when to when a certificate in DER is valid; nothing where it cannot be read.
fn validity_of(der: &[u8]) -> Option<Validity> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let validity = parsed.validity();
    Some(Validity { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
}
