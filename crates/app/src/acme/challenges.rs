//! The challenges that are running (TLS-ALPN-01, RFC 8737): a certificate for each host that the authority is looking at
//! now. Each stands here while its order runs, and is gone with it, however the order ends.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use thiserror::Error;

/// Why there is no certificate for a challenge.
#[derive(Debug, Error)]
pub enum ChallengeError {
    /// It cannot be made.
    #[error(transparent)]
    Made(#[from] rcgen::Error),
    /// It cannot be shown.
    #[error(transparent)]
    Shown(#[from] rustls::Error),
}

/// The running challenges of all listeners: the authority asks at port 443, whichever of them that is.
#[derive(Debug, Default)]
pub struct Challenges(RwLock<HashMap<String, Arc<CertifiedKey>>>);

/// A running challenge; over when dropped.
pub struct Running {
    challenges: Arc<Challenges>,
    host: String,
}

impl Challenges {
    /// What is shown for a host, in small letters, while its challenge runs.
    pub fn find(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(host).map(Arc::clone)
    }

    /// Shows the digest of a key authorization for a host, in the extension that is made for it (RFC 8737 section 3).
    ///
    /// # Errors
    /// `ChallengeError`.
    pub fn run(self: &Arc<Self>, host: &str, digest: &[u8]) -> Result<Running, ChallengeError> {
        let mut params = CertificateParams::new([host.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let chain = vec![params.self_signed(&key)?.der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        // Not by way of the library's check whether both belong together: it reads no certificate with this extension.
        let key = default_provider().key_provider.load_private_key(key.into())?;
        let certified = Arc::new(CertifiedKey::new(chain, key));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), certified);
        Ok(Running { challenges: Arc::clone(self), host: host.to_owned() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.challenges.0.write().unwrap_or_else(PoisonError::into_inner).remove(&self.host);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Challenges;

    #[test]
    fn a_challenge_is_shown_for_its_host_alone_and_only_while_it_runs() {
        let challenges = Arc::new(Challenges::default());
        assert!(challenges.find("api.example.com").is_none(), "before");
        let running = challenges.run("api.example.com", &[7; 32]).expect("a challenge");
        let shown = challenges.find("api.example.com").expect("its certificate");
        // RFC 8737 section 3: an octet string with the digest, in an octet string, critical.
        let extension = [&[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xff, 4, 34, 4, 32][..], &[7; 32]].concat();
        assert!(shown.cert[0].windows(extension.len()).any(|bytes| bytes == extension));
        for other in ["example.com", "www.api.example.com", "api.example.org", ""] {
            assert!(challenges.find(other).is_none(), "{other}");
        }
        drop(running);
        assert!(challenges.find("api.example.com").is_none(), "after");
    }
}
